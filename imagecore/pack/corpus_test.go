package pack_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// TestCorpusSurvivesFlattening flattens every image of the corpus that can be
// read and wants the same tree back.
func TestCorpusSurvivesFlattening(t *testing.T) {
	dir := os.Getenv("LAYERLAB_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "images")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus of images: LAYERLAB_CORPUS is not set, and %v", err)
	}
	files, images, refused := 0, 0, 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, ".tar") || strings.Contains(path, "tar-edge") {
			return err
		}
		files++
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		a, err := archive.Open(f, info.Size(), archive.Options{Limits: imagecore.DefaultLimits()})
		if err != nil {
			refused++
			return nil
		}
		for i, img := range a.Report().Images {
			tr, err := tree.Build(img.Layers, tree.Spec)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			checkFlat(t, path, tr, func(layer int) (io.ReaderAt, error) {
				// Whole, since random access to what is compressed
				// replays it again and again.
				r, err := a.OpenLayer(i, layer)
				if err != nil {
					return nil, err
				}
				defer r.Close()
				b, err := io.ReadAll(r)
				return bytes.NewReader(b), err
			})
			images++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d corpus files tested: %d images, %d files not readable", files, images, refused)
}

func checkFlat(t *testing.T, path string, tr *tree.Tree, content func(layer int) (io.ReaderAt, error)) {
	t.Helper()
	var out bytes.Buffer
	if err := pack.Flatten(&out, tr.Top(), content); err != nil {
		if tr.Confined() == nil {
			t.Errorf("%s: %v", path, err)
		}
		return
	}
	if tr.Top().Empty() {
		return
	}
	// A root file system has no whiteouts: .wh. names are names like others.
	a, err := archive.Open(bytes.NewReader(out.Bytes()), int64(out.Len()), archive.Options{Limits: imagecore.DefaultLimits()})
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	entries := a.Report().Images[0].Layers[0].Entries
	flat, err := tree.Build([]imagecore.Layer{{Present: true, Entries: entries}}, tree.Spec)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	kept := map[int]io.ReaderAt{}
	once := func(layer int) (io.ReaderAt, error) {
		if kept[layer] == nil {
			r, err := content(layer)
			if err != nil {
				return nil, err
			}
			kept[layer] = r
		}
		return kept[layer], nil
	}
	same := diff.SameContent(once, imagetest.Opener([][]byte{out.Bytes()}))
	for c, err := range diff.Trees(tr.Top(), flat.Top(), same) {
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		if c.Path != "" {
			t.Errorf("%s: %c %s %v", path, c.Kind, diff.Quote(c.Path), c.What)
		}
	}
}
