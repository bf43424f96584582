package tarscan

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest/real"
)

// fact is what both readers say about a record.
type fact struct {
	Name, Link string
	Flag       byte
	Mode       uint32
	UID, GID   int
	Size       int64
	Sec        int64
	Nano       int
	Dev        [2]int64
	Xattrs     map[string]string
	Sum        string // of the content
}

// byArchiveTar reads b with the standard library, which decides.
func byArchiveTar(b []byte) (facts []fact, err error) {
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return facts, nil
		}
		if err != nil {
			return facts, err
		}
		var kind byte
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
			kind = '0'
		case tar.TypeDir, 'D':
			kind = '5'
		case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
			kind = h.Typeflag
		default:
			continue
		}
		f := fact{
			Name: h.Name, Flag: kind, Mode: uint32(h.Mode) & 0o7777, UID: h.Uid, GID: h.Gid,
			Sec: h.ModTime.Unix(), Nano: h.ModTime.Nanosecond(),
		}
		switch kind {
		case tar.TypeLink, tar.TypeSymlink:
			f.Link = h.Linkname
		case tar.TypeChar, tar.TypeBlock:
			f.Dev = [2]int64{h.Devmajor, h.Devminor}
		case tar.TypeReg:
			f.Size = h.Size
			if h.Size < 8<<20 {
				sum := sha256.New()
				if _, err := io.Copy(sum, r); err != nil {
					return facts, err
				}
				f.Sum = fmt.Sprintf("%x", sum.Sum(nil))
			}
		}
		for k, v := range h.PAXRecords {
			if k, ok := cutPrefix(k, "SCHILY.xattr."); ok && v != "" {
				if f.Xattrs == nil {
					f.Xattrs = map[string]string{}
				}
				f.Xattrs[k] = v
			}
		}
		facts = append(facts, f)
	}
}

func cutPrefix(s, p string) (string, bool) {
	if len(s) < len(p) || s[:len(p)] != p {
		return s, false
	}
	return s[len(p):], true
}

// byScanner reads b with the scanner. hard links are compared by their target
// as it stands in the tar, which the scanner cleans; so is archive/tar's here.
func byScanner(s *Scanner, layer io.ReaderAt) (facts []fact, entries []imagecore.Entry, err error) {
	for {
		var e imagecore.Entry
		err := s.Next(&e)
		if err == io.EOF {
			return facts, entries, nil
		}
		if err != nil {
			return facts, entries, err
		}
		f := fact{
			Name: e.Name, Mode: e.Mode, UID: int(e.UID), GID: int(e.GID), Sec: e.ModTime, Nano: int(e.ModNano),
			Dev: [2]int64{int64(e.Major), int64(e.Minor)}, Link: e.Link,
		}
		switch e.Kind {
		case imagecore.File:
			f.Flag, f.Size = '0', e.Size
			if e.Size < 8<<20 {
				sum := sha256.New()
				if _, err := io.Copy(sum, Content(layer, &e)); err != nil {
					return facts, entries, err
				}
				f.Sum = fmt.Sprintf("%x", sum.Sum(nil))
			}
		case imagecore.Dir:
			f.Flag = '5'
		case imagecore.Symlink:
			f.Flag = '2'
		case imagecore.Hardlink:
			f.Flag = '1'
		case imagecore.Char:
			f.Flag = '3'
		case imagecore.Block:
			f.Flag = '4'
		case imagecore.Fifo:
			f.Flag = '6'
		}
		for _, x := range e.Xattrs {
			if f.Xattrs == nil {
				f.Xattrs = map[string]string{}
			}
			f.Xattrs[x.Key] = x.Value
		}
		facts = append(facts, f)
		entries = append(entries, e)
	}
}

func unlimited() imagecore.Limits {
	l := imagecore.DefaultLimits()
	l.Path, l.Name, l.Depth, l.Xattrs = 1<<20, 1<<20, 1<<20, 2<<20
	l.Layer = math.MaxInt64
	return l
}

