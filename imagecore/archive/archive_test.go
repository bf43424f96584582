package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest/real"
	"github.com/opencontainers/go-digest"
)

// member is a record of a tar in a test: name, and content or a link's target.
type member struct {
	name, content string
	typ           byte // 0 is a file
}

func tarOf(members ...member) string {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.content)), Typeflag: tar.TypeReg}
		if m.typ != 0 {
			h.Typeflag, h.Linkname, h.Size = m.typ, m.content, 0
		}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		if h.Size > 0 {
			io.WriteString(w, m.content)
		}
	}
	w.Close()
	return b.String()
}

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func sha(s string) digest.Digest { return digest.FromString(s) }

// configOf is a config for layers' tars.
func configOf(tars ...string) string {
	ids := make([]string, len(tars))
	for i, t := range tars {
		ids[i] = fmt.Sprintf("%q", sha(t))
	}
	return `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[` + strings.Join(ids, ",") + `]}}`
}

func open(t testing.TB, s string, o Options) *Archive {
	t.Helper()
	a, err := Open(strings.NewReader(s), int64(len(s)), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// twoLayers is a docker save archive with a bare and a compressed layer.
func twoLayers() (archive string, tars [2]string) {
	tars = [2]string{
		tarOf(member{name: "a", content: strings.Repeat("0123456789", 300_000)}, member{name: "z", content: "end"}),
		tarOf(member{name: ".wh.z"}, member{name: "b", content: strings.Repeat("abcdefghij", 300_000)}, member{name: "c", content: "last"}),
	}
	return tarOf(
		member{name: "one.tar", content: tars[0]},
		member{name: "two.tar.gz", content: gz(tars[1])},
		member{name: "config.json", content: configOf(tars[0], tars[1])},
		member{name: "manifest.json", content: `[{"Config":"config.json","RepoTags":["a:1","b:2"],"Layers":["one.tar","two.tar.gz"]}]`},
	), tars
}

func TestLayersAreReadInEveryWay(t *testing.T) {
	bare, tars := twoLayers()
	for name, s := range map[string]string{"bare": bare, "within gzip": gz(bare)} {
		for _, spool := range []bool{false, true} {
			o := Options{}
			if spool {
				o.Spool = func() (Spool, error) { return os.CreateTemp(t.TempDir(), "") }
			}
			a := open(t, s, o)
			img := a.Report().Images[0]
			if len(img.Layers) != 2 || strings.Join(img.Refs, " ") != "a:1 b:2" {
				t.Fatalf("%s: %+v", name, img)
			}
			for i, want := range tars {
				r, err := a.OpenLayer(0, i)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				r.Close()
				if err != nil || string(got) != want {
					t.Fatalf("%s: layer %d: %d bytes, %v", name, i, len(got), err)
				}
				at, size, err := a.LayerAt(0, i)
				if err != nil || size != int64(len(want)) || size != img.Layers[i].TarSize {
					t.Fatalf("%s: layer %d: size %d, %v", name, i, size, err)
				}
				// From the back to the front, across what a replay remembers.
				for off := size - 700; off >= 0; off -= 500_000 {
					b := make([]byte, 700)
					if _, err := at.ReadAt(b, off); err != nil || string(b) != want[off:off+700] {
						t.Fatalf("%s: layer %d at %d: %v", name, i, off, err)
					}
				}
				if n, err := at.ReadAt(make([]byte, 10), size-4); n != 4 || err != io.EOF {
					t.Errorf("%s: layer %d: across its end: %d, %v", name, i, n, err)
				}
				for _, e := range img.Layers[i].Entries {
					if e.Kind == imagecore.File && !strings.HasPrefix(want[e.DataOffset:], map[string]string{"a": "0123", "z": "end", "b": "abcd", "c": "last"}[e.Path]) {
						t.Errorf("%s: layer %d: content of %s is not at %d", name, i, e.Path, e.DataOffset)
					}
				}
			}
			if err := a.Verify(context.Background(), 0, nil); err != nil {
				t.Errorf("%s: verify: %v", name, err)
			}
			b, err := a.OpenBlob(0, 1)
			if err != nil {
				t.Fatal(err)
			}
			stored, _ := io.ReadAll(b)
			b.Close()
			if string(stored) != gz(tars[1]) {
				t.Errorf("%s: other bytes than stored", name)
			}
		}
	}
}

func TestVerifyFindsOtherBytes(t *testing.T) {
	bare, tars := twoLayers()
	for what, s := range map[string]string{
		"a layer's content": strings.Replace(bare, "9012345", "9012346", 1),
		"a diffID":          strings.Replace(bare, sha(tars[1]).Encoded(), sha("").Encoded(), 1),
	} {
		a := open(t, s, Options{})
		err := a.Verify(context.Background(), 0, nil)
		var ie *imagecore.Error
		if !errors.As(err, &ie) || ie.Code != "digest-mismatch" || ie.Layer < 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := open(t, bare, Options{}).Verify(ctx, 0, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// layout returns the files of an OCI layout with one image of one gzip layer.
func layout() map[string]string {
	layer := tarOf(member{name: "f", content: "hello"})
	config := configOf(layer)
	manifest := fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},`+
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":%q,"size":%d}]}`, sha(config), len(config), sha(gz(layer)), len(gz(layer)))
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":%d,`+
		`"annotations":{"org.opencontainers.image.ref.name":"latest"}}]}`, sha(manifest), len(manifest))
	files := map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "index.json": index}
	for _, b := range []string{config, manifest, gz(layer)} {
		files["blobs/sha256/"+sha(b).Encoded()] = b
	}
	return files
}

func members(files map[string]string) (all []member) {
	for name, content := range files {
		all = append(all, member{name: name, content: content})
	}
	return all
}

func TestFolderAndArchiveOfALayoutAreTheSame(t *testing.T) {
	fsys := fstest.MapFS{}
	for name, content := range layout() {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	folder, err := OpenFS(fsys, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	bare := open(t, tarOf(members(layout())...), Options{})
	f, b := folder.Report().Images[0], bare.Report().Images[0]
	if f.ID != b.ID || f.Layers[0].Digest != b.Layers[0].Digest || f.Layers[0].EntryCount != 1 || f.Refs[0] != "latest" {
		t.Errorf("folder: %+v\narchive: %+v", f, b)
	}
	if err := folder.Verify(context.Background(), 0, nil); err != nil {
		t.Error(err)
	}
	if folder.Report().Source.Size == 0 {
		t.Error("a folder without size")
	}
}

func TestAbsentLayersAreShownAsAbsent(t *testing.T) {
	files := layout()
	layer := sha(gz(tarOf(member{name: "f", content: "hello"})))
	delete(files, "blobs/sha256/"+layer.Encoded())
	a := open(t, tarOf(members(files)...), Options{})
	l := a.Report().Images[0].Layers[0]
	if l.Present || l.Digest != layer || l.Size == 0 || len(a.Report().Warnings) != 1 || a.Report().Warnings[0].Code != "absent-layer" {
		t.Errorf("%+v %+v", l, a.Report().Warnings)
	}
	if _, err := a.OpenLayer(0, 0); !errors.Is(err, imagecore.ErrNotFound) {
		t.Errorf("open: %v", err)
	}
}

func TestHybridFollowsTheIndex(t *testing.T) {
	files := layout()
	other := tarOf(member{name: "other", content: "x"})
	files["x.tar"] = other
	files["x.json"] = configOf(other)
	config := sha(configOf(tarOf(member{name: "f", content: "hello"})))
	files["manifest.json"] = `[{"Config":"blobs/sha256/` + config.Encoded() + `","RepoTags":["name:tag"],"Layers":["x.tar"]},{"Config":"x.json","Layers":["x.tar"]}]`
	a := open(t, tarOf(members(files)...), Options{})
	r := a.Report()
	if r.Source.Format != "docker-hybrid" || len(r.Images) != 1 || r.Images[0].ID != config || r.Images[0].Refs[0] != "name:tag" {
		t.Errorf("%+v", r)
	}
	if len(r.Warnings) != 1 || r.Warnings[0].Code != "manifests-disagree" {
		t.Errorf("%+v", r.Warnings)
	}
}

func TestLinkedLayersAreOneBlob(t *testing.T) {
	layer := tarOf(member{name: "f", content: "hello"})
	a := open(t, tarOf(
		member{name: "one/layer.tar", content: layer},
		member{name: "two/layer.tar", content: "../one/layer.tar", typ: tar.TypeSymlink},
		member{name: "three/layer.tar", content: "two/layer.tar", typ: tar.TypeLink},
		member{name: "c.json", content: configOf(layer, layer, layer)},
		member{name: "manifest.json", content: `[{"Config":"c.json","Layers":["one/layer.tar","two/layer.tar","three/layer.tar"]}]`},
	), Options{})
	l := a.Report().Images[0].Layers
	if &l[0].Entries[0] != &l[1].Entries[0] || &l[0].Entries[0] != &l[2].Entries[0] {
		t.Error("the layer was scanned more than once")
	}
}

// TestErrorsSayWhatAndWhere opens malformed archives.
func TestErrorsSayWhatAndWhere(t *testing.T) {
	layer := tarOf(member{name: "etc/x", content: strings.Repeat("x", 2000)})
	save := func(manifest string, more ...member) string {
		return tarOf(append(more, member{name: "c.json", content: configOf(layer)}, member{name: "manifest.json", content: manifest})...)
	}
	good := `[{"Config":"c.json","Layers":["l.tar"]}]`
	few := imagecore.DefaultLimits()
	few.Images = 2
	small := imagecore.DefaultLimits()
	small.Entries, small.Document, small.Layers, small.Nesting, small.Images = 3, 200, 2, 1, 2
	for name, c := range map[string]struct {
		archive string
		limits  imagecore.Limits
		want    string
	}{
		"nothing":             {"", small, "the file is empty"},
		"text":                {strings.Repeat("no tar ", 200), imagecore.Limits{}, "neither an image nor a root file system: the file is not a tar: at byte 0: not a tar header: its checksum is wrong"},
		"truncated layer":     {save(good, member{name: "l.tar", content: layer[:2000]}), imagecore.Limits{}, `layer 0: tar entry "etc/x" at byte 0: the tar ends within the content: 2000 bytes expected, 1488 there`},
		"truncated archive":   {save(good, member{name: "l.tar", content: layer})[:3000], imagecore.Limits{}, `tar entry "l.tar" at byte 0: the tar ends within the content: ` + fmt.Sprint(len(layer)) + ` bytes expected, 2488 there`},
		"truncated gzip":      {save(good, member{name: "l.tar", content: gz(layer)[:40]}), imagecore.Limits{}, "layer 0: at byte 40: the gzip stream ends early"},
		"bad gzip":            {save(good, member{name: "l.tar", content: gz(layer)[:30] + "\xff\xff" + gz(layer)[32:]}), imagecore.Limits{}, "layer 0: at byte "},
		"no layer":            {save(good), imagecore.Limits{}, `layer 0: the layer is not in the archive: "l.tar"`},
		"no config":           {save(`[{"Config":"d.json","Layers":[]}]`), imagecore.Limits{}, `the config is not in the archive: "d.json"`},
		"bad JSON":            {save(`[{"Config":c`), imagecore.Limits{}, `tar entry "manifest.json" at byte 12: malformed JSON`},
		"wrong type":          {save(`[{"Config":7}]`), imagecore.Limits{}, `tar entry "manifest.json" at byte 12: malformed JSON`},
		"other layer count":   {save(`[{"Config":"c.json","Layers":[]}]`), imagecore.Limits{}, `tar entry "c.json": the config has 1 diffIDs for 0 layers`},
		"no images":           {save(`[]`), imagecore.Limits{}, "the archive holds no image"},
		"link loop":           {save(good, member{name: "l.tar", content: "m.tar", typ: tar.TypeSymlink}, member{name: "m.tar", content: "l.tar", typ: tar.TypeSymlink}), imagecore.Limits{}, "links that lead in a circle"},
		"compress":            {"\x1f\x9d\x90" + strings.Repeat("x", 100), imagecore.Limits{}, "packed by compress, which is not read"},
		"too many entries":    {tarOf(member{name: "1"}, member{name: "2"}, member{name: "3"}, member{name: "4"}), small, `tar entry "4" at byte 1536: more entries than the limit (4 > 3)`},
		"large document":      {save(good + strings.Repeat(" ", 200)), small, `tar entry "manifest.json": the list of images is larger than the limit (240 > 200)`},
		"too many images":     {save(`[{},{},{}]`), few, `tar entry "manifest.json": more images than the limit (3 > 2)`},
		"digest of nothing":   {tarOf(member{name: "oci-layout"}, member{name: "index.json", content: `{"manifests":[{"digest":"../x"}]}`}), imagecore.Limits{}, `tar entry "index.json": manifest 0 has no valid digest: "../x"`},
		"an empty layout":     {tarOf(member{name: "oci-layout"}, member{name: "index.json", content: `{}`}), imagecore.Limits{}, "the archive holds no image"},
		"parents in a circle": {tarOf(member{name: "a/json", content: `{"parent":"b"}`}, member{name: "a/layer.tar"}, member{name: "b/json", content: `{"parent":"a"}`}, member{name: "b/layer.tar"}, member{name: "repositories", content: `{"n":{"t":"a"}}`}), imagecore.Limits{}, `tar entry "a/json": an image is its own ancestor`},
	} {
		for _, s := range []string{c.archive, gz(c.archive)} {
			a, err := Open(strings.NewReader(s), int64(len(s)), Options{Limits: c.limits})
			if err == nil {
				t.Errorf("%s: read: %+v", name, a.Report())
				break
			}
			var ie *imagecore.Error
			if !errors.As(err, &ie) || ie.Code == "" {
				t.Errorf("%s: no code: %v", name, err)
			}
			if !strings.Contains(err.Error(), c.want) && s == c.archive {
				t.Errorf("%s: %v\nwant %s", name, err, c.want)
			}
		}
	}
}

// TestIndexesWithinIndexesAreBounded nests and repeats indexes.
func TestIndexesWithinIndexesAreBounded(t *testing.T) {
	files := layout()
	inner := files["index.json"]
	for range 20 {
		files["blobs/sha256/"+sha(inner).Encoded()] = inner
		d := fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.index.v1+json","digest":%q}`, sha(inner))
		inner = `{"schemaVersion":2,"manifests":[` + d + "," + d + "," + d + `]}`
	}
	files["index.json"] = inner
	s := tarOf(members(files)...)
	_, err := Open(strings.NewReader(s), int64(len(s)), Options{})
	var ie *imagecore.Error
	if !errors.As(err, &ie) || ie.Code != "nesting" {
		t.Fatalf("%v", err)
	}
	l := imagecore.DefaultLimits()
	l.Nesting = 30
	if a := open(t, s, Options{Limits: l}); len(a.Report().Images) != 1 {
		t.Errorf("%d images", len(a.Report().Images))
	}
}

func TestV1ImagesGetTheIDsOfDockerLoad(t *testing.T) {
	base, top := tarOf(member{name: "a", content: "1"}), tarOf(member{name: "b", content: "2"})
	a := open(t, tarOf(
		member{name: "t/json", content: `{"id":"t","parent":"b","created":"2014-01-02T03:04:05Z","container_config":{"Cmd":["/bin/sh","-c","#(nop) ADD b"]},"config":{"Cmd":["sh"]},"docker_version":"1.9.1","architecture":"amd64","os":"linux","Size":5}`},
		member{name: "t/layer.tar", content: top},
		member{name: "b/json", content: `{"id":"b","comment":"base","architecture":"amd64","os":"linux"}`},
		member{name: "b/layer.tar", content: base},
		member{name: "repositories", content: `{"n":{"2":"t","1":"t"}}`},
	), Options{})
	img := a.Report().Images[0]
	want := `{"architecture":"amd64","config":{"Cmd":["sh"]},"container_config":{"Cmd":["/bin/sh","-c","#(nop) ADD b"]},"created":"2014-01-02T03:04:05Z",` +
		`"docker_version":"1.9.1","history":[{"created":"0001-01-01T00:00:00Z","comment":"base"},{"created":"2014-01-02T03:04:05Z","created_by":"/bin/sh -c #(nop) ADD b"}],"os":"linux",` +
		`"rootfs":{"type":"layers","diff_ids":["` + sha(base).String() + `","` + sha(top).String() + `"]}}`
	if img.Config.Raw != want || img.ID != sha(want) || strings.Join(img.Refs, " ") != "n:1 n:2" || img.Layers[1].CreatedBy != "/bin/sh -c #(nop) ADD b" {
		t.Errorf("%s\nwant %s\n%v", img.Config.Raw, want, img.Refs)
	}
	if err := a.Verify(context.Background(), 0, nil); err != nil {
		t.Error(err)
	}
}

func TestProgressAscendsToTheEnd(t *testing.T) {
	bare, _ := twoLayers()
	for _, s := range []string{bare, gz(bare)} {
		last := int64(-1)
		open(t, s, Options{Progress: func(done, total int64) {
			if done <= last || done > total || total != int64(len(s)) {
				t.Errorf("%d of %d after %d", done, total, last)
			}
			last = done
		}})
		if last != int64(len(s)) {
			t.Errorf("ended at %d of %d", last, len(s))
		}
	}
}

func TestTickEndsOpening(t *testing.T) {
	stop := errors.New("stop")
	bare, _ := twoLayers()
	for _, s := range []string{bare, gz(bare), tarOf(member{name: "etc/passwd", content: strings.Repeat("x", 3<<20)})} {
		if _, err := Open(strings.NewReader(s), int64(len(s)), Options{Tick: func() error { return stop }}); err != stop {
			t.Errorf("got %v", err)
		}
	}
}

// TestRootfsIsTheSameBareAndCompressed also checks that an archive in a
// folder's name only is no image.
func TestRootfsIsTheSameBareAndCompressed(t *testing.T) {
	elf := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x02\x00\xb7\x00" + strings.Repeat("\x00", 100)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range map[string]string{"blobs/readme": "no layout", "bin/tool": elf} {
		w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))})
		io.WriteString(w, content)
	}
	w.Close()
	var ids []digest.Digest
	for _, s := range []string{b.String(), gz(b.String())} {
		a := open(t, s, Options{})
		img := a.Report().Images[0]
		if a.Report().Source.Format != "rootfs" || img.Platform != "linux/arm64" || img.Layers[0].DiffID != sha(b.String()) || img.ID != sha(img.Config.Raw) {
			t.Errorf("%+v", img)
		}
		if err := a.Verify(context.Background(), 0, nil); err != nil {
			t.Error(err)
		}
		ids = append(ids, img.ID)
	}
	if ids[0] != ids[1] {
		t.Error("other ids bare and within gzip")
	}
}

