//go:build linux

package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

const (
	startTime = time.Minute      // for a shim to come up
	askTime   = 20 * time.Second // for a shim that runs to answer
	killTime  = 10 * time.Second // for a killed container to be gone
)

// Start runs a container that was created or has ended; one that runs is left
// alone. A command that is absent or cannot be executed is an error, recorded
// with the container.
func (s *Service) Start(ctx context.Context, id string) (wire.Container, error) {
	c, err := s.find(id)
	if err != nil {
		return wire.Container{}, err
	}
	c.op.Lock()
	defer c.op.Unlock()
	if err := s.settle(c); err != nil {
		return wire.Container{}, err
	}
	rec := c.record()
	switch rec.State {
	case wire.StateRunning:
		return rec.view(), nil
	case wire.StatePaused:
		return wire.Container{}, stateError(rec, "container-paused", "is paused: resume it instead")
	}
	// A page that is closed meanwhile must not leave half a start.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTime)
	defer cancel()
	if _, err := s.change(c, func(r *record) error { r.Starting = true; return nil }); err != nil {
		return wire.Container{}, err
	}
	sh, pid, err := s.launch(ctx, rec)
	if err != nil {
		err = full(err)
		view, changeErr := s.change(c, func(r *record) error { r.fail(err, s.o.Now()); return nil })
		if changeErr == nil {
			s.tell(wire.EventContainerExited, rec.ID, view)
		}
		return wire.Container{}, fmt.Errorf("start container %s: %w", bundle.ShortID(rec.ID), err)
	}
	view, err := s.change(c, func(r *record) error { r.begin(pid, s.o.Now()); return nil })
	if err != nil {
		s.abandon(ctx, sh, rec.ID)
		return wire.Container{}, err
	}
	s.tell(wire.EventContainerStarted, rec.ID, view)
	s.adopt(c, sh)
	return view, nil
}

// launch brings up the shim and the command in it; on an error nothing is left
// of either.
func (s *Service) launch(ctx context.Context, rec record) (Shim, int, error) {
	image, release, err := s.o.Images.Hold(ctx, rec.Image.String())
	if err != nil {
		return nil, 0, err
	}
	defer release()
	dir := s.folder(rec.ID)
	// What an earlier run left would pass for this one's end.
	for _, name := range []string{"exit.json", "trace.json"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, 0, err
		}
	}
	o := shim.Options{
		ID: rec.ID, Bundle: dir, Socket: s.socket(rec.ID),
		Log: filepath.Join(dir, "log"), ExitFile: filepath.Join(dir, "exit.json"),
		Upper: filepath.Join(dir, "upper"), Work: filepath.Join(dir, "work"),
		Cgroup: cgroupOf(rec.ID), Cols: rec.Request.Cols, Rows: rec.Request.Rows,
	}
	for _, layer := range image.Dirs {
		o.Layers = append(o.Layers, snapshot.Layer{Dir: layer})
	}
	init := filepath.Join(dir, "init")
	if _, err := os.Lstat(init); err == nil {
		o.Layers = append(o.Layers, snapshot.Layer{Dir: init})
	}
	sh, err := s.o.Shims.Start(ctx, o)
	if err != nil {
		return nil, 0, err
	}
	if err := sh.Start(ctx); err != nil {
		s.abandon(ctx, sh, rec.ID)
		return nil, 0, err
	}
	state, err := sh.State(ctx)
	if err != nil {
		s.abandon(ctx, sh, rec.ID)
		return nil, 0, err
	}
	s.keepTrace(ctx, sh, rec.ID)
	return sh, state.Pid, nil
}

// abandon ends a container whose start went wrong half way, and its shim.
func (s *Service) abandon(ctx context.Context, sh Shim, id string) {
	_ = sh.Signal(ctx, "", unix.SIGKILL, true) // may have ended already
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	if _, err := sh.Wait(ctx, ""); err == nil {
		_ = sh.AckExit(ctx)
	}
	if err := s.o.Shims.Clean(cgroupOf(id)); err != nil {
		s.o.Log.Error("cgroup left behind", "container", id, "err", err)
	}
}

