package tarscan

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
)

// TestNamesOfEveryDialect writes names that do not fit into a header, or are no
// text, in each way that there is for them.
func TestNamesOfEveryDialect(t *testing.T) {
	long := strings.Repeat("directory/", 20) + strings.Repeat("n", 200)
	for what, h := range map[string]tar.Header{
		"GNU long name":          {Name: long, Format: tar.FormatGNU},
		"GNU long link":          {Name: "l", Typeflag: tar.TypeSymlink, Linkname: long, Format: tar.FormatGNU},
		"PAX path":               {Name: long, Format: tar.FormatPAX},
		"PAX linkpath":           {Name: "l", Typeflag: tar.TypeSymlink, Linkname: long, Format: tar.FormatPAX},
		"ustar's prefix":         {Name: strings.Repeat("directory/", 12) + "n", Format: tar.FormatUSTAR},
		"UTF-8 in PAX":           {Name: "镜像/层", Format: tar.FormatPAX},
		"bytes that are no text": {Name: "latin1-\xe9\xff", Format: tar.FormatGNU},
	} {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		entries, _, err := scan(t, Options{}, h)
		if err != nil || len(entries) != 1 || entries[0].Name != h.Name || entries[0].Link != h.Linkname {
			t.Errorf("%s: %q -> %q, %v", what, entries[0].Name, entries[0].Link, err)
		}
	}
}

// TestNumbersOfEveryDialect writes numbers that octal digits have no room for.
func TestNumbersOfEveryDialect(t *testing.T) {
	for _, format := range []tar.Format{tar.FormatGNU, tar.FormatPAX} {
		entries, _, err := scan(t, Options{}, tar.Header{Name: "f", Typeflag: tar.TypeReg, Uid: 1 << 31, Gid: 1<<32 - 1, Format: format},
			tar.Header{Name: "c", Typeflag: tar.TypeChar, Devmajor: 259, Devminor: 7, Format: format}, tar.Header{Name: "b", Typeflag: tar.TypeBlock, Devmajor: 8, Devminor: 1, Format: format})
		if err != nil || len(entries) != 3 {
			t.Fatal(format, err)
		}
		if e := entries[0]; e.UID != 1<<31 || e.GID != 1<<32-1 {
			t.Errorf("%s: ids %d:%d", format, e.UID, e.GID)
		}
		if c, b := entries[1], entries[2]; c.Kind != imagecore.Char || c.Major != 259 || c.Minor != 7 || b.Kind != imagecore.Block || b.Major != 8 || b.Minor != 1 {
			t.Errorf("%s: devices %+v, %+v", format, c, b)
		}
	}
}

// A global header is nobody's: engines ignore it, so that what it says of the
// names that follow does not count.
func TestGlobalHeadersAreIgnoredWithAWarning(t *testing.T) {
	entries, warnings, err := scan(t, Options{}, tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "a commit", "path": "other", "uid": "7"}},
		tar.Header{Name: "f", Typeflag: tar.TypeReg})
	if err != nil || len(entries) != 1 || entries[0].Name != "f" || entries[0].UID != 0 {
		t.Errorf("%+v, %v", entries, err)
	}
	if len(warnings) != 1 || warnings[0].Code != "global-header" || warnings[0].Offset != 0 {
		t.Errorf("%+v", warnings)
	}
}

// A name may come twice, and a hard link before what it names: the scanner tells
// all in their order, what it means is for package tree to say.
func TestRecordsComeAsTheyStand(t *testing.T) {
	entries, _, err := scan(t, Options{}, tar.Header{Name: "link", Typeflag: tar.TypeLink, Linkname: "f"}, tar.Header{Name: "f", Typeflag: tar.TypeReg, Mode: 0o600}, tar.Header{Name: "f", Typeflag: tar.TypeReg, Mode: 0o644})
	if err != nil || len(entries) != 3 || entries[0].Kind != imagecore.Hardlink || entries[0].Link != "f" || entries[1].Mode != 0o600 || entries[2].Mode != 0o644 {
		t.Errorf("%+v, %v", entries, err)
	}
	if !slices.IsSortedFunc(entries, func(a, b imagecore.Entry) int { return int(a.Offset - b.Offset) }) || entries[2].Offset != 1024 {
		t.Errorf("offsets %+v", entries)
	}
}

// TestSparseFilesOfEveryFormat has GNU tar write a file with holes in each of its
// formats.
func TestSparseFilesOfEveryFormat(t *testing.T) {
	if out, err := exec.Command("tar", "--version").Output(); err != nil || !bytes.Contains(out, []byte("GNU tar")) {
		t.Skip("GNU tar is not installed: no one else writes these formats")
	}
	dir := t.TempDir()
	want := make([]byte, 3<<20)
	f, err := os.Create(filepath.Join(dir, "holes"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 { // more pieces than a header has room for
		piece := fmt.Sprintf("piece %d", i)
		at := 65536 + i*73728
		copy(want[at:], piece)
		if _, err := f.WriteAt([]byte(piece), int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(int64(len(want))); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, format := range [][]string{
		{"--format=gnu"},
		{"--format=oldgnu"},
		{"--format=posix", "--sparse-version=0.0"},
		{"--format=posix", "--sparse-version=0.1"},
		{"--format=posix", "--sparse-version=1.0"},
	} {
		b, err := exec.Command("tar", append(append([]string{"-C", dir, "--sparse"}, format...), "-cf", "-", "holes")...).Output()
		if err != nil {
			t.Fatal(format, err)
		}
		if len(b) > len(want)/2 {
			t.Skipf("the file system keeps no holes, tar wrote %d bytes", len(b))
		}
		for _, s := range []*Scanner{
			NewReaderAt(bytes.NewReader(b), int64(len(b)), Options{Limits: imagecore.DefaultLimits()}),
			NewReader(bytes.NewReader(b), Options{Limits: imagecore.DefaultLimits()}),
		} {
			var e imagecore.Entry
			if err := s.Next(&e); err != nil {
				t.Errorf("%v: %v", format, err)
				continue
			}
			got, err := io.ReadAll(Content(bytes.NewReader(b), &e))
			if err != nil || e.Name != "holes" || e.Size != int64(len(want)) || e.Stored >= e.Size || !bytes.Equal(got, want) {
				t.Errorf("%v: %s of %d bytes, %d stored, %d fragments, %v", format, e.Name, e.Size, e.Stored, len(e.Sparse), err)
			}
			if err := s.Next(&e); err != io.EOF {
				t.Errorf("%v: after it: %v", format, err)
			}
		}
	}
}
