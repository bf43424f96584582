//go:build linux

package store

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func TestImportKeepsBlobsLayersAndIndex(t *testing.T) {
	b := setUp(t, nil)
	img := saved{stack: changed, refs: []string{"app:1", "docker.io/library/other"}}
	archive := dockerSave(t, "", img)
	var phases []string
	list, err := b.Import(t.Context(), bytes.NewReader(archive), int64(len(archive)), func(p wire.UploadProgress) {
		if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
			phases = append(phases, p.Phase)
		}
		if p.Done > p.Total {
			t.Errorf("progress %+v", p)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{wire.UploadReceiving, wire.UploadReading, wire.UploadStoring}; !slices.Equal(phases, want) {
		t.Errorf("phases %v", phases)
	}
	if len(list) != 1 || list[0].ID != img.id(t).String() || !slices.Equal(list[0].Refs, []string{"app:1", "other:latest"}) {
		t.Fatalf("stored %+v", list)
	}
	all, err := b.List(t.Context())
	if err != nil || cmp.Diff(all, list) != "" {
		t.Errorf("list %v %s", err, cmp.Diff(all, list))
	}
	if want := []string{wire.EventImageCreated + " " + list[0].ID}; !slices.Equal(b.events, want) {
		t.Errorf("events %v", b.events)
	}

	// The index is byte for byte that of a survey of the same archive.
	a, err := Native(b.o.Limits, b.dir)(t.Context(), bytes.NewReader(archive), int64(len(archive)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	want, err := a.Index(0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Index(t.Context(), "app:1", tree.Spec); err != nil || !bytes.Equal(got, want) {
		t.Errorf("index: %v, %d bytes, want %d", err, len(got), len(want))
	}
	if got, err := b.Index(t.Context(), "app:1", tree.Umoci); err != nil || !bytes.Contains(got, []byte(`"lens":"umoci"`)) {
		t.Errorf("index through another lens: %v, %d bytes", err, len(got))
	}
	raw, err := b.Report(t.Context(), "app:1")
	if err != nil {
		t.Fatal(err)
	}
	var report imagecore.Report
	if err := json.Unmarshal(raw, &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Images) != 1 || report.Source.Format != "docker-save" || !slices.Equal(report.Images[0].Refs, list[0].Refs) {
		t.Errorf("report %s", raw)
	}

	held, release, err := b.Hold(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	config, tars := img.config(t)
	if !bytes.Equal(held.Config, config) || len(held.Layers) != 2 {
		t.Errorf("held %+v", held)
	}
	if err := b.Unpack(t.Context(), held.ID); err != nil { // goes on behind
		t.Fatal(err)
	}
	for i, l := range held.Layers {
		at, err := b.LayerAt(t.Context(), held.ID, i)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(at, 0, at.Size()))
		if err != nil || !bytes.Equal(got, tars[i]) {
			t.Errorf("layer %d: %v", i, err)
		}
		at.Close()
		at.Close() // may be said twice
		if _, err := os.Stat(l.Dir); err != nil {
			t.Error(err)
		}
	}
	release()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if got := check(t, b.dir); !slices.Equal(got, []string{list[0].ID, "app:1", "other:latest"}) {
		t.Errorf("after a restart: %v", got)
	}
}

func TestSharedLayersAreUnpackedOnce(t *testing.T) {
	b := setUp(t, nil)
	b.load(t, dockerSave(t, "", saved{stack: changed, refs: []string{"a:1"}}, saved{stack: other, refs: []string{"b:1"}}))
	b.load(t, dockerSave(t, "", saved{stack: changed, refs: []string{"c:1"}, env: "x"}))
	b.load(t, dockerSave(t, "", saved{stack: base, refs: []string{"d:1"}}))
	b.folders.Wait()
	if len(b.unpack.made) != 3 {
		t.Errorf("unpacked %v", b.unpack.made)
	}
	b.Close()
	if got := check(t, b.dir); len(got) != 8 {
		t.Errorf("images and names %v", got)
	}
}

func TestTheSameImageAgainOnlyAddsNames(t *testing.T) {
	b := setUp(t, nil)
	img := saved{stack: changed, refs: []string{"a:1"}}
	b.load(t, dockerSave(t, "", img))
	before := files(t, b.dir)
	img.refs = []string{"b:1"}
	b.load(t, dockerSave(t, "", img))
	if diff := cmp.Diff(before, files(t, b.dir)); diff != "" {
		t.Error(diff)
	}
	got, err := b.Get(t.Context(), "b:1")
	if err != nil || !slices.Equal(got.Refs, []string{"a:1", "b:1"}) {
		t.Errorf("%+v %v", got, err)
	}
	if len(b.events) != 1 {
		t.Errorf("events %v", b.events)
	}
}

func TestNamesMoveToTheImageThatCameLast(t *testing.T) {
	b := setUp(t, nil)
	b.load(t, dockerSave(t, "", saved{stack: base, refs: []string{"a:1"}}))
	ids := b.load(t, dockerSave(t, "", saved{stack: other, refs: []string{"a:1"}}))
	got, err := b.Get(t.Context(), "a:1")
	if err != nil || got.ID != ids[0] {
		t.Errorf("%+v %v", got, err)
	}
	old, err := b.Get(t.Context(), saved{stack: base}.id(t).String())
	if err != nil || len(old.Refs) != 0 {
		t.Errorf("%+v %v", old, err)
	}
}

// TestBadArchivesLeaveNothing holds each refusal's code, and that the data
// folder is as it was.
func TestBadArchivesLeaveNothing(t *testing.T) {
	good := dockerSave(t, "", saved{stack: changed})
	_, tars := saved{stack: changed}.config(t)
	lie := bytes.Replace(good, []byte("better tools"), []byte("bitter tools"), 1)
	small := imagecore.DefaultLimits()
	small.Archive = 1000
	for _, c := range []struct {
		what    string
		archive []byte
		size    int64
		limits  imagecore.Limits
		code    string
		kind    error
	}{
		{"truncated", good[:bytes.Index(good, []byte("better tools"))+3], -1, imagecore.DefaultLimits(), "truncated", imagecore.ErrInvalid},
		{"wrong digest", lie, -1, imagecore.DefaultLimits(), "digest-mismatch", imagecore.ErrInvalid},
		{"layer that is not there", dockerSave(t, digest.FromBytes(tars[1]).Encoded()+"/layer.tar", saved{stack: changed}), -1, imagecore.DefaultLimits(), "", imagecore.ErrInvalid},
		{"name that leaves the root", dockerSave(t, "", saved{stack: base + "f ../../etc/passwd \"x\"\n"}), -1, imagecore.DefaultLimits(), "escapes-root", imagecore.ErrInvalid},
		{"link that leaves the root", dockerSave(t, "", saved{stack: base + "h etc/x -> ../../etc/passwd\n"}), -1, imagecore.DefaultLimits(), "escapes-root", imagecore.ErrInvalid},
		{"no archive", []byte(strings.Repeat("what is this ", 1000)), -1, imagecore.DefaultLimits(), "not-an-archive", imagecore.ErrInvalid},
		{"nothing", nil, 0, imagecore.DefaultLimits(), "not-an-archive", imagecore.ErrInvalid},
		{"less than promised", good[:100], int64(len(good)), imagecore.DefaultLimits(), "upload-incomplete", imagecore.ErrInvalid},
		{"too large by its length", good, int64(len(good)), small, "archive-too-large", imagecore.ErrTooLarge},
		{"too large as it comes", good, -1, small, "archive-too-large", imagecore.ErrTooLarge},
		{"second image bad", dockerSave(t, "", saved{stack: other}, saved{stack: base + "f ../x \"x\"\n"}), -1, imagecore.DefaultLimits(), "escapes-root", imagecore.ErrInvalid},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := setUp(t, func(o *Options) { o.Limits = c.limits })
			before := files(t, b.dir)
			_, err := b.Import(t.Context(), bytes.NewReader(c.archive), c.size, nil)
			if !errors.Is(err, c.kind) || c.code != "" && kindOf(err) != c.code {
				t.Errorf("%v (%s)", err, kindOf(err))
			}
			b.sweeper.Wait()
			if diff := cmp.Diff(before, files(t, b.dir)); diff != "" {
				t.Error(diff)
			}
			if len(b.events) > 0 {
				t.Errorf("events %v", b.events)
			}
		})
	}
}

func TestWrongDigestNamesLayerAndBothDigests(t *testing.T) {
	b := setUp(t, nil)
	archive := bytes.Replace(dockerSave(t, "", saved{stack: changed}), []byte("better tools"), []byte("bitter tools"), 1)
	_, err := b.Import(t.Context(), bytes.NewReader(archive), -1, nil)
	var e *imagecore.Error
	if !errors.As(err, &e) || e.Layer != 1 || e.Args["want"] == "" || e.Args["got"] == e.Args["want"] {
		t.Errorf("%v %+v", err, e)
	}
}

func TestBrokenUploadsLeaveNothing(t *testing.T) {
	b := setUp(t, nil)
	before := files(t, b.dir)
	broken := io.MultiReader(strings.NewReader("some"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := b.Import(t.Context(), broken, 1000, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	archive := dockerSave(t, "", saved{stack: changed})
	if _, err := b.Import(ctx, bytes.NewReader(archive), -1, nil); !errors.Is(err, imagecore.ErrCanceled) {
		t.Error(err)
	}
	if diff := cmp.Diff(before, files(t, b.dir)); diff != "" {
		t.Error(diff)
	}
}

func TestRemoveTakesWhatNobodyElseNeeds(t *testing.T) {
	b := setUp(t, nil)
	b.load(t, dockerSave(t, "", saved{stack: other, refs: []string{"other:1"}}))
	before := files(t, b.dir)
	b.load(t, dockerSave(t, "", saved{stack: changed, refs: []string{"a:1", "b:1"}}))
	if err := b.Remove(t.Context(), "a:1"); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Get(t.Context(), "b:1"); err != nil || !slices.Equal(got.Refs, []string{"b:1"}) {
		t.Fatalf("untagged: %+v %v", got, err)
	}
	if err := b.Remove(t.Context(), "b:1"); err != nil {
		t.Fatal(err)
	}
	b.sweeper.Wait()
	if diff := cmp.Diff(before, files(t, b.dir)); diff != "" {
		t.Error(diff)
	}
	if _, err := b.Get(t.Context(), "b:1"); !errors.Is(err, imagecore.ErrNotFound) {
		t.Error(err)
	}
	if last := b.events[len(b.events)-1]; !strings.HasPrefix(last, wire.EventImageDeleted) {
		t.Errorf("events %v", b.events)
	}
	id := saved{stack: other}.id(t)
	if err := b.Remove(t.Context(), id.Encoded()[:6]); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if got := check(t, b.dir); len(got) > 0 {
		t.Errorf("left %v", got)
	}
}

func TestImagesInUseStay(t *testing.T) {
	users := 1
	b := setUp(t, func(o *Options) { o.Users = func(digest.Digest) int { return users } })
	ids := b.load(t, dockerSave(t, "", saved{stack: changed, refs: []string{"a:1"}}))
	if err := b.Remove(t.Context(), "a:1"); kindOf(err) != "image-in-use" || !errors.Is(err, imagecore.ErrConflict) {
		t.Errorf("made into a container: %v", err)
	}
	if got, err := b.Get(t.Context(), "a:1"); err != nil || got.Containers != 1 {
		t.Errorf("%+v %v", got, err)
	}
	users = 0
	_, release, err := b.Hold(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), "a:1"); kindOf(err) != "image-busy" {
		t.Errorf("held: %v", err)
	}
	release()
	release() // may be said twice
	if err := b.Remove(t.Context(), "a:1"); err != nil {
		t.Error(err)
	}
}

// TestNobodyBeginsToHoldWhatIsGoing holds the order of Remove's questions: a
// container that is being made while they are asked either counts or fails.
func TestNobodyBeginsToHoldWhatIsGoing(t *testing.T) {
	var b *bench
	var during error
	b = setUp(t, func(o *Options) {
		o.Users = func(id digest.Digest) int {
			if b != nil && b.going == id {
				_, _, during = b.Hold(context.Background(), id.String())
			}
			return 0
		}
	})
	b.load(t, dockerSave(t, "", saved{stack: changed, refs: []string{"a:1"}}))
	if err := b.Remove(t.Context(), "a:1"); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(during, imagecore.ErrNotFound) {
		t.Errorf("held while going: %v", during)
	}
}

func TestReferences(t *testing.T) {
	b := setUp(t, nil)
	ids := b.load(t, dockerSave(t, "", saved{stack: changed, refs: []string{"a:1", "host:5000/x/y:2"}}, saved{stack: other, refs: []string{"b"}}))
	hex := digest.Digest(ids[0]).Encoded()
	for ref, want := range map[string]string{
		"a:1": ids[0], "docker.io/library/a:1": ids[0], "host:5000/x/y:2": ids[0], ids[0]: ids[0], hex: ids[0],
		hex[:12]: ids[0], "sha256:" + hex[:5]: ids[0], "b": ids[1], "b:latest": ids[1],
	} {
		if got, err := b.Get(t.Context(), ref); err != nil || got.ID != want {
			t.Errorf("%s: %s %v", ref, got.ID, err)
		}
	}
	for _, ref := range []string{"", "a", "a:2", hex[:3], "../x", "sha256:", strings.Repeat("0", 64), "A:1", "\x00"} {
		if _, err := b.Get(t.Context(), ref); !errors.Is(err, imagecore.ErrNotFound) {
			t.Errorf("%q: %v", ref, err)
		}
	}
	if _, err := b.Tag(t.Context(), "a:1", "New:1"); !errors.Is(err, imagecore.ErrInvalid) {
		t.Errorf("bad name: %v", err)
	}
	if got, err := b.Tag(t.Context(), "b", "a:1"); err != nil || !slices.Equal(got.Refs, []string{"a:1", "b:latest"}) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestCommitAddsOneLayer(t *testing.T) {
	b := setUp(t, nil)
	parent := saved{stack: changed, refs: []string{"a:1"}}
	b.load(t, dockerSave(t, "", parent))
	config, _ := parent.config(t)
	config = bytes.Replace(config, []byte(`{`), []byte(`{"unknown":[1,{"x":2}],`), 1)
	layer := imagetest.MustParse("-- layer --\nf new \"content\"\nf bin/.wh.my-app-tools \"\"\n")[0].Tar()
	img, err := b.Commit(t.Context(), Commit{Parent: parent.id(t), Layer: bytes.NewReader(layer), Config: config, Ref: "mine", From: "box"})
	if err != nil {
		t.Fatal(err)
	}
	if all, err := b.List(t.Context()); err != nil || all[0].CommittedFrom != "box" || all[1].CommittedFrom != "" {
		t.Errorf("committed from: %+v %v", all, err)
	}
	if !slices.Equal(img.Refs, []string{"mine:latest"}) || len(img.Layers) != 3 || img.Layers[2].DiffID != digest.FromBytes(layer).String() {
		t.Errorf("%+v", img)
	}
	held, release, err := b.Hold(t.Context(), "mine")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	var files int64
	for _, l := range held.Layers {
		files += l.Content
	}
	if img.Unpacked != files || files < int64(len("content")) || img.Unpacked >= img.Size {
		t.Errorf("%d bytes unpacked, %d of files, %d of tars", img.Unpacked, files, img.Size)
	}
	var got struct {
		Unknown json.RawMessage
		RootFS  v1.RootFS
		Config  v1.ImageConfig
	}
	if err := json.Unmarshal(held.Config, &got); err != nil {
		t.Fatal(err)
	}
	if string(got.Unknown) != `[1,{"x":2}]` || len(got.RootFS.DiffIDs) != 3 || !slices.Equal(got.Config.Cmd, []string{"/bin/my-app-binary"}) {
		t.Errorf("config %s", held.Config)
	}
	merged, err := b.Tree(t.Context(), held.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := merged.Top().Lookup("new"); !ok {
		t.Error("the new file is not in the tree")
	}
	if _, ok := merged.Top().Lookup("bin/my-app-tools"); ok {
		t.Error("the deleted file is in the tree")
	}
	b.folders.Wait()
	if len(b.unpack.made) != 3 {
		t.Errorf("unpacked %v", b.unpack.made)
	}
	release()
	if err := b.Remove(t.Context(), "a:1"); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if got := check(t, b.dir); !slices.Equal(got, []string{img.ID, "mine:latest"}) {
		t.Errorf("left %v", got)
	}
}

func TestCommitsThatCantBeLeaveNothing(t *testing.T) {
	b := setUp(t, nil)
	parent := saved{stack: changed, refs: []string{"a:1"}}
	b.load(t, dockerSave(t, "", parent))
	config, _ := parent.config(t)
	before := files(t, b.dir)
	bad := imagetest.MustParse("-- layer --\nf ../x \"content\"\n")[0].Tar()
	for what, c := range map[string]Commit{
		"a name that leaves the root": {Parent: parent.id(t), Layer: bytes.NewReader(bad), Config: config},
		"no tar":                      {Parent: parent.id(t), Layer: strings.NewReader(strings.Repeat("x", 2000)), Config: config},
		"no config":                   {Parent: parent.id(t), Layer: bytes.NewReader(bad), Config: []byte("{")},
		"a reader that fails":         {Parent: parent.id(t), Layer: iotest.ErrReader(errors.New("gone")), Config: config},
		"a bad name":                  {Parent: parent.id(t), Config: config, Ref: "A B"},
		"no parent":                   {Parent: digest.FromString("x"), Config: config},
	} {
		if _, err := b.Commit(t.Context(), c); err == nil {
			t.Errorf("%s: no error", what)
		}
		b.sweeper.Wait()
		if diff := cmp.Diff(before, files(t, b.dir)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
}

func TestSaveAndFlattenCanBeLoadedAgain(t *testing.T) {
	b := setUp(t, nil)
	ids := b.load(t, dockerSave(t, "", saved{stack: changed, refs: []string{"a:1"}}))
	var out bytes.Buffer
	var name string
	open := func(n string) io.Writer { name = n; return &out }
	if err := b.Save(t.Context(), "a:1", open); err != nil || name != "a_1.tar" {
		t.Fatal(name, err)
	}
	files, err := b.Files(t.Context(), "a:1")
	if err != nil {
		t.Fatal(err)
	}
	saved := tar.NewReader(bytes.NewReader(out.Bytes()))
	for _, f := range files {
		h, err := saved.Next()
		if err != nil {
			t.Fatalf("%s is told and not saved: %v", f.Name, err)
		}
		content, err := io.ReadAll(saved)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name != h.Name || f.Size != h.Size || f.Target != h.Linkname || f.Text != "" && f.Text != string(content) {
			t.Errorf("told %+v, saved %s of %d bytes", f, h.Name, h.Size)
		}
		if f.Text == "" && strings.HasSuffix(f.Name, "json") {
			t.Errorf("%s has no text", f.Name)
		}
	}
	if h, err := saved.Next(); err == nil {
		t.Errorf("%s is saved and not told", h.Name)
	}
	fresh := setUp(t, nil)
	if got := fresh.load(t, out.Bytes()); !slices.Equal(got, ids) {
		t.Errorf("saved and loaded: %v, want %v", got, ids)
	}
	out.Reset()
	if err := b.Flatten(t.Context(), "a:1", open); err != nil || name != "a_1-flat.tar" {
		t.Fatal(name, err)
	}
	flat := fresh.load(t, out.Bytes())
	merged, err := fresh.Tree(t.Context(), digest.Digest(flat[0]))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"etc/my-app.d/default.cfg": true, "etc/my-app-config": false, "bin/my-app-tools": true} {
		if _, ok := merged.Top().Lookup(path); ok != want {
			t.Errorf("%s is there: %v", path, ok)
		}
	}
	if err := b.Save(t.Context(), "none", open); !errors.Is(err, imagecore.ErrNotFound) {
		t.Error(err)
	}
	if err := b.Remove(t.Context(), "a:1"); err != nil {
		t.Errorf("a download still holds the image: %v", err)
	}
}

func TestContentIsPartOfTheLayersTar(t *testing.T) {
	b := setUp(t, nil)
	img := saved{stack: changed, refs: []string{"a:1"}}
	b.load(t, dockerSave(t, "", img))
	_, tars := img.config(t)
	r, err := b.Content(t.Context(), "a:1", 1, 100, 50)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, tars[1][100:150]) {
		t.Errorf("%q %v", got, err)
	}
	r.Close()
	n := int64(len(tars[1]))
	for _, c := range []struct {
		layer        int
		offset, size int64
	}{{2, 0, 1}, {-1, 0, 1}, {1, n, 1}, {1, 0, n + 1}, {1, -1, 1}, {1, 1, -1}, {1, 1 << 62, 1 << 62}} {
		if _, err := b.Content(t.Context(), "a:1", c.layer, c.offset, c.size); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
	if err := b.Remove(t.Context(), "a:1"); err != nil {
		t.Errorf("reading still holds the image: %v", err)
	}
}

func TestSamplesStayAsTheUserLeavesThem(t *testing.T) {
	b := setUp(t, nil)
	ids := b.load(t, dockerSave(t, "", saved{stack: other, refs: []string{"a:1"}}))
	list, err := b.ImportSample(t.Context(), bytes.NewReader(dockerSave(t, "", saved{stack: changed, refs: []string{"a:1", "b:1"}})))
	if err != nil || !list[0].Sample || !slices.Equal(list[0].Refs, []string{"b:1"}) {
		t.Errorf("%+v %v", list, err)
	}
	if got, err := b.Get(t.Context(), "a:1"); err != nil || got.ID != ids[0] || got.Sample {
		t.Errorf("the user's name: %+v %v", got, err)
	}
}

func TestForeignChangesOfIndexAreReported(t *testing.T) {
	b := setUp(t, nil)
	b.load(t, dockerSave(t, "", saved{stack: other, refs: []string{"a:1"}}))
	b.Close()
	foreign := digest.FromString("x")
	text := `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + foreign.String() + `","size":1}]}`
	if err := os.WriteFile(filepath.Join(b.dir, v1.ImageIndexFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	again := openBench(t, b.dir, nil)
	again.Close()
	if got := again.log.String(); !strings.Contains(got, foreign.String()) || !strings.Contains(got, "level=WARN") {
		t.Errorf("log %q", got)
	}
	check(t, b.dir)
}

func TestDataFolderBelongsToOneServer(t *testing.T) {
	b := setUp(t, nil)
	if _, err := tryBench(b.dir, nil); kindOf(err) != "data-in-use" {
		t.Errorf("second server: %v", err)
	}
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "x"), nil, 0o600), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: dir}); kindOf(err) != "data-folder-open" {
		t.Errorf("folder open to others: %v", err)
	}
}

// TestRealFullDiskIsNamedAndLeavesNothing fills a small tmpfs.
func TestRealFullDiskIsNamedAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("layerlab", dir, "tmpfs", 0, "size=4m,mode=0700"); err != nil {
		t.Skipf("needs root: no tmpfs (%v)", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	b := openBench(t, dir, nil)
	before := files(t, dir)
	// Received it fits, stored it does not.
	stack := ""
	for i := range 5 { // none so large that it would be stored by renaming
		stack += fmt.Sprintf("-- layer --\nf big%d \"%s\"\n", i, strings.Repeat("x", 1<<19))
	}
	archive := dockerSave(t, "", saved{stack: stack})
	_, err := b.Import(t.Context(), bytes.NewReader(archive), -1, nil)
	if kindOf(err) != "disk-full" || !errors.Is(err, unix.ENOSPC) {
		t.Error(err)
	}
	b.sweeper.Wait()
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Error(diff)
	}
	b.load(t, dockerSave(t, "", saved{stack: changed}))
	b.Close()
	check(t, dir)
}

func TestUntagLeavesTheImageAndTellsSo(t *testing.T) {
	b := setUp(t, nil)
	b.load(t, dockerSave(t, "", saved{stack: base, refs: []string{"one:1"}}))
	id := saved{stack: base}.id(t)
	if _, err := b.Tag(t.Context(), id.String(), "two:2"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one:1", "two:2"} {
		if _, err := b.Untag(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Untag(t.Context(), "two:2"); !errors.Is(err, imagecore.ErrNotFound) {
		t.Errorf("a name that is gone: %v", err)
	}
	got, err := b.Get(t.Context(), id.String())
	if err != nil || len(got.Refs) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	want := []string{"image.created " + id.String(), "image.tagged " + id.String(), "image.untagged " + id.String(), "image.untagged " + id.String()}
	if !slices.Equal(b.events, want) {
		t.Errorf("events %v", b.events)
	}
}

func TestSaveAllCarriesTheNamesAskedForAndLoadTellsThem(t *testing.T) {
	b := setUp(t, nil)
	b.load(t, dockerSave(t, "", saved{stack: base, refs: []string{"one:1", "one:2"}}, saved{stack: changed, refs: []string{"three:3"}}))
	var out bytes.Buffer
	err := b.SaveAll(t.Context(), []Named{
		{ID: saved{stack: base}.id(t), Refs: []string{"one:2"}},
		{ID: saved{stack: changed}.id(t)},
	}, func() io.Writer { return &out })
	if err != nil {
		t.Fatal(err)
	}
	fresh := setUp(t, nil)
	list, err := fresh.Load(t.Context(), &out, -1, nil, nil)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if !slices.Equal(list[0].Names, []string{"one:2"}) || len(list[1].Names) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestLoadTakesThePlatformsAskedFor(t *testing.T) {
	amd, arm := saved{stack: base, refs: []string{"lab:amd"}}, saved{stack: base, refs: []string{"lab:arm"}, arch: "arm64"}
	archive := dockerSave(t, "", amd, arm)
	for _, c := range []struct {
		platforms []string
		want      []digest.Digest
	}{
		{nil, []digest.Digest{amd.id(t), arm.id(t)}},
		{[]string{"linux/arm64"}, []digest.Digest{arm.id(t)}},
		{[]string{"linux/arm64", "linux/amd64"}, []digest.Digest{amd.id(t), arm.id(t)}},
		{[]string{"linux/arm"}, nil},
	} {
		b := setUp(t, nil)
		list, err := b.Load(t.Context(), bytes.NewReader(archive), -1, c.platforms, nil)
		if (err != nil) != (len(c.want) == 0) {
			t.Errorf("%v: %v", c.platforms, err)
		}
		var got []digest.Digest
		for _, l := range list {
			got = append(got, digest.Digest(l.Image.ID))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.platforms, got, c.want)
		}
	}
}

func TestExportLaysALayerOverAnImage(t *testing.T) {
	b := setUp(t, nil)
	b.load(t, dockerSave(t, "", saved{stack: base, refs: []string{"one:1"}}))
	layer := imagetest.MustParse("-- layer --\nf new \"content\"\nf bin/.wh.my-app-tools \"\"\n")[0].Tar()
	var out bytes.Buffer
	if err := b.Export(t.Context(), saved{stack: base}.id(t), bytes.NewReader(layer), func(v *tree.View, content func(int) (io.ReaderAt, error)) error {
		return pack.Flatten(&out, v, content)
	}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r)
		got[h.Name] = string(text)
	}
	if _, hidden := got["bin/my-app-tools"]; hidden || got["new"] != "content" || got["bin/my-app-binary"] == "" {
		t.Errorf("%v", got)
	}
}
