package imagetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tarscan"
)

func TestNotationIsReadBack(t *testing.T) {
	for seed := range uint64(100) {
		s := Random(seed)
		if d := cmp.Diff(s, MustParse(s.String())); d != "" {
			t.Fatalf("seed %d: %s\n%s", seed, d, s)
		}
	}
	s := MustParse("-- layer --\n# a comment\nf a\nf b \"content\" mode=4755 uid=1 gid=2 mtime=-3 xattr.user.k=\"\\x00v\"\ns \"odd name\" -> \"to here\"\nc n dev=1:3\n")
	want := Stack{{
		{Type: 'f', Name: "a", Content: "a", Mode: 0o644, ModTime: Time},
		{Type: 'f', Name: "b", Content: "content", Mode: 0o4755, UID: 1, GID: 2, ModTime: -3, Xattrs: map[string]string{"user.k": "\x00v"}},
		{Type: 's', Name: "odd name", Link: "to here", Mode: 0o777, ModTime: Time},
		{Type: 'c', Name: "n", Mode: 0o644, ModTime: Time, Major: 1, Minor: 3},
	}}
	if d := cmp.Diff(want, s); d != "" {
		t.Error(d)
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, line := range []string{"x a", "f", "f a what", "f a mode=9", "f a \"open", "c n dev=x", "f a size=1"} {
		if _, err := Parse("-- layer --\n" + line + "\n"); err == nil {
			t.Errorf("%q is taken", line)
		}
	}
}

// The oracle is the judge of package tree, so it gets cases worked out by hand.
func TestOracle(t *testing.T) {
	for _, c := range EngineCases() {
		if got, want := Lines(Oracle(c.Stack, len(c.Stack))), c.Trees["spec"]; got != want && c.Name != "aufs-metadata" {
			t.Errorf("%s: the oracle shows\n%swant\n%s", c.Name, got, want)
		}
	}
}

func TestRandomMeetsWhatItIsFor(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(500) {
		s := Random(seed)
		for _, l := range s {
			names := map[string]bool{}
			for _, r := range l {
				seen[string(r.Type)] = true
				seen["opaque"] = seen["opaque"] || strings.HasSuffix(r.Name, ".wh..wh..opq")
				seen["whiteout"] = seen["whiteout"] || isWhiteout(r.Name)
				seen["twice"] = seen["twice"] || names[r.Name]
				names[r.Name] = true
			}
		}
		if d := cmp.Diff(s, Random(seed)); d != "" {
			t.Fatalf("seed %d is not the same twice: %s", seed, d)
		}
	}
	for _, what := range []string{"d", "f", "s", "h", "c", "p", "opaque", "whiteout", "twice"} {
		if !seen[what] {
			t.Errorf("no stack has %s", what)
		}
	}
}

func TestArchivesAreTars(t *testing.T) {
	s := MustParse("-- layer --\nf a\n-- layer --\nf b\n-- layer --\nf a\n")
	for _, f := range []Format{DockerSave, DockerHybrid, OCI, DockerExport, Rootfs} {
		for _, zipped := range []bool{false, true} {
			a := One(f, s)
			a.Gzip, a.GzipLayers, a.LinkTwins = zipped, zipped, 's'
			b := a.Bytes()
			if !bytes.Equal(b, a.Bytes()) {
				t.Errorf("%s: not the same twice", f)
			}
			var r io.Reader = bytes.NewReader(b)
			if zipped {
				zr, err := gzip.NewReader(r)
				if err != nil {
					t.Fatalf("%s: %v", f, err)
				}
				r = zr
			}
			names := map[string]byte{}
			for tr := tar.NewReader(r); ; {
				h, err := tr.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v", f, err)
				}
				names[h.Name] = h.Typeflag
			}
			for _, want := range map[Format][]string{
				DockerSave: {"manifest.json", "0-1/layer.tar"}, DockerHybrid: {"manifest.json", "index.json", "oci-layout", "repositories"},
				OCI: {"index.json", "oci-layout"}, DockerExport: {".dockerenv", "a"}, Rootfs: {"a"},
			}[f] {
				if names[want] == 0 {
					t.Errorf("%s: %s is missing in %v", f, want, names)
				}
			}
			if f == DockerSave && names["0-2/layer.tar"] != tar.TypeSymlink {
				t.Errorf("the third layer is the first again, but no link: %c", names["0-2/layer.tar"])
			}
		}
	}
}

func TestHostileArchivesAreSmallAndDistinct(t *testing.T) {
	names := map[string]bool{}
	for _, h := range HostileArchives() {
		if names[h.Name] || len(h.Bytes) == 0 || len(h.Bytes) > 64<<10 {
			t.Errorf("%s: %d bytes", h.Name, len(h.Bytes))
		}
		names[h.Name] = true
	}
	if n := len(GzipBomb()); n > 5<<20 {
		t.Errorf("the bomb has %d bytes", n)
	}
}

func TestBigIsWhatItSays(t *testing.T) {
	g := Big{Files: 2000, FileSize: 100, Layers: 3, Whiteouts: 20}
	var out bytes.Buffer
	n, err := g.WriteTo(&out)
	if err != nil || n != int64(out.Len()) {
		t.Fatalf("%d bytes of %d: %v", n, out.Len(), err)
	}
	sc := tarscan.NewReaderAt(bytes.NewReader(out.Bytes()), n, tarscan.Options{Limits: imagecore.DefaultLimits()})
	layers := g.Entries()
	for l := range layers {
		var e imagecore.Entry
		if err := sc.Next(&e); err != nil {
			t.Fatal(err)
		}
		entries, err := Scan(out.Bytes()[e.DataOffset : e.DataOffset+e.Size])
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) != len(layers[l].Entries) {
			t.Fatalf("layer %d: %d entries, want %d", l, len(entries), len(layers[l].Entries))
		}
		for i := range entries {
			got, want := entries[i], layers[l].Entries[i]
			if got.Path != want.Path || got.Kind != want.Kind || got.Size != want.Size || got.Offset != want.Offset {
				t.Fatalf("layer %d entry %d: %+v, want %+v", l, i, got, want)
			}
		}
	}
	var e imagecore.Entry
	for err = sc.Next(&e); err == nil; err = sc.Next(&e) {
		continue
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}
