//go:build linux

package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/rootless"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

const (
	startTime = time.Minute      // for a shim to come up
	askTime   = 20 * time.Second // for a shim that runs to answer
	killTime  = 10 * time.Second // for a killed container to be gone
)

// Stop asks the command to end with the image's stop signal, and kills the
// container after the timeout (10 s; below 0 never).
func (s *Service) Stop(ctx context.Context, id string, req wire.StopContainer) (wire.Container, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return wire.Container{}, err
	}
	sig := unix.SIGTERM
	if text := cmp.Or(req.Signal, c.record().StopSignal); text != "" {
		if sig, err = parseSignal(text); err != nil {
			return wire.Container{}, err
		}
	}
	timeout := 10
	if more := c.record().Settings.StopTimeout; more != nil {
		timeout = *more
	}
	if req.Timeout != nil {
		timeout = *req.Timeout
	}
	if err := s.willStop(c); err != nil {
		return wire.Container{}, err
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
		s.act(c, "stop")
		return c.view(), nil
	case <-s.ctx.Done():
		return c.view(), nil
	case <-late:
	}
	if _, _, err := s.signal(ctx, c, unix.SIGKILL, true); err != nil {
		return wire.Container{}, err
	}
	if err = s.awaitEnd(c, exited); err == nil {
		s.act(c, "stop")
	}
	return c.view(), err
}

// Restart is Stop, where the container is alive, and Start. Code:
// container-removes-itself, of one that is removed when it ends.
func (s *Service) Restart(ctx context.Context, id string, req wire.StopContainer) (wire.Container, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return wire.Container{}, err
	}
	if rec := c.record(); rec.alive() {
		if rec.Settings.AutoRemove {
			return wire.Container{}, stateError(rec, "container-removes-itself", "removes itself when it stops: it cannot be restarted")
		}
		if _, err := s.Stop(ctx, c.id, req); err != nil {
			return wire.Container{}, err
		}
	}
	view, err := s.Start(ctx, c.id)
	if err == nil {
		s.act(c, "restart")
	}
	return view, err
}

// Kill sends a signal to the command. SIGKILL goes to all processes, and Kill
// returns when they are gone.
func (s *Service) Kill(ctx context.Context, id string, req wire.KillContainer) (wire.Container, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return wire.Container{}, err
	}
	sig := unix.SIGKILL
	if req.Signal != "" {
		if sig, err = parseSignal(req.Signal); err != nil {
			return wire.Container{}, err
		}
	}
	rec := c.record()
	waiting := rec.State == wire.StateRestarting
	if ends(sig, rec.StopSignal) {
		if err := s.willStop(c); err != nil {
			return wire.Container{}, err
		}
	}
	sh, exited, err := s.signal(ctx, c, sig, sig == unix.SIGKILL)
	if err == nil && sh == nil && waiting {
		return c.view(), nil
	}
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

// willStop is stopped, with the container locked for it.
func (s *Service) willStop(c *container) error {
	c.op.Lock()
	defer c.op.Unlock()
	return s.stopped(c)
}

// signal sends sig to a container that is alive; it returns no shim for one
// that is not. A frozen process takes no signal, so a paused container is
// resumed; SIGKILL ends the pause by itself.
func (s *Service) signal(ctx context.Context, c *container, sig unix.Signal, all bool) (Shim, <-chan struct{}, error) {
	if rec := c.record(); rec.State == wire.StatePaused && sig != unix.SIGKILL {
		c.still.RLock() // it must not be thawed under who reads its layer
		defer c.still.RUnlock()
	}
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
	s.act(c, "kill", "signal", strconv.Itoa(int(sig))) // before the end that it causes
	began := s.o.Now()
	err := sh.Signal(ctx, "", sig, all)
	noteSignal(ctx, began, sig, all, err)
	if err == nil && state == wire.StatePaused && sig != unix.SIGKILL {
		err = s.resume(ctx, c, sh)
	}
	if errors.Is(err, shim.ErrGone) || codeOf(err) == shim.CodeNotRunning {
		return sh, exited, nil // it has ended by itself; monitor is about to notice
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
	c, err := s.find(ctx, id)
	if err != nil {
		return wire.Container{}, err
	}
	c.still.RLock()
	defer c.still.RUnlock()
	c.op.Lock()
	defer c.op.Unlock()
	rec, sh, err := c.mustRun()
	if err != nil {
		return wire.Container{}, err
	}
	if rec.State == wire.StatePaused {
		return wire.Container{}, stateError(rec, "container-paused", "is paused already")
	}
	if s.o.Rootless {
		return wire.Container{}, rootless.NoCgroup("pause")
	}
	began := s.o.Now()
	if err := sh.Pause(ctx); err != nil {
		return wire.Container{}, fmt.Errorf("pause container %s: %w", bundle.ShortID(rec.ID), err)
	}
	activity.Of(ctx).Did(began, "frozen")
	return s.switchState(c, wire.StateRunning, wire.StatePaused, wire.EventContainerPaused)
}

// Unpause thaws them.
func (s *Service) Unpause(ctx context.Context, id string) (wire.Container, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return wire.Container{}, err
	}
	c.still.RLock()
	defer c.still.RUnlock()
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
	activity.Of(ctx).Did(time.Time{}, "thawed")
	_, err := s.switchState(c, wire.StatePaused, wire.StateRunning, wire.EventContainerResumed)
	return err
}

// switchState records running ↔ paused, unless the container ended meanwhile.
func (s *Service) switchState(c *container, from, to, event string) (wire.Container, error) {
	switched := false
	view, err := s.change(c, func(r *record) error {
		if switched = r.State == from; switched {
			r.State = to
			if to == wire.StatePaused {
				r.unwatched()
			}
		}
		return nil
	})
	if err == nil && switched {
		s.tell(event, view.ID, view)
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
