//go:build linux && engines

package engines

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

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

// TestCraneReadsWhatWeWrite validates the archive and flattens it.
func TestCraneReadsWhatWeWrite(t *testing.T) {
	w := write(t)
	w.run("crane", "validate", "--tarball", w.save)
	in, err := os.Open(w.save)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd := exec.Command("crane", "export", "-", filepath.Join(w.dir, "crane.tar"))
	cmd.Stdin = in
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	names := func(file string) []string {
		list := strings.Fields(w.run("tar", "-tf", file))
		for i := range list {
			list[i] = strings.Trim(list[i], "/")
		}
		slices.Sort(list)
		return list
	}
	if got, want := names(filepath.Join(w.dir, "crane.tar")), names(w.flat); !slices.Equal(got, want) {
		t.Errorf("crane export has\n%q\nflatten\n%q", got, want)
	}
}

func TestPodmanReadsWhatWeWrite(t *testing.T) {
	w := write(t)
	policy := filepath.Join(w.dir, "policy.json")
	if err := os.WriteFile(policy, []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	podman := func(args ...string) string {
		return w.run(append([]string{"podman", "--root", w.dir + "/p-root", "--runroot", w.dir + "/p-run", "--tmpdir", w.dir + "/p-tmp", "--storage-driver", "overlay"}, args...)...)
	}
	for _, file := range []string{w.save, w.oci} {
		podman("load", "--signature-policy", policy, "-i", file)
		w.same("podman load "+file, podman("image", "inspect", "--format", "sha256:{{.Id}}", reference), w.id)
		w.same("podman's layers of "+file, podman("image", "inspect", "--format", "{{json .RootFS.Layers}}", reference), w.diffIDs...)
		root := strings.TrimSpace(podman("image", "mount", reference))
		w.holds("podman's tree of "+file, root)
		podman("image", "unmount", reference)
		podman("rmi", reference)
	}
	podman("import", "--signature-policy", policy, w.flat, "layerlab.test/flat:1")
	w.holds("podman's tree of what it imported", strings.TrimSpace(podman("image", "mount", "layerlab.test/flat:1")))
	podman("image", "unmount", "layerlab.test/flat:1")
}

func TestContainerdReadsWhatWeWrite(t *testing.T) {
	w := write(t)
	socket := startContainerd(t, w.dir)
	root := filepath.Join(w.dir, "m")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{w.save, w.oci} {
		for _, args := range [][]string{
			{"images", "import", "--no-unpack", file},
			{"images", "mount", "--snapshotter", "overlayfs", reference, root},
		} {
			if out, ok := ctr(t, socket, args...); !ok {
				t.Fatalf("ctr %v: %s", args, out)
			}
		}
		w.holds("containerd's tree of "+file, root)
		if err := unix.Unmount(root, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"snapshots", "--snapshotter", "overlayfs", "rm", root}, {"images", "rm", reference}} {
			if out, ok := ctr(t, socket, args...); !ok {
				t.Fatalf("ctr %v: %s", args, out)
			}
		}
	}
}

// TestDockerReadsWhatWeWrite loads both forms of docker save, that of version 1
// too, and imports the flattened tree.
func TestDockerReadsWhatWeWrite(t *testing.T) {
	w := write(t)
	d := startDocker(t, w.dir)
	root := filepath.Join(w.dir, "m")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	look := func(what, ref string) (id string, layers []string) {
		status, out := d.call("GET", "/images/"+ref+"/json", nil)
		var m struct {
			ID     string
			RootFS struct{ Layers []string }
		}
		if err := json.Unmarshal(out, &m); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s", what, status, out)
		}
		lowers, _ := d.lowers(ref)
		// A single folder cannot be stacked alone: an empty one lies beneath it.
		empty := filepath.Join(w.dir, "empty")
		if err := os.MkdirAll(empty, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("overlay", root, "overlay", unix.MS_RDONLY, "index=off,lowerdir="+lowers+":"+empty); err != nil {
			t.Fatal(err)
		}
		w.holds("Docker's tree of "+what, root)
		if err := unix.Unmount(root, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
		return m.ID, m.RootFS.Layers
	}
	for what, file := range map[string]string{"docker-save": w.save, "docker-v1": w.v1} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if message := d.load(raw); message != "" {
			t.Fatalf("%s: %s", what, message)
		}
		id, layers := look(what, reference)
		if what == "docker-save" {
			w.same("Docker's id", id, w.id)
		} else {
			// The id that we show of the archive is the one that Docker gives it.
			w.same("Docker's id of the image of version 1", id, v1ID(t, w))
		}
		w.same("Docker's layers of "+what, strings.Join(layers, " "), w.diffIDs...)
		if status, out := d.call("DELETE", "/images/"+reference, nil); status != http.StatusOK {
			t.Fatalf("%s: %s", what, out)
		}
	}
	raw, err := os.ReadFile(w.flat)
	if err != nil {
		t.Fatal(err)
	}
	if status, out := d.call("POST", "/images/create?fromSrc=-&repo="+url.QueryEscape("layerlab.test/flat")+"&tag=1", raw); status != http.StatusOK {
		t.Fatalf("import: %s", out)
	}
	if _, layers := look("what it imported", "layerlab.test/flat:1"); len(layers) != 1 {
		t.Errorf("what was imported has %d layers", len(layers))
	}
}

func v1ID(t *testing.T, w *written) string {
	t.Helper()
	var report struct{ Images []struct{ ID string } }
	if err := json.Unmarshal([]byte(w.run(w.layerlab, "inspect", "--json", w.v1)), &report); err != nil {
		t.Fatal(err)
	}
	return report.Images[0].ID
}
