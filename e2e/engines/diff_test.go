//go:build linux && engines

package engines

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// container is one that Docker made and never started, with its folders.
type container struct {
	id                 string
	lower, upper, work string
}

func (d docker) create(image string) container {
	d.t.Helper()
	status, out := d.call("POST", "/containers/create", []byte(`{"Image":"`+image+`","Cmd":["none"]}`))
	var made struct{ ID string }
	if err := json.Unmarshal(out, &made); err != nil || status != http.StatusCreated {
		d.t.Fatalf("create of %s: %d %s", image, status, out)
	}
	_, out = d.call("GET", "/containers/"+made.ID+"/json", nil)
	var m struct {
		GraphDriver struct {
			Data struct{ UpperDir, LowerDir, WorkDir string }
		}
	}
	if err := json.Unmarshal(out, &m); err != nil {
		d.t.Fatal(err)
	}
	return container{made.ID, m.GraphDriver.Data.LowerDir, m.GraphDriver.Data.UpperDir, m.GraphDriver.Data.WorkDir}
}

// init is the folder that Docker lays over the image for its own mounts.
func (c container) init() string {
	dir, _, _ := strings.Cut(c.lower, ":")
	return dir
}

// changes is `docker diff`: letter and path of each change, sorted.
func (d docker) changes(id string) map[string]byte {
	d.t.Helper()
	status, out := d.call("GET", "/containers/"+id+"/changes", nil)
	var list []struct {
		Path string
		Kind int
	}
	if err := json.Unmarshal(out, &list); err != nil || status != http.StatusOK {
		d.t.Fatalf("changes: %d %s", status, out)
	}
	all := map[string]byte{}
	for _, c := range list {
		all[strings.TrimPrefix(c.Path, "/")] = "CAD"[c.Kind]
	}
	return all
}

// TestDockerDiff changes the roots of containers at random and wants what
// `docker diff` says of both: the trees with and without the container's layer,
// compared by package diff, and the listing of the layer's folder.
// LAYERLAB_CONTAINERS says how many.
func TestDockerDiff(t *testing.T) {
	dir := onDisk(t)
	d := startDocker(t, dir)
	root := filepath.Join(dir, "m")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	var c diffTally
	first, n := setting(t, "LAYERLAB_SEED", 0), setting(t, "LAYERLAB_CONTAINERS", 100)
	for seed := first; c.containers < n; seed++ {
		s := lensed(t, imagetest.Random(uint64(seed)), seed, tree.DockerOverlay2)
		// Docker keeps AUFS's bookkeeping as files, which no layer can hold.
		aufs := slices.ContainsFunc(s.want, func(f imagetest.Full) bool { return strings.Contains(f.Path, ".wh.") })
		if len(s.layers) == 0 || s.refused != "" || aufs {
			continue
		}
		if message := d.load(archive([]*stack{s})); message != "" {
			t.Fatalf("seed %d: %s", seed, message)
		}
		box := d.create(s.name)
		wholeSeconds(t, box.init())
		options := fmt.Sprintf("index=off,lowerdir=%s,upperdir=%s,workdir=%s", box.lower, box.upper, box.work)
		if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
			t.Fatalf("seed %d: mount: %v", seed, err)
		}
		did := scramble(t, root, rand.New(rand.NewPCG(uint64(seed), 1)))
		if err := unix.Unmount(root, 0); err != nil {
			t.Fatal(err)
		}
		c.compare(t, s, box, d.changes(box.id), did)
	}
	t.Logf("docker diff: %d containers with %d changes: the trees differ in %d of them, the listing of the layer in %d",
		c.containers, c.changes, c.inTree, c.inListing)
}

type diffTally struct{ containers, changes, inTree, inListing int }

func (c *diffTally) compare(t *testing.T, s *stack, box container, want map[string]byte, did []string) {
	t.Helper()
	c.containers++
	c.changes += len(want)
	layers, tars := append(slices.Clone(s.layers), records(t, box.init())).Layers()
	lower, err := tree.Build(layers, tree.DockerOverlay2)
	if err != nil {
		t.Fatal(err)
	}
	trees := byTrees(t, lower, tars, box.upper)
	listed := byListing(t, lower, box.upper)
	for p := range union(want, trees, listed) {
		w := want[p]
		if w != trees[p] {
			c.differs(t, &c.inTree, fmt.Sprintf("seed %d: %q: docker diff says %s, the trees %s, after\n%s\nof\n%s", s.seed, p, letter(w), letter(trees[p]), strings.Join(did, "\n"), s.layers))
		}
		if w != listed[p] {
			c.differs(t, &c.inListing, fmt.Sprintf("seed %d: %q: docker diff says %s, the listing %s, after\n%s\nof\n%s", s.seed, p, letter(w), letter(listed[p]), strings.Join(did, "\n"), s.layers))
		}
	}
}

func (c *diffTally) differs(t *testing.T, n *int, message string) {
	t.Helper()
	if *n++; *n <= 10 {
		t.Error(message)
	} else {
		t.Fail()
	}
}

func letter(b byte) string {
	if b == 0 {
		return "-"
	}
	return string(b)
}

func union(all ...map[string]byte) map[string]bool {
	keys := map[string]bool{}
	for _, m := range all {
		for k := range m {
			keys[k] = true
		}
	}
	return keys
}

