package pack_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func build(t *testing.T, s imagetest.Stack) (*tree.Tree, [][]byte) {
	t.Helper()
	layers, tars := s.Layers()
	tr, err := tree.Build(layers, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return tr, tars
}

func lines(t *testing.T, v *tree.View, tars [][]byte) string {
	t.Helper()
	text, err := imagetest.ViewLines(v, imagetest.Opener(tars))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// rebuild merges tars as the layers of an image.
func rebuild(t *testing.T, tars ...[]byte) *tree.Tree {
	t.Helper()
	return rebuildAs(t, tree.Spec, tars...)
}

func rebuildAs(t *testing.T, lens tree.Lens, tars ...[]byte) *tree.Tree {
	t.Helper()
	layers := make([]imagecore.Layer, len(tars))
	for i, b := range tars {
		entries, err := imagetest.Scan(b)
		if err != nil {
			t.Fatal(err)
		}
		layers[i] = imagecore.Layer{Index: i, Present: true, Entries: entries}
	}
	tr, err := tree.Build(layers, lens)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestFlattenedTreeIsTheSameTree(t *testing.T) {
	for seed := range uint64(300) {
		tr, tars := build(t, imagetest.Random(seed))
		var out bytes.Buffer
		if err := pack.Flatten(&out, tr.Top(), imagetest.Opener(tars)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		again := rebuild(t, out.Bytes())
		if d := cmp.Diff(lines(t, tr.Top(), tars), lines(t, again.Top(), [][]byte{out.Bytes()})); d != "" {
			t.Fatalf("seed %d: %s", seed, d)
		}
		for _, w := range again.Warnings() {
			if !aboutRoot(w) {
				t.Fatalf("seed %d: a flat tar has a warning: %+v", seed, w)
			}
		}
	}
}

// Layers written anew make the same trees, after every prefix and under every
// lens: they list all parents, and nothing that engines read in different ways.
func TestRewrittenLayersAreTheSameUnderEveryLens(t *testing.T) {
	for seed := range uint64(300) {
		tr, tars := build(t, imagetest.Random(seed))
		var rewritten [][]byte
		for l := range tr.Layers() {
			var out bytes.Buffer
			if err := pack.WriteLayer(&out, pack.LayerItems(tr, l, imagetest.Opener(tars))); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			rewritten = append(rewritten, out.Bytes())
		}
		again := rebuild(t, rewritten...)
		for n := range tr.Layers() + 1 {
			if d := cmp.Diff(lines(t, tr.View(n), tars), lines(t, again.View(n), rewritten)); d != "" {
				t.Fatalf("seed %d after %d layers: %s", seed, n, d)
			}
		}
		for _, w := range again.Warnings() {
			if !aboutRoot(w) {
				t.Errorf("seed %d: %+v", seed, w)
			}
		}
		for _, lens := range tree.Lenses()[1:] {
			if d := cmp.Diff(lines(t, tr.Top(), tars), lines(t, rebuildAs(t, lens, rewritten...).Top(), rewritten)); d != "" {
				t.Fatalf("seed %d as %s: %s", seed, lens, d)
			}
		}
	}
}

// aboutRoot says whether a warning is about the metadata of the root itself,
// which Docker and containerd do not take from a layer, however it is written.
func aboutRoot(w imagecore.Warning) bool {
	return w.Code == "lens-differs" && w.Args["path"] == ""
}

func items() []pack.Item {
	content := func(s string) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }
	}
	file := func(path, s string) pack.Item {
		return pack.Item{Path: path, Kind: imagecore.File, Attr: tree.Attr{Mode: 0o644, ModTime: imagetest.Time}, Size: int64(len(s)), Open: content(s)}
	}
	long := strings.Repeat("long-name/", 30) + "x"
	special := file("nano", "n")
	special.ModNano, special.ModTime = 500, -1
	owner := file("owner", "o")
	owner.UID = 1 << 30
	xattr := file("xattr", "x")
	xattr.Xattrs = []imagecore.Xattr{{Key: "user.b", Value: "\x00\xff"}, {Key: "security.capability", Value: "="}}
	dir := pack.Item{Path: "dir", Kind: imagecore.Dir, Opaque: true, Attr: tree.Attr{Mode: 0o1777}}
	return []pack.Item{
		{Kind: imagecore.Dir, Attr: tree.Attr{Mode: 0o700, UID: 7}},
		file("a", "content of a"), file(long, "l"), file("文件", "u"), file("bad-\xff", "b"), special, owner, xattr, dir, file("dir/in", "i"), file("dir-2", ""),
		{Path: "link", Kind: imagecore.Symlink, Link: "/" + long},
		{Path: "0-sorts-first", Kind: imagecore.Hardlink, Link: "a"},
		{Path: "zero", Kind: imagecore.Char, Attr: tree.Attr{Mode: 0o666, Major: 1, Minor: 5}},
		{Path: "pipe", Kind: imagecore.Fifo, Attr: tree.Attr{Mode: 0o600}},
		{Path: "gone/old", Kind: imagecore.Whiteout},
	}
}

func TestWriteLayerIsDeterministicAndReadBack(t *testing.T) {
	var first []byte
	for i := range 20 {
		shuffled := items()
		rand.New(rand.NewPCG(uint64(i), 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		var out bytes.Buffer
		if err := pack.WriteLayer(&out, shuffled); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = out.Bytes()
		} else if !bytes.Equal(first, out.Bytes()) {
			t.Fatal("the bytes depend on the order of the items")
		}
	}
	var got []string
	for tr := tar.NewReader(bytes.NewReader(first)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(tr)
		name := h.Name
		if len(name) > 20 {
			name = name[:9] + "…"
		}
		line := fmt.Sprintf("%c %q %o %d:%d %q", h.Typeflag, name, h.Mode, h.Uid, h.Gid, b)
		if h.Linkname != "" && len(h.Linkname) < 20 {
			line += " -> " + h.Linkname
		}
		if len(h.PAXRecords) > 0 {
			line += " pax"
			for k, v := range h.PAXRecords {
				if strings.HasPrefix(k, "SCHILY") {
					line += fmt.Sprintf("(%d)", len(v))
				}
			}
		}
		got = append(got, line)
	}
	want := []string{
		`5 "./" 700 7:0 ""`,
		`0 "0-sorts-first" 644 0:0 "content of a"`,
		`1 "a" 644 0:0 "" -> 0-sorts-first`,
		`0 "bad-\xff" 644 0:0 "b" pax`,
		`5 "dir/" 1777 0:0 ""`,
		`0 "dir/.wh..wh..opq" 0 0:0 ""`,
		`0 "dir/in" 644 0:0 "i"`,
		`0 "dir-2" 644 0:0 ""`,
		`0 "gone/.wh.old" 0 0:0 ""`,
		`2 "link" 777 0:0 "" pax`,
		`0 "long-name…" 644 0:0 "l" pax`,
		`0 "nano" 644 0:0 "n" pax`,
		`0 "owner" 644 1073741824:0 "o" pax`,
		`6 "pipe" 600 0:0 ""`,
		`0 "xattr" 644 0:0 "x" pax(1)(2)`,
		`3 "zero" 666 0:0 ""`,
		`0 "文件" 644 0:0 "u" pax`,
	}
	for i, line := range got {
		got[i] = strings.Replace(line, "pax(2)(1)", "pax(1)(2)", 1)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	entries, err := imagetest.Scan(first)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Path == "nano" && (e.ModTime != -1 || e.ModNano != 500) {
			t.Errorf("the time of nano is %d.%09d", e.ModTime, e.ModNano)
		}
	}
}

func TestWriteLayerRefuses(t *testing.T) {
	short := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("ab")), nil }
	for code, list := range map[string][]pack.Item{
		"whiteout-name":    {{Path: "a/.wh.b", Kind: imagecore.File}},
		"duplicate-name":   {{Path: "a", Kind: imagecore.File}, {Path: "a", Kind: imagecore.Dir}},
		"hardlink-missing": {{Path: "a", Kind: imagecore.Hardlink, Link: "b"}},
		"content-short":    {{Path: "a", Kind: imagecore.File, Size: 3, Open: short}},
	} {
		var e *imagecore.Error
		if err := pack.WriteLayer(io.Discard, list); !errors.As(err, &e) || e.Code != code {
			t.Errorf("%v, want the code %s", err, code)
		}
	}
}

func TestFlattenRefusesWhatLeavesTheRoot(t *testing.T) {
	tr, tars := build(t, imagetest.MustParse("-- layer --\nf ok\nf ../out\n"))
	var e *imagecore.Error
	err := pack.Flatten(io.Discard, tr.Top(), imagetest.Opener(tars))
	if !errors.As(err, &e) || e.Code != "escapes-root" || e.Layer != 0 || e.Entry != "../out" || e.Offset != 1024 {
		t.Errorf("%+v", err)
	}
}

func TestSubtree(t *testing.T) {
	tr, tars := build(t, imagetest.MustParse("-- layer --\nd a/b mode=0700\nf a/b/f\nh a/b/g -> a/b/f\nh a/b/out -> x\nf x\nf a/other\n-- layer --\nf a/b/new\n"))
	n, ok := tr.Top().Lookup("a/b")
	if !ok {
		t.Fatal("a/b is not there")
	}
	var out bytes.Buffer
	if err := pack.Subtree(&out, n, imagetest.Opener(tars)); err != nil {
		t.Fatal(err)
	}
	got := lines(t, rebuild(t, out.Bytes()).Top(), [][]byte{out.Bytes()})
	for _, want := range []string{"d b 0700", "f b/f 0644 0:0 5", "links=2 b/f", "f b/new", "f b/out 0644 0:0 1"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "other") || strings.Count(got, "\n") != 5 {
		t.Errorf("too much:\n%s", got)
	}
}

func TestCommitKeepsWhatIsNotItsOwn(t *testing.T) {
	base := []byte(`{"architecture":"amd64","os":"linux","author":"old","container":"deadbeef","container_config":{},"docker_version":"20.10","x-own":[1],` +
		`"config":{"Cmd":["/bin/sh"],"Env":["A=b"],"Healthcheck":{"Test":["NONE"]}},"history":[{"created_by":"first"}],"rootfs":{"type":"layers","diff_ids":["sha256:` + strings.Repeat("a", 64) + `"]}}`)
	diffID := digest.FromString("layer")
	raw, err := pack.Config(base, pack.Commit{Created: time.Unix(imagetest.Time, 0), Author: "me", Comment: "why", CreatedBy: "sh", DiffID: diffID})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"architecture":"amd64","author":"me","config":{"Cmd":["/bin/sh"],"Env":["A=b"],"Healthcheck":{"Test":["NONE"]}},"created":"2001-09-09T01:46:40Z","docker_version":"20.10",` +
		`"history":[{"created_by":"first"},{"created":"2001-09-09T01:46:40Z","created_by":"sh","author":"me","comment":"why"}],"os":"linux",` +
		`"rootfs":{"type":"layers","diff_ids":["sha256:` + strings.Repeat("a", 64) + `","` + diffID.String() + `"]},"x-own":[1]}`
	if d := cmp.Diff(want, string(raw)); d != "" {
		t.Error(d)
	}
	raw, err = pack.Config(nil, pack.Commit{Created: time.Unix(imagetest.Time, 0), Platform: v1.Platform{Architecture: "arm64", OS: "linux"}, Config: &v1.ImageConfig{Cmd: []string{"/x"}}})
	if err != nil {
		t.Fatal(err)
	}
	var img v1.Image
	if err := json.Unmarshal(raw, &img); err != nil || img.Architecture != "arm64" || img.Config.Cmd[0] != "/x" || !img.History[0].EmptyLayer || img.RootFS.DiffIDs == nil {
		t.Errorf("%s: %v", raw, err)
	}
	if _, err := pack.Config([]byte("{"), pack.Commit{}); !errors.Is(err, imagecore.ErrInvalid) {
		t.Errorf("a broken base: %v", err)
	}
}

// TestDockerSaveHoldsEveryForm reads the archive as Docker 1.0, 1.10 and 25 do.
func TestDockerSaveHoldsEveryForm(t *testing.T) {
	s := imagetest.MustParse("-- layer --\nf a\n-- layer --\nf b\n")
	other := imagetest.Stack{s[0], imagetest.MustParse("-- layer --\nf c\n")[0]}
	b := imagetest.Archive{Format: imagetest.DockerHybrid, GzipLayers: true, Images: []imagetest.Image{
		{Stack: s, Refs: []string{"lab/one:1", "localhost:5000/one"}}, {Stack: other},
	}}.Bytes()
	files, links := map[string][]byte{}, map[string]string{}
	last := ""
	for tr := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name <= last {
			t.Errorf("%q after %q", h.Name, last)
		}
		last = h.Name
		links[h.Name] = h.Linkname
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(h.Name, "blobs/sha256/") && h.Typeflag == tar.TypeReg && digest.FromBytes(files[h.Name]).Encoded() != h.Name[len("blobs/sha256/"):] {
			t.Errorf("%s has other content", h.Name)
		}
	}
	read := func(name string, v any) {
		t.Helper()
		if err := json.Unmarshal(files[name], v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	var saved []struct {
		Config       string
		RepoTags     []string
		Layers       []string
		LayerSources map[digest.Digest]v1.Descriptor
	}
	read("manifest.json", &saved)
	var index v1.Index
	read("index.json", &index)
	if len(saved) != 2 || len(saved[0].Layers) != 2 || saved[0].Layers[0] != saved[1].Layers[0] || len(index.Manifests) != 3 {
		t.Fatalf("%+v %+v", saved, index)
	}
	for i, img := range saved {
		var config v1.Image
		read(img.Config, &config)
		for l, path := range img.Layers {
			src := img.LayerSources[config.RootFS.DiffIDs[l]]
			if int64(len(files[path])) != src.Size || "blobs/sha256/"+src.Digest.Encoded() != path {
				t.Errorf("image %d layer %d: %+v", i, l, src)
			}
		}
	}
	if a := index.Manifests[1].Annotations; a["io.containerd.image.name"] != "localhost:5000/one:latest" || a[v1.AnnotationRefName] != "latest" {
		t.Errorf("%v", a)
	}
	if a := index.Manifests[0].Annotations; a["io.containerd.image.name"] != "docker.io/lab/one:1" {
		t.Errorf("%v", a)
	}
	var repositories map[string]map[string]string
	read("repositories", &repositories)
	id, layers := repositories["lab/one"]["1"], 0
	for id != "" {
		var j struct{ ID, Parent string }
		read(id+"/json", &j)
		target := strings.TrimPrefix(links[id+"/layer.tar"], "../")
		if j.ID != id || string(files[id+"/VERSION"]) != "1.0" || files[target] == nil {
			t.Errorf("%s: %+v → %s", id, j, target)
		}
		id = j.Parent
		layers++
	}
	if layers != 2 || repositories["localhost:5000/one"]["latest"] == "" {
		t.Errorf("%d ancestors, %v", layers, repositories)
	}
}
