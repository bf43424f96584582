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
// is installed. LAYERLAB_STACKS says how many.
func TestUmociAgreesWithItsLens(t *testing.T) {
	umoci, err := exec.LookPath("umoci")
	if err != nil {
		t.Skip("umoci is not installed")
	}
	if os.Getuid() != 0 {
		t.Skip("umoci makes owners and devices as root only")
	}
	stacks := 500
	if n, err := strconv.Atoi(os.Getenv("LAYERLAB_STACKS")); err == nil {
		stacks = n
	}
	const batch = 100 // images in one layout
	refused := 0
	for first := 0; first < stacks; first += batch {
		dir := t.TempDir()
		a := imagetest.Archive{Format: imagetest.OCI}
		for seed := first; seed < min(first+batch, stacks); seed++ {
			a.Images = append(a.Images, imagetest.Image{Stack: imagetest.Odd(uint64(seed)), Refs: []string{strconv.Itoa(seed)}})
		}
		extract(t, a.Bytes(), filepath.Join(dir, "oci"))
		for i, image := range a.Images {
			bundle := filepath.Join(dir, image.Refs[0])
			out, err := exec.Command(umoci, "unpack", "--image", filepath.Join(dir, "oci")+":"+image.Refs[0], bundle).CombinedOutput()
			layers, tars := image.Stack.Layers()
			tr, refusal := tree.Build(layers, tree.Umoci)
			if (err != nil) != (refusal != nil) {
				t.Errorf("seed %d: umoci says %v (%s), the lens %v\n%s", first+i, err, out, refusal, image.Stack)
			}
			if err != nil || refusal != nil {
				refused++
				continue
			}
			root := filepath.Join(bundle, "rootfs")
			got, err := imagetest.DiskFull(root)
			if err != nil {
				t.Fatal(err)
			}
			want, err := imagetest.ViewFull(tr.Top(), imagetest.Opener(tars))
			if err != nil {
				t.Fatal(err)
			}
			if d := imagetest.CompareFull(want, got); d != "" {
				t.Errorf("seed %d: %s\n%s", first+i, d, image.Stack)
			}
		}
	}
	t.Logf("umoci: %d stacks compared, of which it refused %d", stacks, refused)
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