func TestCorpusLayersVerify(t *testing.T) {
	dir := corpus(t)
	// Those of which the README says that blobs do not match, or skopeo says so.
	broken := map[string]string{
		"docker-save/history-all-empty-layers.tar": "digest-mismatch",
		"oci/grootfs-corrupted.tar":                "digest-mismatch",
		"oci/grootfs-grootfs-busybox.tar":          "digest-mismatch",
		"oci/grootfs-opq-whiteouts-busybox.tar":    "size-mismatch",
		"oci/sylabs-aufs-docker-v2-manifest.tar":   "size-mismatch",
	}
	ok, bad := 0, 0
	for _, name := range corpusFiles(t, dir) {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		info, _ := f.Stat()
		a, err := Open(f, info.Size(), Options{})
		if err != nil {
			f.Close()
			continue
		}
		for i := range a.Report().Images {
			code := ""
			if err := a.Verify(context.Background(), i, nil); err != nil {
				var ie *imagecore.Error
				if !errors.As(err, &ie) {
					t.Fatalf("%s: %v", name, err)
				}
				code = ie.Code
				bad++
			} else {
				ok++
			}
			if code != broken[name] {
				t.Errorf("%s: verify says %q, not %q", name, code, broken[name])
			}
		}
		f.Close()
	}
	t.Logf("%d images verify, %d do not", ok, bad)
}

