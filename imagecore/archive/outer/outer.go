// Package outer gives an archive of images its outermost form: named files in
// a tar, in a compressed tar, in a folder, or the archive itself as the one
// file that there is.
//
//	Tar (bare, compressed) ┐
//	Folder                 ├▶ Files: Lookup · Open · At · Each
//	Whole                  ┘
//
// Replay reads at random what can only be read from its start. The package
// knows nothing of images; package archive does.
package outer

import (
	"bufio"
	"io"
	"path"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/imagecore/codec/restart"
	"github.com/layerlab/layerlab/imagecore/tarscan"
)

// Files is what an archive holds on the outside: named files.
type Files interface {
	// Lookup finds a file by its cleaned path, through links.
	Lookup(path string) (File, bool, error)
	// Open reads a file from a byte on.
	Open(f File, from int64) (io.ReadCloser, error)
	// Begin is the byte at or before off up to which Open need not unpack what
	// lies before.
	Begin(f File, off int64) int64
	// At reads a file at random, if that is no dearer than from its start.
	At(f File) (io.ReaderAt, bool, error)
	// Each reads files one after the other, which must stand in the order of
	// their offsets, in one pass over what is compressed.
	Each(all []File, read func(io.Reader) error) error
	Close() error
}

// File is one of them.
type File struct {
	Path   string // after links
	Offset int64  // in the outer tar, uncompressed
	Size   int64  // bytes
}

// Tar are the files of a tar that may itself be compressed. Its owner fills in
// the fields, scans the tar and calls Link before any file is looked up.
type Tar struct {
	Source      *io.SectionReader
	Limits      imagecore.Limits
	Compression string
	Window      int
	Entries     []imagecore.Entry
	Warnings    []imagecore.Warning // of the scan; they matter for root file systems only
	EndMarked   bool
	byPath      map[string]int  // last entry of each path; nil until Link
	Duplicates  []string        // paths of files that are there more than once, set by Link
	Restarts    *restart.Stream // where unpacking can begin; nil for the start alone
}

// Link makes the files findable by path.
func (t *Tar) Link() {
	t.byPath = make(map[string]int, len(t.Entries))
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Escapes || e.Kind == imagecore.Dir {
			continue
		}
		if j, ok := t.byPath[e.Path]; ok && t.Entries[j].Kind == imagecore.File && len(t.Duplicates) < 100 {
			t.Duplicates = append(t.Duplicates, e.Path)
		}
		t.byPath[e.Path] = i
	}
}

// Last reports whether entry i is the one that its path stands for.
func (t *Tar) Last(i int) bool {
	j, ok := t.byPath[t.Entries[i].Path]
	return ok && i == j
}

// maxHops is how many links in a row are followed, as in path_resolution(7).
const maxHops = 40

// Lookup implements Files.
func (t *Tar) Lookup(name string) (File, bool, error) {
	for range maxHops {
		clean, ok := tarscan.Clean(name)
		if !ok {
			return File{}, false, nil
		}
		i, ok := t.byPath[clean]
		if !ok {
			return File{}, false, nil
		}
		switch e := &t.Entries[i]; e.Kind {
		case imagecore.File:
			if e.Sparse != nil {
				return File{}, false, imagecore.NewError(imagecore.ErrUnsupported, "unsupported-format",
					"a layer or document that is a sparse file is not read: pack the archive without --sparse", "format", "sparse-member").At(e.Name, e.Offset)
			}
			return File{Path: e.Path, Offset: e.DataOffset, Size: e.Size}, true, nil
		case imagecore.Symlink:
			if name = e.Link; !strings.HasPrefix(name, "/") {
				name = path.Dir(clean) + "/" + name
			}
		case imagecore.Hardlink:
			name = e.Link
		default:
			return File{}, false, nil
		}
	}
	return File{}, false, imagecore.NewError(imagecore.ErrInvalid, "link-loop", "links that lead in a circle", "path", name).At(name, -1)
}

// At implements Files: only a bare tar has it.
func (t *Tar) At(f File) (io.ReaderAt, bool, error) {
	if t.Compression != codec.None {
		return nil, false, nil
	}
	return io.NewSectionReader(t.Source, f.Offset, f.Size), true, nil
}

// Open implements Files. In a compressed tar it unpacks what lies before, from
// the last restart point on.
func (t *Tar) Open(f File, from int64) (io.ReadCloser, error) {
	from = min(max(from, 0), f.Size)
	if t.Compression == codec.None {
		return io.NopCloser(bufio.NewReaderSize(io.NewSectionReader(t.Source, f.Offset+from, f.Size-from), t.Window)), nil
	}
	tar, at, err := t.unpackBefore(f.Offset + from)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, tar, f.Offset+from-at); err != nil {
		tar.Close()
		return nil, err
	}
	return limited{io.LimitReader(tar, f.Size-from), tar}, nil
}

// Begin implements Files.
func (t *Tar) Begin(f File, off int64) int64 {
	if t.Compression == codec.None {
		return off
	}
	p, _ := t.Restarts.Before(f.Offset + off)
	return max(p.Out-f.Offset, 0)
}

// Each implements Files.
func (t *Tar) Each(all []File, read func(io.Reader) error) error {
	if t.Compression == codec.None {
		return eachOpened(t, all, read)
	}
	tar, err := t.Unpack()
	if err != nil {
		return err
	}
	defer tar.Close()
	at := int64(0)
	for _, f := range all {
		if _, err := io.CopyN(io.Discard, tar, f.Offset-at); err != nil {
			return err
		}
		part := &io.LimitedReader{R: tar, N: f.Size}
		if err := read(part); err != nil {
			return err
		}
		at = f.Offset + f.Size - part.N
	}
	return nil
}

// eachOpened reads files by opening each.
func eachOpened(t Files, all []File, read func(io.Reader) error) error {
	for _, f := range all {
		in, err := t.Open(f, 0)
		if err != nil {
			return err
		}
		err = read(in)
		in.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// unpackBefore reads the outer tar from the last restart point before off on,
// and says where that is.
func (t *Tar) unpackBefore(off int64) (io.ReadCloser, int64, error) {
	p, ok := t.Restarts.Before(off)
	if !ok {
		tar, err := t.Unpack()
		return tar, 0, err
	}
	l := t.Limits
	l.Layer = l.Archive
	stored := bufio.NewReaderSize(io.NewSectionReader(t.Source, p.Byte(), t.Source.Size()-p.Byte()), t.Window)
	return codec.Resume(stored, p, l), p.Out, nil
}

// Unpack reads the outer tar from its start.
func (t *Tar) Unpack() (io.ReadCloser, error) {
	l := t.Limits
	l.Layer = l.Archive
	stored := bufio.NewReaderSize(io.NewSectionReader(t.Source, 0, t.Source.Size()), t.Window)
	tar, _, err := codec.NewReader(stored, l)
	return tar, err
}

// Close implements Files. The source is the owner's.
func (t *Tar) Close() error { return nil }

// limited reads a part and closes the whole.
type limited struct {
	io.Reader
	io.Closer
}