// Stop asks the command to end with the image's stop signal, and kills the
// container after the timeout (10 s; below 0 never).
func (s *Service) Stop(ctx context.Context, id string, req wire.StopContainer) (wire.Container, error) {
	c, err := s.find(id)
	if err != nil {
		return wire.Container{}, err
	}
	sig := unix.SIGTERM
	if text := c.record().StopSignal; text != "" {
		if sig, err = parseSignal(text); err != nil {
			return wire.Container{}, err
		}
	}
	timeout := 10
	if req.Timeout != nil {
		timeout = *req.Timeout
	}
	sh, exited, err := s.signal(ctx, c, sig, false)
	if err != nil || sh == nil {
		return c.view(), err
	}
	var late <-chan time.Time
	if timeout >= 0 {
		timer := time.NewTimer(time.Duration(timeout) * time.Second)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-exited:
		return c.view(), nil
	case <-s.ctx.Done():
		return c.view(), nil
	case <-late:
	}
	if _, _, err := s.signal(ctx, c, unix.SIGKILL, true); err != nil {
		return wire.Container{}, err
	}
	err = s.awaitEnd(c, exited)
	return c.view(), err
}

// Kill sends a signal to the command. SIGKILL goes to all processes, and Kill
// returns when they are gone.
func (s *Service) Kill(ctx context.Context, id string, req wire.KillContainer) (wire.Container, error) {
	c, err := s.find(id)
	if err != nil {
		return wire.Container{}, err
	}
	sig := unix.SIGKILL
	if req.Signal != "" {
		if sig, err = parseSignal(req.Signal); err != nil {
			return wire.Container{}, err
		}
	}
	sh, exited, err := s.signal(ctx, c, sig, sig == unix.SIGKILL)
	if err != nil {
		return wire.Container{}, err
	}
	if sh == nil {
		return wire.Container{}, stateError(c.record(), "container-not-running", "is not running")
	}
	if sig == unix.SIGKILL {
		err = s.awaitEnd(c, exited)
	}
	return c.view(), err
}

