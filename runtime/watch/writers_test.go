//go:build linux

package watch

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/quota"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// sized mounts a container's root whose upper lies on a file system of its own,
// over one layer with the file "below".
func sized(t *testing.T) (upper, root string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts a loop device and an overlay")
	}
	if err := quota.Can(); err != nil {
		t.Skip("this host keeps no sizes:", err)
	}
	dir := t.TempDir()
	layer, at := filepath.Join(dir, "layer"), filepath.Join(dir, "rw")
	root = filepath.Join(dir, "root")
	for _, d := range []string{layer, root} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(layer, "below"), "0123456789")
	if err := quota.Make(at+".img", quota.Least); err != nil {
		t.Fatal(err)
	}
	if err := quota.Mount(at+".img", at); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = quota.Unmount(at) })
	method, err := snapshot.Probe(dir)
	if err != nil {
		t.Skip("this host mounts no container roots:", err)
	}
	upper = filepath.Join(at, "upper")
	overlay, err := snapshot.Mount(snapshot.MountOptions{Layers: []snapshot.Layer{{Dir: layer}}, Upper: upper, Work: filepath.Join(at, "work"), Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer overlay.Close()
	if err := unix.MoveMount(int(overlay.Fd()), "", unix.AT_FDCWD, root, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(root, unix.MNT_DETACH) })
	return upper, root
}

func listen(t *testing.T, upper string, before *Writers) *Writers {
	t.Helper()
	w, err := NewWriters(upper, before)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// lives runs a shell command that writes and then waits for the end of the test.
func lives(t *testing.T, dir, command string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", command+"; echo done; read line")
	cmd.Dir = dir
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "done\n" {
		t.Fatalf("%s: %q %v", command, line, err)
	}
	return cmd
}

func TestEachPathHasTheProcessThatTouchedItLast(t *testing.T) {
	upper, root := sized(t)
	w := listen(t, upper, nil)
	defer w.Close()
	self, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	own := Process{os.Getpid(), os.Getpid(), strings.TrimSpace(string(self))}
	if err := os.MkdirAll(filepath.Join(root, "a/b"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "a/b/mine"), "x")
	write(t, filepath.Join(root, "a/b/both"), "x")
	cmd := lives(t, root, "echo y >>below; echo y >>a/b/both; mkdir c; echo y >c/odd; mv c/odd c/moved; rm a/b/mine")
	shell := Process{cmd.Process.Pid, cmd.Process.Pid, "sh"}
	// mv and rm are processes of their own, which have ended by now.
	paths := []string{"a/b", "a/b/both", "below", "never", "a/b/mine", "c/moved"}
	got := w.Last(paths)
	for i, want := range []Process{own, shell, shell, {}} {
		if got[i].Inside = want.Inside; got[i] != want {
			t.Errorf("%s: %+v, want %+v", paths[i], got[i], want)
		}
	}
	for i, p := range got[4:] {
		if p.Host == 0 || p.Host == own.Host || p.Host == shell.Host {
			t.Errorf("%s: %+v, want a process of its own", paths[4+i], p)
		}
	}
	if (*Writers)(nil).Last(paths)[0] != (Process{}) {
		t.Error("nobody listens, and somebody was seen")
	}
}

func TestWritersAreBoundedAndTheLatestStay(t *testing.T) {
	upper, root := sized(t)
	w := listen(t, upper, nil)
	defer w.Close()
	for range maxNamed {
		w.mu.Lock()
		w.count++
		w.last[strconv.FormatUint(w.count, 10)] = writing{count: w.count}
		w.mu.Unlock()
	}
	write(t, filepath.Join(root, "latest"), "x")
	if p := w.Last([]string{"latest"})[0]; p.Host != os.Getpid() {
		t.Errorf("the latest: %+v", p)
	}
	if n := len(w.last); n > maxNamed || n < maxNamed/2 {
		t.Errorf("%d paths are kept", n)
	}
}

func TestClosedWritersLetGoOfTheFileSystemAndKnowOn(t *testing.T) {
	upper, root := sized(t)
	w := listen(t, upper, nil)
	write(t, filepath.Join(root, "f"), "x")
	w.Last(nil)
	w.Close()
	next := listen(t, upper, w)
	next.Close()
	if p := next.Last([]string{"f"})[0]; p.Host != os.Getpid() {
		t.Errorf("%+v", p)
	}
	if err := unix.Unmount(root, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Unmount(filepath.Dir(upper), 0); err != nil {
		t.Errorf("it is held: %v", err)
	}
}

func TestTheStatusOfAProcess(t *testing.T) {
	name, inside := statusOf("Name:\ta\\nb\xff\nUmask:\t0022\nNSpid:\t4711\t8\t3\nNSsid:\t1\n")
	if name != `a\nb`+"\uFFFD" || inside != 3 {
		t.Errorf("%q %d", name, inside)
	}
	if name, inside := statusOf(""); name != "" || inside != 0 {
		t.Errorf("%q %d of nothing", name, inside)
	}
}

// one is an event with a folder and a name, of a process that lives.
func one() []byte {
	b := []byte{56, 0, 0, 0, unix.FANOTIFY_METADATA_VERSION, 0, 24, 0, 0, 1, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 7, 0, 0, 0}
	b = append(b, infoDfidName, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 'h', 'h', 'f', 0)
	return append(b, infoPidfd, 0, 8, 0, 9, 0, 0, 0)
}

func TestAnEventIsReadWhole(t *testing.T) {
	list := parse(append(one(), one()...))
	if len(list) != 2 {
		t.Fatalf("%d events", len(list))
	}
	if e := list[1]; e.pid != 7 || e.pidfd != 9 || e.kind != 1 || string(e.handle) != "hh" || e.name != "f" {
		t.Errorf("%+v", e)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(one())
	f.Add(one()[:30])
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, e := range parse(b) {
			if len(e.handle)+len(e.name) > len(b) {
				t.Fatalf("%+v of %d bytes", e, len(b))
			}
		}
	})
}
