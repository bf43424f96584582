//go:build linux && engines

package engines

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// batch is how many images an archive has.
const batch = 100

func TestUmoci(t *testing.T) {
	dir := folder(t)
	c := tally{engine: "umoci"}
	all := stacks(t, tree.Umoci)
	for n := 0; len(all) > 0; n++ {
		some := all[:min(batch, len(all))]
		all = all[len(some):]
		layout := filepath.Join(dir, strconv.Itoa(n))
		a := imagetest.Archive{Format: imagetest.OCI}
		for _, s := range some {
			a.Images = append(a.Images, imagetest.Image{Stack: s.layers, Refs: []string{strconv.Itoa(s.seed)}})
		}
		extract(t, a.Bytes(), layout)
		for _, s := range some {
			bundle := filepath.Join(dir, "bundle-"+strconv.Itoa(s.seed))
			out, err := exec.Command("umoci", "unpack", "--image", layout+":"+strconv.Itoa(s.seed), bundle).CombinedOutput()
			var x *exec.ExitError
			switch {
			case errors.As(err, &x):
				c.refuses(t, s, string(out))
			case err != nil:
				t.Fatal(err)
			default:
				root := filepath.Join(bundle, "rootfs")
				c.shown(t, s, root)
			}
			if err := os.RemoveAll(bundle); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.print(t)
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
