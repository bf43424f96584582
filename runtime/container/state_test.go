//go:build linux

package container

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/identity"
)

// stored makes a container of the store without starting anything: its process
// is a sleeping one.
func stored(t *testing.T, s Store, id string) (*Container, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	dir, err := s.dir(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	const config = `{"ociVersion":"1.2.0","root":{"path":"rootfs"},"annotations":{"k":"v"},"linux":{"namespaces":[{"type":"mount"}]}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	_, birth, err := identity.Stat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	c := &Container{dir: dir, State: State{
		ID: id, PID: cmd.Process.Pid, Birth: birth, BootID: identity.Boot(), Bundle: "/b \"x\"\n\u00e9", Created: time.Now().UTC().Truncate(time.Millisecond), Owner: "0",
	}}
	if err := c.save(); err != nil {
		t.Fatal(err)
	}
	return c, cmd
}

func TestStateComesBack(t *testing.T) {
	s := Store{Root: t.TempDir()}
	c, _ := stored(t, s, "one")
	got, err := s.Load("one")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.State, c.State) {
		t.Errorf("%+v, want %+v", got.State, c.State)
	}
	oci := got.OCI()
	if oci.Status != specs.StateRunning || oci.Pid != c.PID || oci.Annotations["k"] != "v" || oci.ID != "one" || oci.Bundle != c.Bundle {
		t.Errorf("%+v", oci)
	}
}

func TestStatusIsAskedOfTheKernel(t *testing.T) {
	s := Store{Root: t.TempDir()}
	c, cmd := stored(t, s, "one")
	want := func(when string, st specs.ContainerState) {
		t.Helper()
		got, err := s.Load("one")
		if err != nil || got.Status() != st {
			t.Errorf("%s: %v %v, want %s", when, got.Status(), err, st)
		}
	}
	want("as it is", specs.StateRunning)
	fifo := filepath.Join(c.dir, "start")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	want("waiting for its start", specs.StateCreated)
	if err := os.Remove(fifo); err != nil {
		t.Fatal(err)
	}
	change := func(f func(st *State)) {
		t.Helper()
		x := *c
		f(&x.State)
		if err := x.save(); err != nil {
			t.Fatal(err)
		}
	}
	change(func(st *State) { st.PID = 0 })
	want("before its process is known", specs.StateCreating)
	change(func(st *State) { st.Birth++ })
	want("the number is another process's", specs.StateStopped)
	// Nor does that other one get its signals.
	other, err := s.Load("one")
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Signal(unix.SIGKILL, false); !errors.Is(err, errNotRunning) {
		t.Errorf("kill of a process that is not the container's: %v", err)
	}
	if _, _, err := identity.Stat(cmd.Process.Pid); err != nil {
		t.Error("it was killed:", err)
	}
	change(func(st *State) { st.BootID = "of another kernel" })
	want("after a reboot", specs.StateStopped)
	change(func(*State) {})
	want("as it was", specs.StateRunning)
	if err := c.Signal(unix.SIGKILL, false); err != nil {
		t.Error(err)
	}
	// It is a zombie until somebody waits for it: dead all the same.
	fd, err := unix.PidfdOpen(c.PID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != nil {
		t.Fatal(err)
	}
	want("a zombie", specs.StateStopped)
	cmd.Wait()
	want("gone", specs.StateStopped)
}

func TestIDsStayInTheStore(t *testing.T) {
	s := Store{Root: t.TempDir()}
	for id, ok := range map[string]bool{
		"a": true, "A-b_c.d+1": true, strings.Repeat("x", 1024): true,
		"": false, ".": false, "..": false, "../x": false, "a/b": false, "a b": false, "a\x00": false, "ä": false, strings.Repeat("x", 1025): false,
	} {
		_, err := s.Load(id)
		var e *fault.Error
		want := "container-not-found"
		if !ok {
			want = "invalid-id"
		}
		if len(id) == 1024 {
			continue // the file system has its own opinion
		}
		if !errors.As(err, &e) || e.Code != want {
			t.Errorf("%q: %v, want %s", id, err, want)
		}
	}
	if !validID(strings.Repeat("x", 1024)) {
		t.Error("a long id is refused")
	}
}

func TestListSkipsWhatIsBeingMade(t *testing.T) {
	s := Store{Root: filepath.Join(t.TempDir(), "state")}
	if l, err := s.List(); err != nil || len(l) != 0 {
		t.Errorf("without a folder: %v %v", l, err)
	}
	stored(t, s, "b")
	stored(t, s, "a")
	if err := os.MkdirAll(filepath.Join(s.Root, "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	torn, _ := stored(t, s, "torn")
	if err := os.WriteFile(filepath.Join(torn.dir, "state.json"), []byte(`{"id":"torn","pid":`), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := s.List()
	if err != nil || len(l) != 2 || l[0].ID != "a" || l[1].ID != "b" {
		t.Errorf("%v %v", l, err)
	}
	if _, err := s.Load("torn"); err == nil || !strings.Contains(err.Error(), "torn") {
		t.Errorf("a torn state: %v", err)
	}
}

func TestWhatDoesNotFitTheStateIsRefused(t *testing.T) {
	s := Store{Root: t.TempDir()}
	c, _ := stored(t, s, "one")
	ctx := context.Background()
	code := func(what string, err error, want string) {
		t.Helper()
		var e *fault.Error
		if !errors.As(err, &e) || e.Code != want {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	code("start of a running one", c.Start(ctx), "container-running")
	code("delete of a running one", c.Delete(ctx, false), "container-running")
	code("resume of one that is not paused", c.Resume(), "container-not-paused")
	code("pause without cgroups", c.Pause(), "container-not-running")
	_, err := c.Group()
	code("its cgroups", err, "cgroup-not-found")
	_, _, err = s.Create(ctx, Options{ID: "one", Spec: c.Spec})
	code("a second one of its name", err, "id-exists")
	if err := c.Delete(ctx, true); err != nil {
		t.Error(err)
	}
	_, err = s.Load("one")
	code("after it was deleted", err, "container-not-found")
	code("start of a stopped one", c.Start(ctx), "container-stopped")
}

func TestConfigThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	_, _, err := LoadSpec(dir)
	var e *fault.Error
	if !errors.As(err, &e) || e.Code != "no-config" || !strings.Contains(err.Error(), "JSON specification file config.json not found") {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"process":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err = LoadSpec(dir); !errors.As(err, &e) || e.Code != "invalid-config" {
		t.Error(err)
	}
}