// compare reads b in every way and reports where they differ.
func compare(t *testing.T, b []byte) (entries int, refused bool) {
	t.Helper()
	want, wantErr := byArchiveTar(b)
	o := Options{Limits: unlimited(), Access: Access{Window: 2048, Probe: 1024, Skip: 700}}
	got, list, gotErr := byScanner(NewReaderAt(bytes.NewReader(b), int64(len(b)), o), bytes.NewReader(b))

	// The same records from a stream, however it is cut: byte by byte is slow,
	// and shows no more in large files.
	cut := iotest.OneByteReader
	if len(b) > 32<<10 {
		cut = iotest.HalfReader
	}
	streamed := NewReader(cut(bytes.NewReader(b)), Options{Limits: unlimited()})
	again, list2, gotErr2 := byScanner(streamed, bytes.NewReader(b))
	if diff := cmp.Diff(got, again); diff != "" {
		t.Fatalf("random access and stream differ:\n%s", diff)
	}
	if diff := cmp.Diff(list, list2); diff != "" {
		t.Fatalf("random access and stream differ:\n%s", diff)
	}
	if fmt.Sprint(gotErr) != fmt.Sprint(gotErr2) {
		t.Fatalf("random access: %v\nstream: %v", gotErr, gotErr2)
	}

	var ie *imagecore.Error
	if gotErr != nil && !errors.As(gotErr, &ie) {
		if errors.Is(gotErr, io.ErrUnexpectedEOF) && wantErr != nil {
			return len(got), true
		}
		t.Fatalf("an error without kind and place: %v", gotErr)
	}
	for i := range want { // as the scanner cleans them
		if want[i].Flag == '1' {
			want[i].Link, _ = Clean(want[i].Link)
		}
	}
	// What the scanner refuses beyond archive/tar: ids that no kernel has,
	// sizes whose sum no disk has, attributes that are not what they claim.
	if ie != nil && wantErr == nil {
		switch ie.Code {
		case "id-too-large", "layer-too-large", "bad-sparse":
			want = want[:min(len(want), len(got))]
		case "bad-header":
			if ie.Message == "value of an extended attribute is not base64" || ie.Message == "key of an extended attribute is not percent-encoded" {
				want = want[:min(len(want), len(got))]
				break
			}
			fallthrough
		default:
			t.Fatalf("the scanner refuses what archive/tar reads: %v", gotErr)
		}
	}
	if wantErr != nil && gotErr == nil {
		t.Fatalf("archive/tar refuses what the scanner reads: %v", wantErr)
	}
	if wantErr != nil {
		// Both refuse; content that ends early is seen at another moment.
		n := min(len(want), len(got))
		want, got = want[:n], got[:n]
	}
	if bytes.Contains(b, []byte("LIBARCHIVE.xattr.")) { // which archive/tar does not read
		for i := range got {
			dropExtra(got[i].Xattrs, want[i].Xattrs)
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("archive/tar (-) and the scanner (+) differ:\n%s", diff)
	}
	return len(got), gotErr != nil
}

// dropExtra drops the attributes that only the scanner reads.
func dropExtra(got, want map[string]string) {
	for k := range got {
		if _, ok := want[k]; !ok {
			delete(got, k)
		}
	}
}

func FuzzScanner(f *testing.F) {
	found, err := real.Seeds(16 << 10)
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range append(found, seeds()...) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		compare(t, b)
	})
}

// seeds are small tars of every dialect that archive/tar writes.
func seeds() [][]byte {
	var all [][]byte
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range []tar.Header{
			{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o1777},
			{Name: "d/f", Typeflag: tar.TypeReg, Mode: 0o4755, Size: 5, Uid: 1000, Gid: 100},
			{Name: "d/l", Typeflag: tar.TypeSymlink, Linkname: "/f"},
			{Name: "d/h", Typeflag: tar.TypeLink, Linkname: "./d/f"},
			{Name: "c", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
		} {
			h.Format = format
			if err := w.WriteHeader(&h); err != nil {
				panic(err)
			}
			if h.Size > 0 {
				io.WriteString(w, "hello")
			}
		}
		if format != tar.FormatUSTAR {
			long := string(bytes.Repeat([]byte("n"), 150))
			h := tar.Header{Name: long + "/" + long, Typeflag: tar.TypeReg, Format: format, Uid: 1 << 22}
			if format == tar.FormatPAX {
				h.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "v\x00w"}
			}
			if err := w.WriteHeader(&h); err != nil {
				panic(err)
			}
		}
		w.Close()
		all = append(all, b.Bytes())
	}
	return all
}

func TestSeedsAgreeWithArchiveTar(t *testing.T) {
	for i, b := range seeds() {
		for cut := 0; cut <= len(b); cut += 256 {
			compare(t, b[:cut])
		}
		n, refused := compare(t, b)
		if n < 5 || refused {
			t.Fatalf("seed %d: %d entries, refused %v", i, n, refused)
		}
	}
}
