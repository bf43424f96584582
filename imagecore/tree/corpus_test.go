package tree_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// corpus returns the folder of real images, or skips the test.
func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("LAYERLAB_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "images")
	}
	if _, err := os.Stat(filepath.Join(dir, "engines", "expected.json")); err != nil {
		t.Skipf("no corpus of images: LAYERLAB_CORPUS is not set, and %v", err)
	}
	return dir
}

// TestCorpusEngines holds the lenses against the trees that the engines made
// of the real archives.
func TestCorpusEngines(t *testing.T) {
	dir := filepath.Join(corpus(t), "engines")
	raw, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	type entry map[string]any
	var cases map[string]map[string]struct {
		Error string
		Tree  []entry
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	lenses := map[string]tree.Lens{
		"spec": tree.Spec, "docker-20.10-overlay2": tree.DockerOverlay2,
		"containerd-1.6-overlayfs": tree.ContainerdOverlayfs, "umoci-0.4.7": tree.Umoci,
	}
	for name, engines := range cases {
		layers, tars := readDockerSave(t, filepath.Join(dir, name+".tar"))
		if len(engines) != len(lenses) {
			t.Fatalf("%s: trees of %d engines, want %d", name, len(engines), len(lenses))
		}
		for engine, want := range engines {
			tr, err := tree.Build(layers, lenses[engine])
			if want.Error != "" {
				var e *imagecore.Error
				if !errors.As(err, &e) || e.Args["reason"] != want.Error {
					t.Errorf("%s: %s: %v, want the refusal %q", name, engine, err, want.Error)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %s: %v", name, engine, err)
				continue
			}
			var got []entry
			for n := range tr.Top().All() {
				raw, err := json.Marshal(diff.Entry(n))
				if err != nil {
					t.Fatal(err)
				}
				e := entry{}
				if err := json.Unmarshal(raw, &e); err != nil {
					t.Fatal(err)
				}
				delete(e, "mtime")
				delete(e, "layer")
				if n.Kind() == imagecore.File {
					ref := n.Content()
					b, err := io.ReadAll(tree.Content(bytes.NewReader(tars[ref.Layer]), tr.Entry(ref)))
					if err != nil {
						t.Fatal(err)
					}
					sum := sha256.Sum256(b)
					e["sha256"] = hex.EncodeToString(sum[:])
				}
				got = append(got, e)
			}
			if d := cmp.Diff(want.Tree, got); d != "" {
				t.Errorf("%s: %s (-want +got): %s", name, engine, d)
			}
		}
	}
	t.Logf("%d corpus files tested", len(cases))
}

// readDockerSave reads the one image of a plain docker save archive whose
// layers are N/layer.tar.
func readDockerSave(t *testing.T, path string) ([]imagecore.Layer, [][]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var layers []imagecore.Layer
	var tars [][]byte
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return layers, tars
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, "/layer.tar") {
			continue
		}
		if want := fmt.Sprintf("%d/layer.tar", len(layers)); h.Name != want {
			t.Fatalf("%s: %s, want %s", path, h.Name, want)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := imagetest.Scan(b)
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, imagecore.Layer{Index: len(layers), Present: true, Entries: entries})
		tars = append(tars, b)
	}
}
