package tarscan

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"maps"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/layerlab/layerlab/imagecore"
)

func TestCleanIsLexical(t *testing.T) {
	for name, want := range map[string]string{
		"": "", ".": "", "/": "", "./": "", "//": "", "a": "a", "./a": "a", "/a": "a", "././a": "a", "/./a": "a",
		"a/": "a", "a//b": "a/b", "a/./b": "a/b", "a/b/.": "a/b", "a/../b": "b", "a/b/../../c": "c", "a/..": "", ".a": ".a", "..a/b..": "..a/b..",
		"a/.../b": "a/.../b", "..": "!", "../a": "!", "/../a": "!", "a/../../b": "!", "./../a": "!", "a/b/../../../c/d": "!",
	} {
		got, ok := Clean(name)
		if !ok {
			got = "!"
		}
		if got != want {
			t.Errorf("Clean(%q) = %q, want %q", name, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a//b/./c/../d/")
	f.Fuzz(func(t *testing.T, name string) {
		got, ok := Clean(name)
		// The standard library stops at the root instead of leaving it, so the
		// two agree on every name that stays inside.
		if want := path.Clean("/" + name)[1:]; ok && got != want {
			t.Errorf("Clean(%q) = %q, path.Clean says %q", name, got, want)
		}
		depth := 0
		for _, part := range strings.Split(name, "/") {
			switch part {
			case "", ".":
			case "..":
				depth--
			default:
				depth++
			}
			if depth < 0 && ok {
				t.Fatalf("Clean(%q) = %q, but the name leaves the root", name, got)
			}
		}
	})
}

// scan reads a tar of the given headers.
func scan(t *testing.T, o Options, headers ...tar.Header) ([]imagecore.Entry, []imagecore.Warning, error) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	if o.Limits == (imagecore.Limits{}) {
		o.Limits = imagecore.DefaultLimits()
	}
	s := NewReaderAt(bytes.NewReader(b.Bytes()), int64(b.Len()), o)
	var all []imagecore.Entry
	for {
		var e imagecore.Entry
		if err := s.Next(&e); err == io.EOF {
			return all, s.Warnings(), nil
		} else if err != nil {
			return all, s.Warnings(), err
		}
		all = append(all, e)
	}
}

func TestNamesWithAMeaning(t *testing.T) {
	for _, c := range []struct {
		name             string
		kind             imagecore.Kind
		path             string
		escapes          bool
		warning, plainly string // in a layer, in a root file system
	}{
		{"etc/.wh.passwd", imagecore.Whiteout, "etc/passwd", false, "", "whiteout-in-rootfs"},
		{"./.wh.a", imagecore.Whiteout, "a", false, "", "whiteout-in-rootfs"},
		{"etc//.wh..wh..opq", imagecore.Opaque, "etc", false, "", "whiteout-in-rootfs"},
		{".wh..wh..opq", imagecore.Opaque, "", false, "", "whiteout-in-rootfs"},
		{".wh..wh.plnk/1.2", imagecore.Metadata, ".wh..wh.plnk/1.2", false, "", ""},
		{"a/.wh..wh.aufs", imagecore.Metadata, "a/.wh..wh.aufs", false, "", "whiteout-in-rootfs"},
		{"a/.wh.", imagecore.Whiteout, "", true, "bad-whiteout", "whiteout-in-rootfs"},
		{"a/.wh..", imagecore.Whiteout, "", true, "bad-whiteout", "whiteout-in-rootfs"},
		{"a/.wh...", imagecore.Whiteout, "", true, "bad-whiteout", "whiteout-in-rootfs"},
		{"a/.wh....", imagecore.Whiteout, "a/...", false, "", "whiteout-in-rootfs"},
		{".whale", imagecore.File, ".whale", false, "", ""},
		{"a/.wh.b/c", imagecore.File, "a/.wh.b/c", false, "", ""},
		{"../x", imagecore.File, "", true, "escapes-root", "escapes-root"},
		{"/../.wh.x", imagecore.File, "", true, "escapes-root", "escapes-root"},
		{".", imagecore.File, "", true, "no-name", "no-name"},
	} {
		for _, layer := range []bool{true, false} {
			entries, warnings, err := scan(t, Options{Whiteouts: layer}, tar.Header{Name: c.name, Typeflag: tar.TypeReg})
			if err != nil {
				t.Fatal(err)
			}
			want, code := c, c.warning
			if !layer {
				code = c.plainly
				if !c.escapes || c.warning == "bad-whiteout" {
					want.path, _ = Clean(c.name)
					want.escapes = false
				}
				want.kind = imagecore.File
			}
			e := entries[0]
			if e.Kind != want.kind || e.Path != want.path || e.Escapes != want.escapes || e.Name != c.name {
				t.Errorf("%q (layer %v): %s %q escapes %v, want %s %q escapes %v", c.name, layer, e.Kind, e.Path, e.Escapes, want.kind, want.path, want.escapes)
			}
			got := ""
			if len(warnings) > 0 {
				got = warnings[0].Code
			}
			if got != code {
				t.Errorf("%q (layer %v): warning %q, want %q", c.name, layer, got, code)
			}
		}
	}
}

func TestHardLinkOutOfTheRootIsLeftOut(t *testing.T) {
	entries, warnings, err := scan(t, Options{Whiteouts: true},
		tar.Header{Name: "in", Typeflag: tar.TypeLink, Linkname: "/bin//sh"}, tar.Header{Name: "out", Typeflag: tar.TypeLink, Linkname: "../etc/shadow"},
		tar.Header{Name: "sym", Typeflag: tar.TypeSymlink, Linkname: "../../etc/shadow"})
	if err != nil || entries[0].Link != "bin/sh" || entries[0].Escapes || !entries[1].Escapes || entries[2].Link != "../../etc/shadow" || entries[2].Escapes {
		t.Errorf("%+v %v", entries, err)
	}
	if len(warnings) != 1 || warnings[0].Entry != "out" || warnings[0].Offset != entries[1].Offset {
		t.Errorf("%+v", warnings)
	}
}

func TestLimitsOfNames(t *testing.T) {
	long := strings.Repeat("n", 255)
	for name, code := range map[string]string{
		long:                         "",
		long + "n":                   "name-too-long",
		".wh." + long:                "", // hides a name of 255 bytes
		".wh." + long + "n":          "name-too-long",
		strings.Repeat("d/", 512):    "",
		strings.Repeat("d/", 513):    "too-deep",
		strings.Repeat("dddd/", 820): "path-too-long",
	} {
		_, _, err := scan(t, Options{Whiteouts: true}, tar.Header{Name: name, Typeflag: tar.TypeDir})
		var ie *imagecore.Error
		if errors.As(err, &ie); (err == nil) != (code == "") || ie != nil && (ie.Code != code || !errors.Is(err, imagecore.ErrTooLarge)) {
			t.Errorf("%d bytes: %v, want %q", len(name), err, code)
		}
	}
}

func TestLimitsOfEntriesAndContents(t *testing.T) {
	l := imagecore.DefaultLimits()
	l.Entries, l.Xattrs = 3, 20
	two := []tar.Header{{Name: "a", Typeflag: tar.TypeDir}, {Name: "b", Typeflag: tar.TypeDir}}
	if _, _, err := scan(t, Options{Limits: l, Counted: 1}, two...); err != nil {
		t.Error(err)
	}
	if _, _, err := scan(t, Options{Limits: l, Counted: 2}, two...); !errors.Is(err, imagecore.ErrTooLarge) {
		t.Errorf("four entries of three: %v", err)
	}
	x := tar.Header{Name: "a", Typeflag: tar.TypeDir, PAXRecords: map[string]string{"SCHILY.xattr.user.a": strings.Repeat("v", 20)}}
	if _, _, err := scan(t, Options{Limits: l}, x); !errors.Is(err, imagecore.ErrTooLarge) {
		t.Errorf("26 bytes of attributes of 20: %v", err)
	}
	// A sparse file of a few bytes that claims a terabyte.
	raw := paxTar("22 GNU.sparse.major=0\n22 GNU.sparse.minor=1\n26 GNU.sparse.numblocks=0\n33 GNU.sparse.size=1099511627776\n", "s")
	s := NewReaderAt(bytes.NewReader(raw), int64(len(raw)), Options{Limits: imagecore.DefaultLimits()})
	var e imagecore.Entry
	if err := s.Next(&e); !errors.Is(err, imagecore.ErrTooLarge) {
		t.Errorf("a sparse file of a terabyte: %v %+v", err, e)
	}
}

// paxTar is a tar of an empty file with the given records before it.
func paxTar(records, name string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "pax", Typeflag: tar.TypeReg, Size: int64(len(records)), Format: tar.FormatUSTAR}); err != nil {
		panic(err)
	}
	io.WriteString(w, records)
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
		panic(err)
	}
	w.Close()
	raw := b.Bytes()
	raw[156] = 'x' // archive/tar does not write headers of one's own
	for i := 148; i < 156; i++ {
		raw[i] = ' '
	}
	sum := 0
	for _, c := range raw[:512] {
		sum += int(c)
	}
	for i := 153; i >= 148; i-- {
		raw[i] = byte('0' + sum&7)
		sum >>= 3
	}
	raw[154] = 0
	return raw
}

