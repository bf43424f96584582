//go:build linux

package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/engine/inside"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Exec starts a further process in a running container; its id names a
// terminal. Users and groups are looked up in the files that the container has
// now.
func (s *Service) Exec(ctx context.Context, id string, req wire.ExecContainer) (wire.Exec, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return wire.Exec{}, err
	}
	e := &execution{c: c, info: Further{ID: newID(), Container: c.id, Request: req, Started: true}}
	sh, err := s.enter(ctx, c, req, shim.ExecOptions{ID: e.info.ID, Cols: req.Cols, Rows: req.Rows})
	if err != nil {
		return wire.Exec{}, err
	}
	s.remember(e)
	s.work.Go(func() { s.watchExec(e, sh) })
	return wire.Exec{ID: e.info.ID}, nil
}

// enter runs a further process in a container.
func (s *Service) enter(ctx context.Context, c *container, req wire.ExecContainer, o shim.ExecOptions) (Shim, error) {
	c.still.RLock()
	defer c.still.RUnlock()
	c.op.Lock()
	defer c.op.Unlock()
	rec, sh, err := c.mustRun()
	if err != nil {
		return nil, err
	}
	if rec.State == wire.StatePaused {
		return nil, stateError(rec, "container-paused", "is paused: resume it first")
	}
	spec, err := s.readSpec(c.id)
	if err != nil {
		return nil, err
	}
	root, err := inside.OpenRoot(rec.Pid)
	if err != nil {
		return nil, stateError(rec, "container-not-running", "is not running")
	}
	defer root.Close()
	p, err := bundle.Process(spec, bundle.Exec{
		Command: req.Command, Env: req.Env, WorkingDir: req.WorkingDir, User: req.User,
		TTY: req.TTY, Cols: req.Cols, Rows: req.Rows,
	}, root)
	if err != nil {
		return nil, err
	}
	began := s.o.Now()
	if _, err := sh.Exec(ctx, p, o); err != nil {
		return nil, fmt.Errorf("exec in container %s: %w", bundle.ShortID(c.id), err)
	}
	activity.Of(ctx).Did(began, "entered")
	return sh, nil
}

// Wait returns a container's exit code once it has ended.
func (s *Service) Wait(ctx context.Context, id string) (int, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	exited := c.exited
	c.mu.Unlock()
	if exited != nil {
		select {
		case <-exited:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	rec := c.record()
	if rec.ExitCode == nil {
		return 0, stateError(rec, "container-not-started", "was not started yet")
	}
	return *rec.ExitCode, nil
}

// Attach opens a stream of what a container's command, or an exec, writes; id
// is the container's or the exec's. For a container that has ended it is the
// end of its log, for one that was never started an error.
func (s *Service) Attach(ctx context.Context, id string) (Stream, error) {
	s.mu.Lock()
	c, process := s.execs[id], id
	s.mu.Unlock()
	if c == nil {
		process = ""
		var err error
		if c, err = s.find(ctx, id); err != nil {
			return nil, err
		}
	}
	rec, sh, err := c.mustRun()
	if err == nil {
		var stream Stream
		if stream, err = sh.Attach(ctx, process); err == nil {
			return stream, nil
		}
		if rec = c.record(); rec.alive() {
			return nil, fmt.Errorf("attach to container %s: %w", bundle.ShortID(c.id), err)
		}
	}
	switch {
	case process != "":
		return nil, imagecore.NewError(imagecore.ErrNotFound, "exec-ended", "exec "+bundle.ShortID(id)+" has ended with its container", "exec", id)
	case rec.FinishedAt == nil:
		return nil, stateError(rec, "container-not-started", "was not started yet")
	}
	return s.replay(rec)
}

// longestStart is how long the size of an exec's terminal waits for its start:
// clients send both at once. dockerd waits as long.
const longestStart = 10 * time.Second

// Resize sets the size of a container's terminal, or of an exec's once it runs.
func (s *Service) Resize(ctx context.Context, id string, cols, rows uint16) error {
	s.mu.Lock()
	c, process, e := s.execs[id], id, s.further[id]
	s.mu.Unlock()
	if e != nil && e.begun != nil {
		late := time.NewTimer(longestStart)
		defer late.Stop()
		select {
		case <-e.begun:
		case <-late.C: // the shim says that it is not there
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if c == nil {
		process = ""
		var err error
		if c, err = s.find(ctx, id); err != nil {
			return err
		}
	}
	_, sh, err := c.mustRun()
	if err != nil {
		return err
	}
	return sh.Resize(ctx, process, cols, rows)
}
