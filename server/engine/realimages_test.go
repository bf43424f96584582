//go:build linux

package engine_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tarscan"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/engine/inside"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// realImages are images whose layers are unpacked for overlayfs, without a
// store around them.
type realImages struct {
	dir   string
	shift uint32 // see snapshot.UnpackOptions

	mu     sync.Mutex
	images map[string]*realImage // by reference and by id
}

type realImage struct {
	engine.Image
	tars [][]byte
	tree *tree.Tree
}

func newRealImages(dir string) *realImages {
	return &realImages{dir: dir, images: map[string]*realImage{}}
}

// add unpacks the layers under a reference.
func (r *realImages) add(ctx context.Context, ref string, config []byte, tars ...[]byte) (*realImage, error) {
	id := digest.FromBytes(append(bytes.Join(tars, nil), config...))
	img := &realImage{Image: engine.Image{ID: id, Config: config}, tars: tars}
	var layers []imagecore.Layer
	for _, t := range tars {
		entries, err := scan(t)
		if err != nil {
			return nil, err
		}
		layers = append(layers, imagecore.Layer{Index: len(layers), Present: true, Entries: entries})
	}
	var err error
	if img.tree, err = tree.Build(layers, tree.Spec); err != nil {
		return nil, err
	}
	for i := range tars {
		dir := filepath.Join(r.dir, fmt.Sprintf("%s-%d", id.Encoded()[:12], i))
		img.Dirs = append(img.Dirs, dir)
		if _, err := os.Lstat(dir); err == nil {
			continue // of before a restart
		}
		content := func(layer int) (io.ReaderAt, error) { return bytes.NewReader(tars[layer]), nil }
		if err := snapshot.Unpack(ctx, dir, img.tree, i, content, snapshot.UnpackOptions{Shift: r.shift}); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.images[ref], r.images[id.String()] = img, img
	return img, nil
}

func scan(t []byte) ([]imagecore.Entry, error) {
	s := tarscan.NewReaderAt(bytes.NewReader(t), int64(len(t)), tarscan.Options{Limits: imagecore.DefaultLimits(), Whiteouts: true})
	var list []imagecore.Entry
	for {
		var e imagecore.Entry
		err := s.Next(&e)
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
}

func (r *realImages) find(ref string) (*realImage, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if img := r.images[ref]; img != nil {
		return img, nil
	}
	return nil, imagecore.NewError(imagecore.ErrNotFound, "image-not-found", "image "+ref+": not found", "image", ref)
}

func (r *realImages) Unpack(context.Context, digest.Digest) error { return nil }

func (r *realImages) Hold(_ context.Context, ref string) (engine.Image, func(), error) {
	img, err := r.find(ref)
	if err != nil {
		return engine.Image{}, nil, err
	}
	return img.Image, func() {}, nil
}

func (r *realImages) Tree(_ context.Context, id digest.Digest) (*tree.Tree, error) {
	img, err := r.find(id.String())
	if err != nil {
		return nil, err
	}
	return img.tree, nil
}

type nopCloser struct{ io.ReaderAt }

func (nopCloser) Close() error { return nil }

func (r *realImages) LayerAt(_ context.Context, id digest.Digest, layer int) (inside.Layer, error) {
	img, err := r.find(id.String())
	if err != nil {
		return nil, err
	}
	return nopCloser{bytes.NewReader(img.tars[layer])}, nil
}

func (r *realImages) Export(context.Context, digest.Digest, io.Reader, func(*tree.View, func(int) (io.ReaderAt, error)) error) error {
	return errors.New("the store does this")
}

func (r *realImages) Commit(ctx context.Context, c engine.Commit) (wire.Image, error) {
	parent, err := r.find(c.Parent.String())
	if err != nil {
		return wire.Image{}, err
	}
	layer, err := io.ReadAll(c.Layer)
	if err != nil {
		return wire.Image{}, err
	}
	img, err := r.add(ctx, c.Ref, c.Config, append(append([][]byte{}, parent.tars...), layer)...)
	if err != nil {
		return wire.Image{}, err
	}
	return wire.Image{ID: img.ID.String(), Refs: []string{c.Ref}}, nil
}

// userland builds the program that the test's containers run.
func userland(t testing.TB) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "lab")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./testdata/userland")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build userland: %v\n%s", err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

type member struct {
	name, body string
	mode       int64
	uid        int
	link       string
	kind       byte
}

func tarOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: m.mode, Uid: m.uid, Gid: m.uid, Size: int64(len(m.body)), Linkname: m.link, Typeflag: m.kind}
		if m.kind == 0 {
			h.Typeflag = tar.TypeReg
			if m.name[len(m.name)-1] == '/' {
				h.Typeflag = tar.TypeDir
			}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// addLab adds the image lab:1: two layers, the second with a whiteout.
func (r *realImages) addLab(t testing.TB, program []byte) {
	t.Helper()
	base := tarOf(t,
		member{name: "bin/", mode: 0o755},
		member{name: "bin/lab", mode: 0o755, body: string(program)},
		member{name: "bin/data", mode: 0o644, body: "no program"},
		member{name: "bin/sh", link: "lab", kind: tar.TypeSymlink},
		member{name: "etc/", mode: 0o755},
		member{name: "etc/passwd", mode: 0o644, body: "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n"},
		member{name: "etc/group", mode: 0o644, body: "root:x:0:\nada:x:1000:\nwheel:x:10:ada\n"},
		member{name: "tmp/", mode: 0o1777},
		member{name: "data/", mode: 0o755},
		member{name: "data/keep", mode: 0o644, body: "0123456789"},
		member{name: "data/gone", mode: 0o644, body: "gone"},
		member{name: "data/hidden", mode: 0o644, body: "hidden by the second layer"},
		member{name: "home/ada/", mode: 0o700, uid: 1000},
	)
	second := tarOf(t, member{name: "data/.wh.hidden", mode: 0o644})
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux",
		"config": map[string]any{"Cmd": []string{"/bin/lab"}, "Env": []string{"PATH=/bin"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.add(t.Context(), "lab:1", config, base, second); err != nil {
		t.Fatal(err)
	}
}