func TestAttributesOfBothKinds(t *testing.T) {
	records := "29 SCHILY.xattr.user.b=plain\n" + "39 LIBARCHIVE.xattr.user.%61%3D=AAEC/w\n" + "36 LIBARCHIVE.xattr.user.b=bG9zZXM=\n"
	raw := paxTar(records, "f")
	s := NewReaderAt(bytes.NewReader(raw), int64(len(raw)), Options{Limits: imagecore.DefaultLimits()})
	var e imagecore.Entry
	if err := s.Next(&e); err != nil {
		t.Fatal(err)
	}
	want := []imagecore.Xattr{{Key: "user.a=", Value: "\x00\x01\x02\xff"}, {Key: "user.b", Value: "plain"}}
	if diff := cmp.Diff(want, e.Xattrs); diff != "" {
		t.Error(diff)
	}
}

func TestWarningsAreBounded(t *testing.T) {
	headers := make([]tar.Header, maxWarnings+5)
	for i := range headers {
		headers[i] = tar.Header{Name: "../x", Typeflag: tar.TypeReg}
	}
	entries, warnings, err := scan(t, Options{}, headers...)
	if err != nil || len(entries) != len(headers) || len(warnings) != maxWarnings+1 || warnings[maxWarnings].Code != "more-warnings" || warnings[maxWarnings].Args["count"] != "5" {
		t.Errorf("%d entries, %d warnings, %v", len(entries), len(warnings), err)
	}
}

