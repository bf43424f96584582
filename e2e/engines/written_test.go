//go:build linux && engines

package engines

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// written is an image in every form that layerlab writes, and what it says of
// it.
type written struct {
	t                         *testing.T
	dir                       string
	layerlab                  string
	save, v1, oci, dir1, flat string // files, and a folder
	id                        string // of the image, in all but v1
	diffIDs                   []string
	tree                      []imagetest.Full // as all engines make it
}

// reference is the image's name.
const reference = "layerlab.test/written:1"

// stackWritten is what every engine unpacks alike.
const stackWritten = `
-- layer --
d bin mode=0755
f bin/tool "the first tool" mode=4755
h bin/twin -> bin/tool mode=4755
d etc mode=0755
f etc/gone "gone"
f etc/conf "conf" uid=7 gid=8
s lib -> usr/lib
d usr mode=0755
d usr/lib mode=0755
f usr/lib/a "a" xattr.user.k="v"
-- layer --
d etc mode=0700
f etc/.wh.gone ""
f etc/new "new" mtime=1000000123
d usr mode=0755
d usr/lib mode=0755
f usr/lib/.wh..wh..opq ""
f usr/lib/b "b"
-- layer --
-- layer --
d var mode=1777
f var/last "last"
`

// write lets the program write an image whose layers are compressed, as
// registries have them, in every form.
func write(t *testing.T) *written {
	t.Helper()
	w := &written{t: t, dir: folder(t), layerlab: os.Getenv("LAYERLAB")}
	if w.layerlab == "" {
		t.Fatal("set LAYERLAB to the program, as make test-engines does")
	}
	stack := imagetest.MustParse(stackWritten)
	a := imagetest.One(imagetest.OCI, stack)
	a.GzipLayers, a.Images[0].Refs = true, []string{reference}
	from := filepath.Join(w.dir, "from.tar")
	if err := os.WriteFile(from, a.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for form, to := range map[string]*string{"docker-save": &w.save, "docker-v1": &w.v1, "oci": &w.oci, "oci-dir": &w.dir1} {
		*to = filepath.Join(w.dir, form)
		w.run(w.layerlab, "convert", from, "-o", *to, "--to", form)
	}
	w.flat = filepath.Join(w.dir, "flat.tar")
	w.run(w.layerlab, "flatten", from, "-o", w.flat)
	var report struct {
		Images []struct {
			ID     string
			Layers []struct{ DiffID string }
		}
	}
	if err := json.Unmarshal([]byte(w.run(w.layerlab, "inspect", "--json", from)), &report); err != nil {
		t.Fatal(err)
	}
	w.id = report.Images[0].ID
	for _, l := range report.Images[0].Layers {
		w.diffIDs = append(w.diffIDs, l.DiffID)
	}
	layers, tars := stack.Layers()
	tr, err := tree.Build(layers, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if w.tree, err = imagetest.ViewFull(tr.Top(), imagetest.Opener(tars)); err != nil {
		t.Fatal(err)
	}
	return w
}

// run runs a program that must go well, and returns what it prints.
func (w *written) run(argv ...string) string {
	w.t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, &stderr)
	}
	return string(out)
}

// holds wants a folder to be the image's tree.
func (w *written) holds(what, root string) {
	w.t.Helper()
	got, err := imagetest.DiskFull(root)
	if err != nil {
		w.t.Fatal(err)
	}
	// Nobody states the root's own time and mode.
	if d := imagetest.CompareFull(w.tree[1:], got[1:]); d != "" {
		w.t.Errorf("%s: %s", what, d)
	}
}

// same wants two lists of digests to be equal, whatever their order of words.
func (w *written) same(what, got string, want ...string) {
	w.t.Helper()
	if fields := strings.Fields(strings.NewReplacer("[", " ", "]", " ", ",", " ", `"`, " ").Replace(got)); !slices.Equal(fields, want) {
		w.t.Errorf("%s has %q, want %q", what, fields, want)
	}
}

// TestSkopeoReadsWhatWeWrite copies every form and looks at the digests.
func TestSkopeoReadsWhatWeWrite(t *testing.T) {
	w := write(t)
	for what, from := range map[string]string{"docker-save": "docker-archive:" + w.save, "oci": "oci-archive:" + w.oci, "oci-dir": "oci:" + w.dir1} {
		to := filepath.Join(w.dir, "copied-"+what)
		w.run("skopeo", "--insecure-policy", "copy", from, "dir:"+to)
		w.same(what, w.run("skopeo", "inspect", "--format", "{{.Architecture}} {{.Os}}", from), "amd64", "linux")
		config := struct {
			Config struct{ Digest string }
			Layers []struct{ Digest string }
		}{}
		raw, err := os.ReadFile(filepath.Join(to, "manifest.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &config); err != nil {
			t.Fatal(err)
		}
		w.same(what+" copied", config.Config.Digest, w.id)
		if len(config.Layers) != len(w.diffIDs) {
			t.Errorf("%s: skopeo sees %d layers, want %d", what, len(config.Layers), len(w.diffIDs))
		}
	}
}

func TestUmociReadsWhatWeWrite(t *testing.T) {
	w := write(t)
	w.same("umoci ls", w.run("umoci", "ls", "--layout", w.dir1), reference)
	bundle := filepath.Join(w.dir, "bundle")
	w.run("umoci", "unpack", "--image", w.dir1+":"+reference, bundle)
	w.holds("umoci unpack", filepath.Join(bundle, "rootfs"))
}
