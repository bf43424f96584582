//go:build linux

package engine_test

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/caller"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/engine/idrange"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// socket is the context of a call by the docker command line.
func socket(t testing.TB) context.Context { return caller.With(t.Context(), caller.Caller{}) }

// shown runs a command in a new container and returns what it wrote.
func (l *realLab) shown(req wire.CreateContainer) string {
	l.t.Helper()
	req.Image = cmpOr(req.Image, "lab:1")
	c, err := l.Create(socket(l.t), req)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.Start(l.t.Context(), c.ID); err != nil {
		l.t.Fatal(err)
	}
	l.end(c.ID)
	return l.open(c.ID).until("")
}

func labCmd(words ...string) []string { return append([]string{"lab"}, words...) }

func owner(t *testing.T, path string) string {
	t.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	sys := st.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d %v", sys.Uid, sys.Gid, st.Mode().Perm())
}

func TestAVolumeBeginsWithTheImageAndIsSharedAcrossRanges(t *testing.T) {
	l := newRealLab(t)
	volumeIsShared(t, l, 0)
}

// TestWithoutIdmappedMountsAllContainersShareOneRange runs containers as a host
// without idmapped mounts does: layers and volumes carry the range's ids.
func TestWithoutIdmappedMountsAllContainersShareOneRange(t *testing.T) {
	shared := idrange.Range{First: 0x6fff_0000 - 64*idrange.Size, Count: idrange.Size}
	l := newRealLab(t)
	l.stop()
	program, err := os.ReadFile(filepath.Join(l.images.images["lab:1"].Dirs[0], "bin/lab"))
	if err != nil {
		t.Fatal(err)
	}
	l.images.dir, l.images.shift = filepath.Join(l.dir, "layers", "shifted"), shared.First
	if err := os.Mkdir(l.images.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l.images.addLab(t, program)
	l.method = snapshot.SharedIDs
	l.edit = func(o *engine.Options) { o.Shared = &shared }
	l.start()
	volumeIsShared(t, l, int(shared.First))
	c := l.run(wire.CreateContainer{TTY: true})
	s := l.open(c.ID)
	s.until("ready")
	s.typeLine("write /data/new hello\n")
	s.until("done write")
	if _, err := l.Commit(t.Context(), c.ID, wire.CommitContainer{Ref: "lab:shifted"}); err != nil {
		t.Fatal(err)
	}
	if n, ok := l.images.images["lab:shifted"].tree.Top().Lookup("data/new"); !ok || n.Attr().UID != 0 {
		t.Errorf("owner of data/new in the image: %+v", n.Attr())
	}
	if got := l.shown(wire.CreateContainer{Image: "lab:shifted", Command: labCmd("cat", "/data/new")}); !strings.Contains(got, "hello") {
		t.Errorf("the image of the container shows %q", got)
	}
}

func volumeIsShared(t *testing.T, l *realLab, shift int) {
	t.Helper()
	home := wire.MountSpec{Type: wire.MountVolume, Source: "home", Target: "/home"}
	first := l.run(wire.CreateContainer{TTY: true, Mounts: []wire.MountSpec{home}})
	s := l.open(first.ID)
	s.until("ready")
	files := filepath.Join(l.dir, "volumes/home/_data")
	if got, want := owner(t, filepath.Join(files, "ada")), fmt.Sprintf("%d:%d -rwx------", shift+1000, shift+1000); got != want {
		t.Errorf("seeded folder: %s, want %s", got, want)
	}
	s.typeLine("write /home/x by-root\n")
	s.until("done write")
	if got, want := owner(t, filepath.Join(files, "x")), fmt.Sprintf("%d:%d -rw-r-----", shift, shift); got != want {
		t.Errorf("root's file on disk: %s, want %s", got, want)
	}
	second := l.run(wire.CreateContainer{TTY: true, Mounts: []wire.MountSpec{{Type: wire.MountVolume, Source: "home", Target: "/else"}}})
	o := l.open(second.ID)
	o.until("ready")
	o.typeLine("append /else/x !\n")
	o.until("done append")
	s.typeLine("cat /home/x\n")
	s.until("by-root!")

	err := l.DeleteVolume(t.Context(), "home")
	wantCode(t, err, "volume-in-use")
	if v, err := l.Volume(t.Context(), "home"); err != nil || len(v.UsedBy) != 2 {
		t.Errorf("%+v %v", v, err)
	}
	// A volume that holds something is not seeded again, whatever the image has.
	if got := l.shown(wire.CreateContainer{Command: labCmd("find", "/data"), Mounts: []wire.MountSpec{{Type: wire.MountVolume, Source: "home", Target: "/data"}}}); strings.Contains(got, "keep") || !strings.Contains(got, "/data/x") {
		t.Errorf("the volume at /data shows %q", got)
	}
}

func TestVolumesOfAnImageGoWithTheContainerWhereAsked(t *testing.T) {
	l := newRealLab(t)
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux",
		"config": map[string]any{"Cmd": []string{"/bin/lab"}, "Volumes": map[string]any{"/data": struct{}{}, "/linked/sub": struct{}{}, "/new": struct{}{}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	base := l.images.images["lab:1"]
	// /linked is a link that means /etc of the image, never of the host.
	layer := tarOf(t, member{name: "linked", link: "../../../../etc", kind: tar.TypeSymlink}, member{name: "etc/sub/", mode: 0o711}, member{name: "etc/sub/in", mode: 0o600, body: "of the image", uid: 7})
	if _, err := l.images.add(t.Context(), "lab:vol", config, append(append([][]byte{}, base.tars...), layer)...); err != nil {
		t.Fatal(err)
	}
	make := func(auto bool) string {
		c, err := l.CreateWith(socket(t), wire.CreateContainer{Image: "lab:vol", Command: labCmd("find", "/etc/sub")}, engine.Settings{AutoRemove: auto})
		if err != nil {
			t.Fatal(err)
		}
		if list := l.allVolumes(); len(list) != 3 {
			t.Fatalf("volumes %q", list)
		}
		return c.ID
	}
	id := make(false)
	d, err := l.Detail(t.Context(), id)
	if err != nil || len(d.Mounts) != 3 {
		t.Fatalf("%+v %v", d.Mounts, err)
	}
	for _, m := range d.Mounts {
		left, err := os.ReadDir(m.Source)
		if err != nil || m.Target == "/data" && len(left) != 2 || m.Target == "/linked/sub" && (len(left) != 1 || left[0].Name() != "in") || m.Target == "/new" && len(left) != 0 {
			t.Errorf("%s was seeded with %v (%v)", m.Target, left, err)
		}
	}
	if _, err := l.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	l.end(id)
	if got := l.open(id).until(""); !strings.Contains(got, "/etc/sub/in") {
		t.Errorf("the volume behind the link shows %q", got)
	}
	if err := l.DeleteWith(t.Context(), id, true); err != nil {
		t.Fatal(err)
	}
	if list := l.allVolumes(); len(list) != 0 {
		t.Errorf("left: %q", list)
	}
	id = make(true)
	removed, err := l.Await(t.Context(), id, engine.Removed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := removed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil { // ends what the removal still does
		t.Fatal(err)
	}
	if list := l.allVolumes(); len(list) != 0 {
		t.Errorf("left by --rm: %q", list)
	}
}

func TestBindsShowTheHostAndNothingElse(t *testing.T) {
	l := newRealLab(t)
	host := t.TempDir()
	for name, body := range map[string]string{"one": "first", "sub/two": "second"} {
		path := filepath.Join(host, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bind := wire.MountSpec{Type: wire.MountBind, Source: host, Target: "/h"}
	if got := l.shown(wire.CreateContainer{Command: labCmd("cat", "/h/sub/two"), Mounts: []wire.MountSpec{bind}}); !strings.Contains(got, "second") {
		t.Errorf("shows %q", got)
	}
	if got := l.shown(wire.CreateContainer{Command: labCmd("write", "/h/three", "x"), Mounts: []wire.MountSpec{bind}}); !strings.Contains(got, "done") {
		t.Errorf("writes %q", got)
	}
	if got := owner(t, filepath.Join(host, "three")); got != "0:0 -rw-r-----" {
		t.Errorf("written as %s", got)
	}
	readOnly := bind
	readOnly.ReadOnly = true
	if got := l.shown(wire.CreateContainer{Command: labCmd("write", "/h/four", "x"), Mounts: []wire.MountSpec{readOnly}}); !strings.Contains(got, "read-only") {
		t.Errorf("a read-only mount says %q", got)
	}
	file := wire.MountSpec{Type: wire.MountBind, Source: filepath.Join(host, "one"), Target: "/etc/one"}
	if got := l.shown(wire.CreateContainer{Command: labCmd("cat", "/etc/one"), Mounts: []wire.MountSpec{file}}); !strings.Contains(got, "first") {
		t.Errorf("one file shows %q", got)
	}
	// A link in the folder that the container made means the container's files.
	evil := filepath.Join(host, "evil")
	if err := os.Symlink("/bin/data", evil); err != nil {
		t.Fatal(err)
	}
	if got := l.shown(wire.CreateContainer{Command: labCmd("cat", "/h/evil"), Mounts: []wire.MountSpec{bind}}); !strings.Contains(got, "no program") {
		t.Errorf("the link shows %q", got)
	}
	// One within a volume as the way to a mount: it stays in the container.
	link := wire.MountSpec{Type: wire.MountBind, Source: host, Target: "/h"}
	if err := os.Symlink("../../../../../../..", filepath.Join(host, "up")); err != nil {
		t.Fatal(err)
	}
	if got := l.shown(wire.CreateContainer{Command: labCmd("cat", "/inner/one"), Mounts: []wire.MountSpec{link, {Type: wire.MountBind, Source: host, Target: "/h/up/inner"}}}); !strings.Contains(got, "first") {
		t.Errorf("the mount through a link shows %q", got)
	}
	for what, m := range map[string]wire.MountSpec{
		"source-kept":         {Type: wire.MountBind, Source: l.dir, Target: "/x"},
		"source-missing":      {Type: wire.MountBind, Source: filepath.Join(host, "absent"), Target: "/x"},
		"bad-mount":           {Type: wire.MountBind, Source: host, Target: "relative"},
		"bad-volume-name":     {Type: wire.MountVolume, Source: "a/b", Target: "/x"},
		"bind-not-idmappable": {Type: wire.MountBind, Source: "/proc", Target: "/x", Flat: true},
	} {
		c, err := l.Create(socket(t), wire.CreateContainer{Image: "lab:1", Mounts: []wire.MountSpec{m}})
		if err == nil {
			_, err = l.Start(t.Context(), c.ID)
		}
		wantCode(t, err, what)
	}
	_, err := l.Create(t.Context(), wire.CreateContainer{Image: "lab:1", Mounts: []wire.MountSpec{bind}})
	wantCode(t, err, "not-allowed") // by the page
}

// TestASourceIsJudgedAtEachStart replaces the source of a container that was
// made by a link to the data folder.
func TestASourceIsJudgedAtEachStart(t *testing.T) {
	l := newRealLab(t)
	host := filepath.Join(t.TempDir(), "shared")
	if err := os.Mkdir(host, 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := l.Create(socket(t), wire.CreateContainer{Image: "lab:1", Command: labCmd("find", "/h"), Mounts: []wire.MountSpec{{Type: wire.MountBind, Source: host, Target: "/h"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(host); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(l.dir, host); err != nil {
		t.Fatal(err)
	}
	_, err = l.Start(t.Context(), c.ID)
	wantCode(t, err, "source-kept")
}

func TestALayerOfASizeIsFullAtItAndReadLikeOthers(t *testing.T) {
	l := newRealLab(t)
	c := l.run(wire.CreateContainer{TTY: true, Limits: &wire.Limits{Storage: 16 << 20}})
	s := l.open(c.ID)
	s.until("ready")
	s.typeLine("write /data/new hello\n")
	s.until("done write")
	wrote := func(path string) wire.Writer {
		t.Helper()
		changes, err := l.Changes(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(changes.Changes, func(x wire.Change) bool { return x.Path == path })
		if i < 0 || changes.Changes[i].By == nil {
			t.Fatalf("nobody wrote %s: %+v", path, changes)
		}
		return *changes.Changes[i].By
	}
	now, err := l.Get(t.Context(), c.ID)
	if want := (wire.Writer{Host: now.Pid, Inside: 1, Name: "lab"}); err != nil || wrote("data/new") != want {
		t.Errorf("data/new was written by %+v, want %+v (%v)", wrote("data/new"), want, err)
	}
	s.typeLine("fill /data/big\n")
	s.until("no space left on device")
	// The server goes and comes back; the layer is where it was.
	l.restart()
	s = l.open(c.ID)
	s.typeLine("rm /data/big\n")
	s.until("done rm")
	s.typeLine("append /data/keep x\n")
	s.until("done append")
	if by := wrote("data/keep"); by.Inside != 1 {
		t.Errorf("data/keep was written by %+v", by)
	}
	changes, err := l.Changes(t.Context(), c.ID)
	if err != nil || len(changes.Changes) != 3 {
		t.Errorf("%+v %v", changes, err)
	}
	s.typeLine("exit 0\n")
	s.until("")
	l.end(c.ID)
	if mounts := mountsOf(t, l.dir); mounts != "" {
		t.Errorf("mounted after its end: %s", mounts)
	}
	// Stopped it is read, committed, started again.
	if _, err := l.Commit(t.Context(), c.ID, wire.CommitContainer{Ref: "lab:sized"}); err != nil {
		t.Fatal(err)
	}
	if _, ok := l.images.images["lab:sized"].tree.Top().Lookup("data/new"); !ok {
		t.Error("the commit lacks data/new")
	}
	if _, err := l.Start(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	s = l.open(c.ID)
	s.until("ready")
	s.typeLine("cat /data/new\n")
	s.until("hello")
	if by := wrote("data/keep"); by.Inside != 1 { // in the run before
		t.Errorf("data/keep was written by %+v", by)
	}
	_, err = l.Create(t.Context(), wire.CreateContainer{Image: "lab:1", Limits: &wire.Limits{Storage: 1}})
	wantCode(t, err, "bad-limit")
}

func mountsOf(t *testing.T, dir string) (lines string) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, dir) {
			lines += line
		}
	}
	return lines
}
