//go:build linux

package store

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/index"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// base and its children are the specification's example in small.
const (
	base = `
-- layer --
d etc
f etc/my-app-config "one"
d bin
f bin/my-app-binary "binary"
f bin/my-app-tools "tools"
`
	changed = base + `
-- layer --
d etc/my-app.d
f etc/my-app.d/default.cfg "two"
f bin/my-app-tools "better tools"
f etc/.wh.my-app-config ""
`
	other = base + `
-- layer --
f hello "world"
`
)

// saved is an image to be written as docker save did from 1.10 to 24.
type saved struct {
	stack string
	refs  []string
	env   string // makes another config of the same layers
	arch  string // "": amd64
}

func (s saved) config(t *testing.T) ([]byte, [][]byte) {
	t.Helper()
	layers, tars := imagetest.MustParse(s.stack).Layers()
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	img := v1.Image{Created: &created, Platform: v1.Platform{OS: "linux", Architecture: cmp.Or(s.arch, "amd64")}}
	img.Config.Env = []string{"A=" + s.env}
	img.Config.Cmd = []string{"/bin/my-app-binary"}
	img.RootFS.Type = "layers"
	for i := range layers {
		img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, digest.FromBytes(tars[i]))
		img.History = append(img.History, v1.History{CreatedBy: fmt.Sprintf("step %d", i)})
	}
	raw, err := json.Marshal(img)
	if err != nil {
		t.Fatal(err)
	}
	return raw, tars
}

func (s saved) id(t *testing.T) digest.Digest {
	raw, _ := s.config(t)
	return digest.FromBytes(raw)
}

