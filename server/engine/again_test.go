//go:build linux

package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/caller"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// runWith starts a container with a restart policy.
func (l *lab) runWith(policy string, max int) wire.Container {
	l.t.Helper()
	c, err := l.Create(l.t.Context(), wire.CreateContainer{Image: "lab:1", Restart: &wire.Restart{Name: policy, Max: max}})
	if err != nil {
		l.t.Fatal(err)
	}
	if c, err = l.Start(l.t.Context(), c.ID); err != nil {
		l.t.Fatal(err)
	}
	return c
}

// becomes waits until a container is what is wanted of it.
func (l *lab) becomes(id, what string, is func(wire.Container) bool) wire.Container {
	l.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		changed, err := l.Changed(id)
		if err != nil {
			l.t.Fatal(err)
		}
		c, err := l.Get(l.t.Context(), id)
		if err != nil {
			l.t.Fatal(err)
		}
		if is(c) {
			return c
		}
		select {
		case <-changed:
		case <-time.After(time.Until(deadline)):
			l.t.Fatalf("never %s: %+v", what, c)
		}
	}
}

func TestOnFailureRestartsAsOftenAsItMay(t *testing.T) {
	l := newLab(t, `{"config":{"Cmd":["/x"]}}`)
	c := l.runWith(wire.RestartOnFailure, 2)
	for n := range 3 {
		l.becomes(c.ID, "running again", func(c wire.Container) bool { return c.State == wire.StateRunning && c.RestartCount == n })
		l.shims.one(t).end(3, 0)
	}
	got := l.becomes(c.ID, "exited", func(c wire.Container) bool { return c.State == wire.StateExited })
	if got.RestartCount != 2 || *got.ExitCode != 3 {
		t.Errorf("%+v", got)
	}
	// Started by hand it counts anew; a good end is no failure.
	if _, err := l.Start(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	l.shims.one(t).end(0, 0)
	if got := l.becomes(c.ID, "exited", func(c wire.Container) bool { return c.State == wire.StateExited }); got.RestartCount != 0 || *got.ExitCode != 0 {
		t.Errorf("%+v", got)
	}
}

func TestWhoWasStoppedIsNotRestartedUntilTheServerIs(t *testing.T) {
	l := newLab(t, `{"config":{"Cmd":["/x"]}}`)
	always, unless := l.runWith(wire.RestartAlways, 0), l.runWith(wire.RestartUnlessStopped, 0)
	crashed := l.runWith(wire.RestartUnlessStopped, 0)
	for _, c := range []wire.Container{always, unless} {
		if _, err := l.Stop(t.Context(), c.ID, wire.StopContainer{}); err != nil {
			t.Fatal(err)
		}
		l.wantState(c.ID, wire.StateExited)
	}
	// One that waits for its restart can be stopped, and removed after.
	l.shims.one(t).end(1, 0)
	l.becomes(crashed.ID, "restarting", func(c wire.Container) bool { return c.State == wire.StateRestarting })
	wantCode(t, l.Delete(t.Context(), crashed.ID), "container-running")
	l.restart()
	l.becomes(always.ID, "running", func(c wire.Container) bool { return c.State == wire.StateRunning })
	l.becomes(crashed.ID, "running", func(c wire.Container) bool { return c.State == wire.StateRunning })
	l.wantState(unless.ID, wire.StateExited)
	for _, c := range []wire.Container{always, crashed} {
		if _, err := l.Kill(t.Context(), c.ID, wire.KillContainer{}); err != nil {
			t.Fatal(err)
		}
		l.wantState(c.ID, wire.StateExited)
		if err := l.Delete(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingOutlivesTheHost(t *testing.T) {
	l := newLab(t, `{"config":{"Cmd":["/x"]}}`)
	c, always := l.run(), l.runWith(wire.RestartAlways, 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// The records are of another boot, and at the sockets' names strangers answer.
	err := l.o.Bucket.Update(func(b *bolt.Bucket) error {
		for _, id := range []string{c.ID, always.ID} {
			var r map[string]any
			if err := json.Unmarshal(b.Get([]byte(id)), &r); err != nil {
				return err
			}
			r["Boot"] = "before"
			value, err := json.Marshal(r)
			if err != nil {
				return err
			}
			if err := b.Put([]byte(id), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	l.start()
	if got := l.wantState(c.ID, wire.StateExited); *got.ExitCode != 137 {
		t.Errorf("exit code %d", *got.ExitCode)
	}
	if got := l.becomes(always.ID, "running", func(c wire.Container) bool { return c.State == wire.StateRunning }); got.RestartCount != 1 {
		t.Errorf("%+v", got)
	}
}

// slowImages hold a commit up until they are let go.
type slowImages struct {
	fakeImages
	begun, goOn chan struct{}
}

func (s slowImages) Commit(ctx context.Context, c engine.Commit) (wire.Image, error) {
	close(s.begun)
	<-s.goOn
	return s.fakeImages.Commit(ctx, c)
}

func TestAStopDoesNotWaitForACommit(t *testing.T) {
	l := newLab(t, `{"config":{"Cmd":["/x"]}}`)
	c := l.run()
	slow := slowImages{fakeImages{`{"config":{"Cmd":["/x"]}}`}, make(chan struct{}), make(chan struct{})}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.o.Images = slow
	l.start()
	committed := make(chan error, 1)
	go func() {
		_, err := l.Commit(t.Context(), c.ID, wire.CommitContainer{})
		committed <- err
	}()
	<-slow.begun
	if _, err := l.Stop(t.Context(), c.ID, wire.StopContainer{Timeout: new(0)}); err != nil {
		t.Fatal(err)
	}
	l.wantState(c.ID, wire.StateExited)
	// What would change or take the layer waits.
	removed := make(chan error, 1)
	go func() { removed <- l.Delete(t.Context(), c.ID) }()
	close(slow.goOn)
	if err := <-committed; err != nil {
		t.Error(err)
	}
	if err := <-removed; err != nil {
		t.Error(err)
	}
	_, err := l.Commit(t.Context(), c.ID, wire.CommitContainer{})
	wantCode(t, err, "container-not-found")
}

func TestOnlyTheLastProcessesThatDoNotRunAreRemembered(t *testing.T) {
	l := newLab(t, `{"config":{"Cmd":["/x"]}}`)
	c := l.run()
	var first, last engine.Further
	for i := range 100 {
		f, err := l.PrepareExec(t.Context(), c.ID, wire.ExecContainer{Command: []string{"/x"}}, false, "")
		if err != nil {
			t.Fatal(err)
		}
		if last = f; i == 0 {
			first = f
		}
	}
	if _, err := l.InspectExec(t.Context(), last.ID); err != nil {
		t.Error(err)
	}
	_, err := l.InspectExec(t.Context(), first.ID)
	wantCode(t, err, "exec-not-found")
	if _, err := l.PrepareExec(t.Context(), c.ID, wire.ExecContainer{}, false, ""); err == nil {
		t.Error("an exec without a command is taken")
	}
}

// TestTheSizeOfATerminalWaitsForItsExec: clients send it while they start the
// exec, and perhaps sooner.
func TestTheSizeOfATerminalWaitsForItsExec(t *testing.T) {
	l := newLab(t, `{"config":{"Cmd":["/x"]}}`)
	c := l.run()
	f, err := l.PrepareExec(t.Context(), c.ID, wire.ExecContainer{Command: []string{"/x"}, TTY: true}, true, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Resize(ctx, f.ID, 100, 30); !errors.Is(err, context.Canceled) {
		t.Errorf("it does not wait: %v", err)
	}
	// It may fail to start: the fake's process is none of this host's.
	sized := make(chan error)
	go func() { sized <- l.Resize(t.Context(), f.ID, 100, 30) }()
	if _, err := l.StartExec(t.Context(), f.ID, 0, 0); err == nil {
		t.Error("it started")
	}
	if err := <-sized; err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("of one that failed to start: %v", err)
	}
}

func TestContainersAndVolumesOfOthersAreNotThere(t *testing.T) {
	l := newLab(t, `{"config":{"Cmd":["/x"]}}`)
	c := l.run()
	if _, err := l.CreateVolume(t.Context(), wire.CreateVolume{Name: "mine"}); err != nil {
		t.Fatal(err)
	}
	other := caller.With(t.Context(), caller.Caller{Owner: "somebody"})
	for what, call := range map[string]func() error{
		"get":     func() error { _, err := l.Get(other, c.ID); return err },
		"by name": func() error { _, err := l.Get(other, c.Name); return err },
		"kill":    func() error { _, err := l.Kill(other, c.ID, wire.KillContainer{}); return err },
		"exec":    func() error { _, err := l.Exec(other, c.ID, wire.ExecContainer{Command: []string{"x"}}); return err },
		"delete":  func() error { return l.Delete(other, c.ID) },
		"changes": func() error { _, err := l.Changes(other, c.ID); return err },
		"log":     func() error { _, err := l.LogPath(other, c.ID); return err },
		"wait":    func() error { _, err := l.Await(other, c.ID, engine.Removed); return err },
	} {
		if e, ok := errors.AsType[*imagecore.Error](call()); !ok || e.Code != "container-not-found" {
			t.Errorf("%s of another's container: %v", what, e)
		}
	}
	wantCode(t, l.DeleteVolume(other, "mine"), "volume-not-found")
	if list, err := l.List(other); err != nil || len(list) != 0 {
		t.Errorf("another sees %v (%v)", list, err)
	}
	if list, err := l.Volumes(other); err != nil || len(list) != 0 {
		t.Errorf("another sees %v (%v)", list, err)
	}
}

func TestRestartIsAnEndAndAStart(t *testing.T) {
	l := newLab(t, `{"config":{"Cmd":["/x"]}}`)
	c := l.run()
	first := c.StartedAt
	c, err := l.Restart(t.Context(), c.ID, wire.StopContainer{})
	if err != nil || c.State != wire.StateRunning || !c.StartedAt.After(*first) {
		t.Fatalf("%+v, %v", c, err)
	}
	// One that has ended is started.
	if _, err := l.Stop(t.Context(), c.ID, wire.StopContainer{}); err != nil {
		t.Fatal(err)
	}
	if c, err = l.Restart(t.Context(), c.ID, wire.StopContainer{}); err != nil || c.State != wire.StateRunning {
		t.Fatalf("%+v, %v", c, err)
	}
	// One that goes when it ends would be gone.
	c, err = l.CreateWith(t.Context(), wire.CreateContainer{Image: "lab:1"}, engine.Settings{AutoRemove: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Start(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	_, err = l.Restart(t.Context(), c.ID, wire.StopContainer{})
	wantCode(t, err, "container-removes-itself")
	l.wantState(c.ID, wire.StateRunning)
}