// TestCutAnywhereIsRefused cuts images at every record: nothing of them passes
// for a root file system.
func TestCutAnywhereIsRefused(t *testing.T) {
	layer := tarOf(member{name: "f", content: "hello"})
	id := sha("an id").Encoded()
	save := tarOf(
		member{name: id + "/", typ: tar.TypeDir}, member{name: id + "/VERSION", content: "1.0"}, member{name: id + "/json", content: `{"os":"linux"}`},
		member{name: id + "/layer.tar", content: layer}, member{name: sha("c").Encoded() + ".json", content: configOf(layer)},
		member{name: "manifest.json", content: `[{"Config":"` + sha("c").Encoded() + `.json","Layers":["` + id + `/layer.tar"]}]`})
	files := layout()
	manifest := sha(files["index.json"]).Encoded()
	oci := tarOf(append([]member{{name: "blobs/sha256/" + manifest, content: "x"}}, members(files)...)...)
	for _, s := range []string{save, oci} {
		whole := len(s) - 1024 // the end's mark may be missing
		for cut := 512; cut < whole; cut += 512 {
			if a, err := Open(strings.NewReader(s[:cut]), int64(cut), Options{}); err == nil && a.Report().Source.Format != formatSave && a.Report().Source.Format != formatOCI {
				t.Errorf("cut at %d of %d: read as %s", cut, len(s), a.Report().Source.Format)
			}
		}
		open(t, s[:whole], Options{})
	}
	root := tarOf(member{name: "etc/passwd", content: "root"})
	if w := open(t, root, Options{}).Report().Warnings; len(w) != 0 {
		t.Errorf("%+v", w)
	}
	if w := open(t, root[:1024], Options{}).Report().Warnings; len(w) != 1 || w[0].Code != "no-end-mark" {
		t.Errorf("%+v", w)
	}
}