// dockerSave writes images in one archive; drop leaves files out by name.
func dockerSave(t *testing.T, drop string, images ...saved) []byte {
	t.Helper()
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	files := map[string][]byte{}
	var order []string
	add := func(name string, data []byte) {
		if _, ok := files[name]; !ok && name != drop {
			order = append(order, name)
			files[name] = data
		}
	}
	var manifest []entry
	for _, s := range images {
		raw, tars := s.config(t)
		e := entry{Config: s.id(t).Encoded() + ".json", RepoTags: s.refs}
		add(e.Config, raw)
		for _, b := range tars {
			name := digest.FromBytes(b).Encoded() + "/layer.tar"
			add(name, b)
			e.Layers = append(e.Layers, name)
		}
		manifest = append(manifest, e)
	}
	raw, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	add("manifest.json", raw)
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range order {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(files[name])), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// log is what the store wrote to its log.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// unpacker makes folders with one file that lists the changes; it needs no
// root. It counts what it made.
type unpacker struct {
	mu   sync.Mutex
	made []string
	step func() error // asked before each of its changes, may be nil
}

const listFile = "changes"

func (u *unpacker) unpack(ctx context.Context, dir string, t *tree.Tree, layer int, content func(int) (io.ReaderAt, error)) error {
	var list strings.Builder
	for _, c := range t.Changeset(layer) {
		fmt.Fprintf(&list, "%s %s\n", c.Kind, c.Path)
		if c.Kind == imagecore.File && c.Size > 0 {
			at, err := content(c.Content.Layer)
			if err != nil {
				return err
			}
			if _, err := io.Copy(&list, tree.Content(at, t.Entry(c.Content))); err != nil {
				return err
			}
		}
	}
	temp := filepath.Join(filepath.Dir(dir), ".unpack-"+suffix())
	for _, do := range []func() error{
		func() error { return os.Mkdir(temp, 0o755) },
		func() error { return os.WriteFile(filepath.Join(temp, listFile), []byte(list.String()), 0o644) },
		func() error { return os.Rename(temp, dir) },
	} {
		if u.step != nil {
			if err := u.step(); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), os.RemoveAll(temp))
		}
		if err := do(); err != nil {
			return err
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.made = append(u.made, filepath.Base(dir))
	return nil
}

type bench struct {
	*Store
	dir    string
	log    *log
	unpack *unpacker
	events []string
}

func setUp(t *testing.T, change func(*Options)) *bench {
	t.Helper()
	b := openBench(t, t.TempDir(), change)
	t.Cleanup(func() { b.Close() })
	return b
}

func openBench(t *testing.T, dir string, change func(*Options)) *bench {
	t.Helper()
	b, err := tryBench(dir, change)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tryBench(dir string, change func(*Options)) (*bench, error) {
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}
	b := &bench{dir: dir, log: &log{}, unpack: &unpacker{}}
	o := Options{
		Dir: dir, Limits: imagecore.DefaultLimits(), Read: Native(imagecore.DefaultLimits(), dir),
		Unpack: b.unpack.unpack, Log: slog.New(slog.NewTextHandler(b.log, nil)), Now: time.Now,
		Publish: func(kind, id string, _ any) error {
			b.events = append(b.events, kind+" "+id)
			return nil
		},
	}
	if change != nil {
		change(&o)
	}
	var err error
	b.Store, err = Open(context.Background(), o)
	return b, err
}

// load stores an archive and waits until its layers are unpacked.
func (b *bench) load(t *testing.T, archive []byte) []string {
	t.Helper()
	list, err := b.Import(t.Context(), bytes.NewReader(archive), int64(len(archive)), nil)
	if err != nil {
		t.Fatal(err)
	}
	b.folders.Wait()
	var ids []string
	for _, img := range list {
		ids = append(ids, img.ID)
	}
	return ids
}

// files lists all files and folders of the data folder but meta.db, sorted.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, name)
		if rel != "." && rel != "meta.db" {
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// check holds a closed data folder against what meta.db says of it: it opens
// it as the next start would, has all layers unpacked, and then nothing may be
// missing, wrong or left over. It returns the names and ids of the images.
func check(t *testing.T, dir string) []string {
	t.Helper()
	b := openBench(t, dir, nil)
	defer b.Close()
	wanted := map[string]bool{"blobs": true, "blobs/sha256": true, "layers": true, "trash": true, layoutFile: true, v1.ImageIndexFile: true}
	list, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range list {
		if err := b.Unpack(t.Context(), digest.Digest(img.ID)); err != nil {
			t.Errorf("image %s: %v", img.ID, err)
		}
	}
	var found []string
	err = b.db.View(func(tx *bolt.Tx) error {
		all, err := records(tx)
		if err != nil {
			return err
		}
		refs := names(tx)
		for _, r := range all {
			found = append(found, append([]string{r.ID.String()}, refs[r.ID]...)...)
			delete(refs, r.ID)
			for _, d := range r.blobs() {
				wanted[blobFile(d)] = true
				raw, err := b.readFile(blobFile(d))
				if err != nil || digest.FromBytes(raw) != d {
					t.Errorf("blob %s: %v, digest %s", d, err, digest.FromBytes(raw))
				}
			}
			for _, l := range r.Layers {
				wanted[layerDir(l.ChainID)], wanted[path.Join(layerDir(l.ChainID), listFile)] = true, true
				if raw, err := b.readFile(path.Join(layerDir(l.ChainID), listFile)); err != nil || !strings.Contains(string(raw), "dir \n") {
					t.Errorf("layer %s: %v %q", l.ChainID, err, raw)
				}
			}
			if len(r.Layers) > 0 {
				wanted[indexFile(r.top())] = true
			}
			bin, err := b.readIndex(r)
			if err != nil {
				return err
			}
			if ix, err := index.Decode(bin); err != nil || ix.Head.Image.ID != r.ID {
				t.Errorf("index of %s: %v", r.ID, err)
			}
		}
		if len(refs) > 0 {
			t.Errorf("names of images that are not there: %v", refs)
		}
		text, err := derive(tx)
		if err != nil {
			return err
		}
		if have, err := b.readFile(v1.ImageIndexFile); err != nil || !bytes.Equal(have, text) {
			t.Errorf("index.json: %v\n%s\nwant\n%s", err, have, text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files(t, dir) {
		if !wanted[name] {
			t.Errorf("left over: %s", name)
		}
		delete(wanted, name)
	}
	for name := range wanted {
		t.Errorf("missing: %s", name)
	}
	return found
}

func kindOf(err error) string {
	var e *imagecore.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}
