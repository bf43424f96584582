// Package tarscan reads the headers of a tar and where each content lies, but
// no content:
//
//	io.ReaderAt (contents are jumped over) ┐
//	io.Reader   (contents are discarded)   ┴▶ Scanner.Next ▶ imagecore.Entry …
//
// It reads V7, USTAR, PAX, GNU and star headers; GNU long names; PAX records
// for path, linkpath, size, uid, gid, mtime, extended attributes and sparse
// files; GNU's old sparse headers and its PAX sparse formats 0.0, 0.1 and 1.0;
// numbers in octal and base 256. What is valid is what archive/tar says is
// valid (a fuzz target holds the two against each other), since that is what
// container engines read layers with. In particular global PAX headers change
// nothing, as in those engines, and are reported as a warning.
//
// It is about three times as fast as archive/tar: headers are parsed in place,
// contents are skipped by offset where that is cheaper than reading them, and
// all names of a layer share a few backing arrays.
//
//	s := tarscan.NewReaderAt(f, size, tarscan.Options{Limits: imagecore.DefaultLimits(), Whiteouts: true})
//	for {
//		var e imagecore.Entry
//		if err := s.Next(&e); err == io.EOF {
//			break
//		} else if err != nil {
//			return err
//		}
//		…
//	}
//
// It does not merge layers (package tree) and does not decompress (package codec).
package tarscan