// signal sends sig to a container that is alive; it returns no shim for one
// that is not. A frozen process takes no signal, so a paused container is
// resumed; SIGKILL ends the pause by itself.
func (s *Service) signal(ctx context.Context, c *container, sig unix.Signal, all bool) (Shim, <-chan struct{}, error) {
	c.op.Lock()
	defer c.op.Unlock()
	c.mu.Lock()
	sh, exited, state, id := c.shim, c.exited, c.rec.State, c.rec.ID
	c.mu.Unlock()
	if sh == nil {
		return nil, nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	err := sh.Signal(ctx, "", sig, all)
	if err == nil && state == wire.StatePaused && sig != unix.SIGKILL {
		err = s.resume(ctx, c, sh)
	}
	if err != nil {
		select {
		case <-exited: // it ended by itself meanwhile
			return sh, exited, nil
		default:
		}
		return nil, nil, fmt.Errorf("signal %d to container %s: %w", sig, bundle.ShortID(id), err)
	}
	return sh, exited, nil
}

// settle waits until the shim of a container that has ended is gone: its
// socket and cgroup have the names that the next one's will have.
func (s *Service) settle(c *container) error {
	c.mu.Lock()
	sh, exited := c.shim, c.exited
	c.mu.Unlock()
	if sh != nil || exited == nil {
		return nil
	}
	return s.awaitEnd(c, exited)
}

func (s *Service) awaitEnd(c *container, exited <-chan struct{}) error {
	timer := time.NewTimer(killTime)
	defer timer.Stop()
	select {
	case <-exited:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	case <-timer.C:
		return imagecore.NewError(imagecore.ErrHost, "kill-timeout",
			"container "+bundle.ShortID(c.record().ID)+": killed 10 s ago and still there: a process may hang in the kernel", "container", c.record().ID)
	}
}

// Pause freezes all processes.
func (s *Service) Pause(ctx context.Context, id string) (wire.Container, error) {
	c, err := s.find(id)
	if err != nil {
		return wire.Container{}, err
	}
	c.op.Lock()
	defer c.op.Unlock()
	rec, sh, err := c.mustRun()
	if err != nil {
		return wire.Container{}, err
	}
	if rec.State == wire.StatePaused {
		return wire.Container{}, stateError(rec, "container-paused", "is paused already")
	}
	if err := sh.Pause(ctx); err != nil {
		return wire.Container{}, fmt.Errorf("pause container %s: %w", bundle.ShortID(rec.ID), err)
	}
	return s.switchState(c, wire.StateRunning, wire.StatePaused, wire.EventContainerPaused)
}

// Unpause thaws them.
func (s *Service) Unpause(ctx context.Context, id string) (wire.Container, error) {
	c, err := s.find(id)
	if err != nil {
		return wire.Container{}, err
	}
	c.op.Lock()
	defer c.op.Unlock()
	rec, sh, err := c.mustRun()
	if err != nil {
		return wire.Container{}, err
	}
	if rec.State != wire.StatePaused {
		return wire.Container{}, stateError(rec, "container-not-paused", "is not paused")
	}
	if err := s.resume(ctx, c, sh); err != nil {
		return wire.Container{}, err
	}
	return c.view(), nil
}

func (s *Service) resume(ctx context.Context, c *container, sh Shim) error {
	if err := sh.Resume(ctx); err != nil {
		return fmt.Errorf("resume container %s: %w", bundle.ShortID(c.record().ID), err)
	}
	_, err := s.switchState(c, wire.StatePaused, wire.StateRunning, wire.EventContainerResumed)
	return err
}

// switchState records running ↔ paused, unless the container ended meanwhile.
func (s *Service) switchState(c *container, from, to, event string) (wire.Container, error) {
	switched := false
	view, err := s.change(c, func(r *record) error {
		if switched = r.State == from; switched {
			r.State = to
		}
		return nil
	})
	if err == nil && switched {
		s.tell(event, view.ID, view)
	}
	return view, err
}

// Delete removes a container that does not run, its layer included.
func (s *Service) Delete(_ context.Context, id string) error {
	c, err := s.find(id)
	if err != nil {
		return err
	}
	c.op.Lock()
	defer c.op.Unlock()
	if err := s.settle(c); err != nil {
		return err
	}
	c.mu.Lock()
	rec, removed := c.rec, c.removed
	if removed {
		c.mu.Unlock()
		return notFound(id)
	}
	if rec.alive() {
		c.mu.Unlock()
		return stateError(rec, "container-running", "runs: stop it first")
	}
	if err := s.table.delete(rec.ID); err != nil {
		c.mu.Unlock()
		return fmt.Errorf("forget container %s: %w", bundle.ShortID(rec.ID), err)
	}
	c.removed = true
	execs := c.execs
	c.mu.Unlock()

	s.mu.Lock()
	delete(s.containers, rec.ID)
	delete(s.names, rec.Name)
	for _, e := range execs {
		delete(s.execs, e)
	}
	s.mu.Unlock()
	s.tell(wire.EventContainerDeleted, rec.ID, nil)
	if err := s.discard(rec.ID); err != nil {
		return fmt.Errorf("remove container %s: %w", bundle.ShortID(rec.ID), err)
	}
	return nil
}

// discard deletes a container's folder by way of trash/, so that what a crash
// leaves there is known to be rubbish.
func (s *Service) discard(id string) error {
	trash := filepath.Join(s.o.Data, "trash", "container-"+id)
	err := os.Rename(s.folder(id), trash)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return snapshot.Remove(trash)
}

// Rename gives a container another name. Codes: bad-name, name-taken.
func (s *Service) Rename(_ context.Context, id, name string) (wire.Container, error) {
	c, err := s.find(id)
	if err != nil {
		return wire.Container{}, err
	}
	c.op.Lock()
	defer c.op.Unlock()
	old := c.record()
	if name == "" {
		return wire.Container{}, badName(name)
	}
	probe := record{ID: old.ID, Request: wire.CreateContainer{Name: name}}
	if err := s.takeName(&probe); err != nil {
		return wire.Container{}, err
	}
	view, err := s.change(c, func(r *record) error { r.Name = name; return nil })
	s.mu.Lock()
	if err != nil {
		delete(s.names, name)
	} else {
		delete(s.names, old.Name)
	}
	s.mu.Unlock()
	if err == nil {
		s.tell(wire.EventContainerRenamed, view.ID, view)
	}
	return view, err
}

// mustRun returns the record and shim of a container that is alive.
func (c *container) mustRun() (record, Shim, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shim == nil {
		return c.rec, nil, stateError(c.rec, "container-not-running", "is not running")
	}
	return c.rec, c.shim, nil
}

func stateError(r record, code, what string) error {
	return imagecore.NewError(imagecore.ErrConflict, code,
		fmt.Sprintf("container %s (%s) %s", bundle.ShortID(r.ID), r.Name, what), "container", r.Name, "id", r.ID, "state", r.State)
}
