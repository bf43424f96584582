package tree_test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// TestUmociAgreesWithItsLens lets the real umoci unpack random stacks, where it
// is installed. LAYERLAB_SEEDS says how many.
func TestUmociAgreesWithItsLens(t *testing.T) {
	umoci, err := exec.LookPath("umoci")
	if err != nil {
		t.Skip("umoci is not installed")
	}
	if os.Getuid() != 0 {
		t.Skip("umoci makes owners and devices as root only")
	}
	seeds := 30
	if n, err := strconv.Atoi(os.Getenv("LAYERLAB_SEEDS")); err == nil {
		seeds = n
	}
	refused := 0
	for seed := range uint64(seeds) {
		s := imagetest.Random(seed)
		a := imagetest.One(imagetest.OCI, s)
		a.Images[0].Refs = []string{"x"}
		dir := t.TempDir()
		extract(t, a.Bytes(), filepath.Join(dir, "oci"))
		out, err := exec.Command(umoci, "unpack", "--image", filepath.Join(dir, "oci")+":x", filepath.Join(dir, "bundle")).CombinedOutput()
		want, _ := render(t, s, tree.Umoci)
		if err != nil {
			refused++
			if len(want) < 7 || want[:7] != "refused" {
				t.Errorf("seed %d: umoci says %s the lens shows\n%s\n%s", seed, out, want, s)
			}
			continue
		}
		if got := readBack(t, filepath.Join(dir, "bundle", "rootfs")); got != want {
			t.Errorf("seed %d: umoci shows\n%sthe lens\n%s\n%s", seed, got, want, s)
		}
	}
	t.Logf("%d stacks, of which umoci refused %d", seeds, refused)
}

// extract unpacks an archive of plain files.
func extract(t *testing.T, b []byte, dir string) {
	t.Helper()
	for tr := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, h.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