// Files of one folder mostly have the same label: it is kept once.
func TestNeighboursShareEqualAttributes(t *testing.T) {
	labels := []map[string]string{
		{"SCHILY.xattr.security.selinux": "etc_t"},
		{"SCHILY.xattr.security.selinux": "etc_t"},
		nil,
		{"SCHILY.xattr.security.selinux": "etc_t", "SCHILY.xattr.user.k": "v"},
		{"SCHILY.xattr.security.selinux": "etc_t"},
		{"SCHILY.xattr.security.selinux": "bin_t"},
	}
	headers := make([]tar.Header, len(labels))
	for i, l := range labels {
		headers[i] = tar.Header{Name: "f", Typeflag: tar.TypeReg, PAXRecords: l}
	}
	all, _, err := scan(t, Options{}, headers...)
	if err != nil || len(all) != len(labels) {
		t.Fatalf("%d entries of %d, %v", len(all), len(labels), err)
	}
	for i, l := range labels {
		got := map[string]string{}
		for _, x := range all[i].Xattrs {
			got["SCHILY.xattr."+x.Key] = x.Value
		}
		if !maps.Equal(got, l) {
			t.Errorf("entry %d has %v, want %v", i, got, l)
		}
	}
	if &all[0].Xattrs[0] != &all[1].Xattrs[0] {
		t.Error("two neighbours have the same attribute, each for itself")
	}
}