// byTrees compares the tree without and with the container's layer, as a commit
// would write it, and says it as `docker diff` does: folders above a change
// have changed, what lay beneath something deleted or replaced is not listed,
// names that an inode gained or lost elsewhere are no change.
func byTrees(t *testing.T, lower *tree.Tree, tars [][]byte, upper string) map[string]byte {
	t.Helper()
	items, err := snapshot.Items(t.Context(), upper, lower.Top(), snapshot.IDs{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := pack.WriteLayer(&out, items); err != nil {
		t.Fatal(err)
	}
	entries, err := imagetest.Scan(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	// The layers below as one, since the spec's rules hold for the new one alone.
	flat, below := flattened(t, lower, tars)
	whole, err := tree.Build([]imagecore.Layer{flat, {Index: 1, Present: true, Entries: entries}}, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	open := imagetest.Opener([][]byte{below, out.Bytes()})
	all := map[string]byte{}
	gone := ""
	for ch, err := range diff.Layer(whole, 1, diff.SameContent(open, open)) {
		switch {
		case err != nil:
			t.Fatal(err)
		case ch.Path == "" || slices.Equal(ch.What, []string{"links"}):
			continue
		case ch.Kind == diff.Deleted && gone != "" && strings.HasPrefix(ch.Path, gone+"/"):
			continue
		case ch.Kind == diff.Deleted, ch.Kind == diff.Changed && ch.After.Kind() != imagecore.Dir:
			gone = ch.Path
		}
		all[ch.Path] = byte(ch.Kind)
		for dir := path.Dir(ch.Path); dir != "."; dir = path.Dir(dir) {
			if all[dir] == 0 {
				all[dir] = 'C'
			}
		}
	}
	return all
}

// flattened is a tree as one layer.
func flattened(t *testing.T, tr *tree.Tree, tars [][]byte) (imagecore.Layer, []byte) {
	t.Helper()
	var out bytes.Buffer
	if err := pack.Flatten(&out, tr.Top(), imagetest.Opener(tars)); err != nil {
		t.Fatal(err)
	}
	entries, err := imagetest.Scan(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return imagecore.Layer{Present: true, Entries: entries}, out.Bytes()
}

// byListing lists the container's layer as the page and the server do.
func byListing(t *testing.T, lower *tree.Tree, upper string) map[string]byte {
	t.Helper()
	list, err := snapshot.Changes(t.Context(), upper, lower.Top(), snapshot.IDs{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]byte{}
	for _, ch := range list.Changes {
		if !ch.Passed {
			all[ch.Path] = ch.Kind
		}
	}
	return all
}

// records reads a folder as a layer.
func records(t *testing.T, dir string) imagetest.Layer {
	t.Helper()
	full, err := imagetest.DiskFull(dir)
	if err != nil {
		t.Fatal(err)
	}
	var l imagetest.Layer
	for _, f := range full {
		if f.Path == "" {
			continue
		}
		l = append(l, imagetest.Record{Type: f.Type, Name: f.Path, Link: f.Target, Content: string(f.Content), Mode: f.Mode, UID: f.UID, GID: f.GID, ModTime: f.ModTime})
	}
	return l
}

// wholeSeconds cuts the times of what a folder holds, as the notation of
// layers has them.
func wholeSeconds(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		at := unix.Timespec{Sec: info.ModTime().Unix()}
		return unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// scramble does a few things that programs do in a container's root, and
// returns them. What does not go is left undone.
func scramble(t *testing.T, dir string, r *rand.Rand) (done []string) {
	t.Helper()
	root, err := os.OpenRoot(dir) // links of the image must not lead to the host's files
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for i := range 3 + r.IntN(10) {
		var all, folders []string
		err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error { // not root.FS: names need not be UTF-8
			if err != nil {
				return err
			}
			if p, err = filepath.Rel(dir, p); err != nil {
				return err
			}
			if all = append(all, p); e.IsDir() {
				folders = append(folders, p)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		p, in := all[r.IntN(len(all))], folders[r.IntN(len(folders))]
		fresh := path.Join(in, fmt.Sprintf("new%d", i))
		what := [...]string{"write", "chmod", "remove", "create", "mkdir", "rename", "link", "symlink", "empty", "retype", "chown", "touch", "open"}[r.IntN(13)]
		var err2 error
		switch what {
		case "write":
			err2 = appendTo(root, p)
		case "chmod":
			err2 = root.Chmod(p, fs.FileMode(r.IntN(0o1000)))
		case "remove":
			err2 = root.RemoveAll(p)
		case "create":
			err2 = root.WriteFile(fresh, []byte("new"), 0o644)
		case "mkdir":
			err2 = root.MkdirAll(path.Join(fresh, "a/b"), 0o755)
		case "rename":
			err2 = root.Rename(p, fresh)
		case "link":
			err2 = root.Link(p, fresh)
		case "symlink":
			err2 = root.Symlink("somewhere", fresh)
		case "empty":
			if err2 = root.RemoveAll(in); err2 == nil {
				err2 = root.MkdirAll(path.Join(in, "again"), 0o755)
			}
		case "retype":
			if err2 = root.RemoveAll(p); err2 == nil {
				err2 = root.WriteFile(p, []byte("a file now"), 0o600)
			}
		case "chown":
			err2 = root.Lchown(p, 1+r.IntN(9), r.IntN(9))
		case "touch":
			err2 = root.Chtimes(p, time.Unix(1, 0), time.Unix(int64(r.IntN(1e9)), 0))
		case "open":
			var f *os.File
			if f, err2 = root.OpenFile(p, os.O_RDWR|unix.O_NONBLOCK, 0); err2 == nil {
				err2 = f.Close()
			}
		}
		done = append(done, fmt.Sprintf("  %s %s %s: %v", what, p, fresh, err2))
	}
	return done
}

func appendTo(root *os.Root, p string) error {
	info, err := root.Lstat(p)
	if err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("no file: %w", imagecore.ErrInvalid)
	}
	f, err := root.OpenFile(p, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteString("more"); err != nil {
		return err
	}
	return f.Close()
}
