//go:build linux

package engine_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

const shell = `{"config":{"Cmd":["/bin/sh"],"StopSignal":"SIGTERM"}}`

func TestLifeOfAContainer(t *testing.T) {
	l := newLab(t, shell)
	c := l.create()
	if c.State != wire.StateCreated || len(c.ID) != 64 || !cmp.Equal(c.Command, []string{"/bin/sh"}) || c.ExitCode != nil {
		t.Fatalf("created %+v", c)
	}
	if n := l.ImageUsers(imageID); n != 1 {
		t.Errorf("the image has %d users, want 1", n)
	}
	for _, id := range []string{c.ID, c.ID[:12], c.Name} {
		if got, err := l.Get(t.Context(), id); err != nil || got.ID != c.ID {
			t.Errorf("Get(%q): %+v, %v", id, got, err)
		}
	}
	started, err := l.Start(t.Context(), c.Name)
	if err != nil || started.State != wire.StateRunning || started.Pid != 4242 || started.StartedAt == nil {
		t.Fatalf("started %+v, %v", started, err)
	}
	if _, err := l.Start(t.Context(), c.ID); err != nil {
		t.Errorf("start of a running container: %v", err)
	}
	wantCode(t, l.Delete(t.Context(), c.ID), "container-running")
	if _, err := l.Pause(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	l.wantState(c.ID, wire.StatePaused)
	_, err = l.Pause(t.Context(), c.ID)
	wantCode(t, err, "container-paused")
	_, err = l.Start(t.Context(), c.ID)
	wantCode(t, err, "container-paused")
	_, err = l.Exec(t.Context(), c.ID, wire.ExecContainer{Command: []string{"x"}})
	wantCode(t, err, "container-paused")
	if _, err := l.Unpause(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	_, err = l.Unpause(t.Context(), c.ID)
	wantCode(t, err, "container-not-paused")

	if _, err := l.Stop(t.Context(), c.ID, wire.StopContainer{Signal: "SIGNONSENSE"}); err == nil {
		t.Error("a signal that is none is sent")
	}
	stopped, err := l.Stop(t.Context(), c.ID, wire.StopContainer{})
	if err != nil || stopped.State != wire.StateExited || *stopped.ExitCode != 143 || stopped.Pid != 0 {
		t.Fatalf("stopped %+v, %v", stopped, err)
	}
	if _, err := l.Stop(t.Context(), c.ID, wire.StopContainer{}); err != nil {
		t.Errorf("stop of a stopped container: %v", err)
	}
	_, err = l.Kill(t.Context(), c.ID, wire.KillContainer{})
	wantCode(t, err, "container-not-running")
	if l.shims.count() != 0 {
		t.Error("the shim was not told that its exit is recorded")
	}
	if _, err := l.Start(t.Context(), c.ID); err != nil {
		t.Fatalf("second start: %v", err)
	}
	if _, err := l.Kill(t.Context(), c.ID, wire.KillContainer{}); err != nil {
		t.Fatal(err)
	}
	if c := l.wantState(c.ID, wire.StateExited); *c.ExitCode != 137 {
		t.Errorf("exit code %d after SIGKILL", *c.ExitCode)
	}
	if err := l.Delete(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	_, err = l.Get(t.Context(), c.ID)
	wantCode(t, err, "container-not-found")
	for _, dir := range []string{"containers", "trash", "run"} {
		left, err := os.ReadDir(filepath.Join(l.o.Data, dir))
		if err != nil || len(left) != 0 {
			t.Errorf("%s holds %v (%v)", dir, left, err)
		}
	}
	want := []string{
		"container.created", "container.started", "container.paused", "container.resumed",
		"container.exited", "container.started", "container.exited", "container.deleted",
	}
	if diff := cmp.Diff(want, l.bus.told()); diff != "" {
		t.Errorf("events -want +got:\n%s", diff)
	}
}

func TestStopKillsWhoDoesNotListen(t *testing.T) {
	for asked, first := range map[string]unix.Signal{"": unix.SIGUSR1, "INT": unix.SIGINT} {
		l := newLab(t, `{"config":{"Cmd":["x"],"StopSignal":"USR1"}}`)
		c := l.run()
		sh := l.shims.one(t)
		stopped, err := l.Stop(t.Context(), c.ID, wire.StopContainer{Timeout: new(0), Signal: asked})
		if err != nil || *stopped.ExitCode != 137 {
			t.Fatalf("stopped %+v, %v", stopped, err)
		}
		if !cmp.Equal(sh.signals, []unix.Signal{first, unix.SIGKILL}) {
			t.Errorf("signals %v", sh.signals)
		}
	}
}

func TestStopOfAPausedContainer(t *testing.T) {
	l := newLab(t, shell)
	c := l.run()
	if _, err := l.Pause(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	l.shims.one(t).stubborn = true
	zero := 0
	if _, err := l.Stop(t.Context(), c.ID, wire.StopContainer{Timeout: &zero}); err != nil {
		t.Fatal(err)
	}
	l.wantState(c.ID, wire.StateExited)
}

func TestContainersOutliveTheServer(t *testing.T) {
	l := newLab(t, shell)
	c := l.run()
	exec, err := l.shims.one(t).Exec(t.Context(), nil, execOptions("e1"))
	if err != nil {
		t.Fatal(err)
	}
	l.restart()
	l.wantState(c.ID, wire.StateRunning)
	if err := l.Resize(t.Context(), exec, 80, 24); err != nil {
		t.Errorf("an exec of before the restart: %v", err)
	}
	if _, err := l.Stop(t.Context(), c.ID, wire.StopContainer{}); err != nil {
		t.Fatal(err)
	}
	l.wantState(c.ID, wire.StateExited)
	l.restart()
	if c := l.wantState(c.ID, wire.StateExited); *c.ExitCode != 143 {
		t.Errorf("exit code %d after two restarts", *c.ExitCode)
	}
}

func TestRecoveryFindsWhatEndedMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*fakeShim)
		code      int
	}{
		"shim waits for the acknowledgement": {func(s *fakeShim) { s.end(42, 0) }, 42},
		"shim gone, exit.json there":         {func(s *fakeShim) { s.end(41, 0); s.kill() }, 41},
		"both killed":                        {func(s *fakeShim) { s.kill() }, 137},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, shell)
			id := l.run().ID
			sh := l.shims.one(t)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			c.meanwhile(sh)
			l.start()
			if got := l.wantState(id, wire.StateExited); *got.ExitCode != c.code || got.FinishedAt == nil {
				t.Errorf("container %+v, want exit code %d", got, c.code)
			}
			if l.shims.count() != 0 {
				t.Error("the shim is still there")
			}
			if !slices.Contains(l.shims.cleaned, "/layerlab/"+id) {
				t.Error("the cgroup was not cleaned")
			}
			if err := l.Delete(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestShimThatIsKilledIsNoticedAtOnce(t *testing.T) {
	l := newLab(t, shell)
	c := l.run()
	s := l.shims.one(t)
	if err := os.WriteFile(s.o.Socket, nil, 0o600); err != nil { // a killed process leaves its socket
		t.Fatal(err)
	}
	s.kill()
	if code := l.wait(c.ID); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
	l.wantState(c.ID, wire.StateExited)
	if _, err := os.Lstat(s.o.Socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestAShimThatDiesWhileItStartsIsCleanedUpAfter(t *testing.T) {
	l := newLab(t, shell)
	c := l.create()
	l.shims.refuse = errors.New("it broke off")
	if _, err := l.Start(t.Context(), c.ID); err == nil {
		t.Fatal("it started")
	}
	l.wantState(c.ID, wire.StateExited)
	if want := []string{"/layerlab/" + c.ID}; !slices.Equal(l.shims.cleaned, want) {
		t.Errorf("cleaned %q, want %q", l.shims.cleaned, want)
	}
}

func TestStartThatFailsIsRecorded(t *testing.T) {
	l := newLab(t, shell)
	c := l.create()
	l.shims.refuse = imagecore.NewError(imagecore.ErrInvalid, "command-not-found", "/bin/sh: not found", "command", "/bin/sh")
	_, err := l.Start(t.Context(), c.ID)
	wantCode(t, err, "command-not-found")
	got := l.wantState(c.ID, wire.StateExited)
	if *got.ExitCode != 127 || got.Error == nil || got.Error.Code != "command-not-found" || got.Error.Args["command"] != "/bin/sh" {
		t.Errorf("container %+v", got)
	}
	l.restart()
	l.shims.refuse = nil
	started, err := l.Start(t.Context(), c.ID)
	if err != nil || started.Error != nil || started.ExitCode != nil {
		t.Errorf("start after the failure: %+v, %v", started, err)
	}
}

func TestNamesAndRangesAreOnesOwn(t *testing.T) {
	l := newLab(t, shell)
	seen := map[uint32]bool{}
	for _, name := range []string{"web", "", ""} {
		c, err := l.Create(t.Context(), wire.CreateContainer{Image: "lab:1", Name: name})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(l.o.Data, "containers", c.ID, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		var spec specs.Spec
		if err := json.Unmarshal(raw, &spec); err != nil {
			t.Fatal(err)
		}
		base := spec.Linux.UIDMappings[0].HostID
		if seen[base] || base == 0 {
			t.Errorf("range from %d is used twice", base)
		}
		seen[base] = true
		l.restart() // the ranges in use must be known after it
	}
	_, err := l.Create(t.Context(), wire.CreateContainer{Image: "lab:1", Name: "web"})
	wantCode(t, err, "name-taken")
	_, err = l.Create(t.Context(), wire.CreateContainer{Image: "lab:1", Name: "a/b"})
	wantCode(t, err, "bad-name")
	_, err = l.Create(t.Context(), wire.CreateContainer{Image: "lab:2"})
	wantCode(t, err, "image-not-found")
	if _, err := l.Rename(t.Context(), "web", "shop"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Create(t.Context(), wire.CreateContainer{Image: "lab:1", Name: "web"}); err != nil {
		t.Errorf("the old name is not free: %v", err)
	}
	_, err = l.Rename(t.Context(), "web", "shop")
	wantCode(t, err, "name-taken")
	list, err := l.List(t.Context())
	if err != nil || len(list) != 4 {
		t.Errorf("%d containers, want 4 (%v)", len(list), err)
	}
}

func TestCreateThatFailsLeavesNothing(t *testing.T) {
	l := newLab(t, `{"config":{}}`)
	_, err := l.Create(t.Context(), wire.CreateContainer{Image: "lab:1", Name: "xy"})
	wantCode(t, err, "no-command")
	_, err = l.Create(t.Context(), wire.CreateContainer{Image: "lab:1", Name: "xy", Command: []string{"a"}, User: "eve"})
	wantCode(t, err, "user-not-found")
	left, err := os.ReadDir(filepath.Join(l.o.Data, "containers"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
	if _, err := l.Create(t.Context(), wire.CreateContainer{Image: "lab:1", Name: "xy", Command: []string{"a"}}); err != nil {
		t.Errorf("the name is not free again: %v", err)
	}
}

func TestSweepRemovesFoldersWithoutRecord(t *testing.T) {
	l := newLab(t, shell)
	c := l.create()
	stray := filepath.Join(l.o.Data, "containers", "stray")
	rubbish := filepath.Join(l.o.Data, "trash", "container-x")
	foreign := filepath.Join(l.o.Data, "trash", "layer-x") // the store's business
	for _, dir := range []string{stray, rubbish, foreign} {
		if err := os.MkdirAll(filepath.Join(dir, "upper"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l.restart()
	for _, dir := range []string{stray, rubbish} {
		if _, err := os.Lstat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is still there (%v)", dir, err)
		}
	}
	if _, err := os.Lstat(foreign); err != nil {
		t.Error(err)
	}
	l.wantState(c.ID, wire.StateCreated)
}

func TestPrefixOfSeveralIsRefused(t *testing.T) {
	l := newLab(t, shell)
	for range 17 { // two of 17 ids begin with the same digit
		l.create()
	}
	list, err := l.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	count := map[byte]int{}
	for _, c := range list {
		count[c.ID[0]]++
	}
	for digit, n := range count {
		_, err := l.Get(t.Context(), string(digit))
		if n > 1 {
			wantCode(t, err, "container-ambiguous")
		} else if err != nil {
			t.Errorf("the only id that begins with %c: %v", digit, err)
		}
	}
	_, err = l.Get(t.Context(), "")
	wantCode(t, err, "container-not-found")
}

// TestInitLayerHoldsWhatMountsNeed keeps the upper free of paths that only the
// mounts need.
func TestInitLayerHoldsWhatMountsNeed(t *testing.T) {
	l := newLab(t, shell)
	init := filepath.Join(l.o.Data, "containers", l.create().ID, "init")
	for _, path := range []string{"proc", "dev", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf"} {
		if _, err := os.Lstat(filepath.Join(init, path)); err != nil {
			t.Error(err)
		}
	}
}