func FuzzOpen(f *testing.F) {
	layer := tarOf(member{name: "f", content: "hello"})
	f.Add([]byte(tarOf(member{name: "l.tar", content: layer}, member{name: "c.json", content: configOf(layer)},
		member{name: "manifest.json", content: `[{"Config":"c.json","Layers":["l.tar"]}]`})))
	f.Add([]byte(tarOf(members(layout())...)))
	f.Add([]byte(layer))
	found, err := real.Seeds(16 << 10)
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range found {
		f.Add(b)
	}
	l := imagecore.DefaultLimits()
	l.Layer, l.Document, l.Archive = 4<<20, 64<<10, 4<<20
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Open(bytes.NewReader(b), int64(len(b)), Options{Limits: l})
		if err != nil {
			var ie *imagecore.Error
			if !errors.As(err, &ie) {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		for i, img := range a.Report().Images {
			for j, layer := range img.Layers {
				if !layer.Present {
					continue
				}
				r, err := a.OpenLayer(i, j)
				if err != nil {
					t.Fatal(err)
				}
				n, err := io.Copy(io.Discard, r)
				if err != nil || n != layer.TarSize {
					t.Fatalf("layer %d was scanned, and then: %d of %d bytes, %v", j, n, layer.TarSize, err)
				}
				r.Close()
			}
		}
		a.Close()
	})
}
