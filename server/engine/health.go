//go:build linux

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/health"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// setCheck notes what is probed in a new container: the image's check under what
// its creator asked for. config is the image's. What an image has there that
// cannot be run is left alone, as Docker does.
func (r *record) setCheck(config []byte) error {
	if err := r.Settings.Health.Valid(); err != nil {
		return err
	}
	var image struct {
		Config struct { // fields that image-spec does not know
			Healthcheck *health.Check
			Shell       []string
		} `json:"config"`
	}
	if err := json.Unmarshal(config, &image); err != nil {
		return fmt.Errorf("config of image %s: %w", r.Image, err)
	}
	shell := r.Settings.Shell
	if len(shell) == 0 {
		shell = image.Config.Shell
	}
	r.Check = health.Merge(image.Config.Healthcheck, r.Settings.Health)
	r.Probe = r.Check.Command(shell)
	return nil
}

// watchHealth probes a container while it runs and is not paused, until it or ctx
// ends.
func (s *Service) watchHealth(ctx context.Context, c *container) {
	if len(c.record().Probe) == 0 {
		return
	}
	for ctx.Err() == nil {
		rec, changed := c.look()
		if !rec.alive() {
			return
		}
		if rec.State == wire.StateRunning {
			s.whileRunning(ctx, c, rec)
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// whileRunning probes until a container does not run any more.
func (s *Service) whileRunning(ctx context.Context, c *container, rec record) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		health.Watch(ctx, health.Watched{
			Check: *rec.Check, Started: *rec.StartedAt,
			State: func() health.State { return *c.record().Health },
			Probe: func(ctx context.Context, out *health.Output) (int, error) { return s.probe(ctx, c, rec.Probe, out) },
			Keep:  func(r health.Result) { s.keepHealth(c, r) },
		})
	}()
	for {
		now, changed := c.look()
		if now.State != wire.StateRunning || ctx.Err() != nil {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	cancel()
	<-ended
}

// look returns the record and what is closed at its next change.
func (c *container) look() (record, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rec, c.changed
}

// probe runs a command in a container, as docker exec would, and returns its exit
// code. When ctx ends it is killed.
func (s *Service) probe(ctx context.Context, c *container, command []string, out *health.Output) (int, error) {
	id := newID()
	req := wire.ExecContainer{Command: command}
	e := &execution{c: c, info: Further{ID: id, Container: c.id, Request: req, Started: true}}
	s.remember(e)
	defer s.forget(e)
	line := strings.Join(command, " ")
	s.act(c, "exec_create: "+line, "execID", id)
	s.act(c, "exec_start: "+line, "execID", id)
	sh, err := s.enter(ctx, c, req, shim.ExecOptions{ID: id, Hold: true})
	if err != nil {
		if e, ok := errors.AsType[*imagecore.Error](err); ok {
			return -1, errors.New(e.Message)
		}
		return -1, err
	}
	defer context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
		defer cancel()
		if err := sh.Signal(ctx, id, unix.SIGKILL, false); err != nil {
			s.o.Log.Debug("probe not killed", "container", c.id, "err", err)
		}
	})()
	stream, err := sh.Attach(s.ctx, id)
	if err != nil {
		return -1, fmt.Errorf("attach to exec %s: %w", bundle.ShortID(id), err)
	}
	defer stream.Close()
	for {
		chunk, err := stream.Next()
		if err != nil {
			break
		}
		_, _ = out.Write(chunk.Data) // takes everything
	}
	s.watchExec(e, sh)
	c.mu.Lock()
	defer c.mu.Unlock()
	return *e.info.ExitCode, nil
}

// forget takes an execution out of memory that nobody will ask for.
func (s *Service) forget(e *execution) {
	e.c.mu.Lock()
	for i, one := range e.c.execs {
		if one == e {
			e.c.execs = append(e.c.execs[:i:i], e.c.execs[i+1:]...)
			break
		}
	}
	e.c.mu.Unlock()
	s.mu.Lock() // never with mu of a container: see there
	defer s.mu.Unlock()
	delete(s.further, e.info.ID)
	delete(s.execs, e.info.ID)
}

// keepHealth records the result of a probe, and tells where that changed what is
// known.
func (s *Service) keepHealth(c *container, r health.Result) {
	changed := ""
	_, err := s.change(c, func(rec *record) error {
		if rec.State != wire.StateRunning || rec.Health == nil {
			return nil
		}
		next := rec.Health.After(*rec.Check, *rec.StartedAt, r)
		if next.Status != rec.Health.Status {
			changed = next.Status
		}
		rec.Health = &next
		return nil
	})
	if err != nil {
		if !errors.Is(err, imagecore.ErrNotFound) {
			s.o.Log.Error("health not recorded", "container", c.id, "err", err)
		}
		return
	}
	if changed != "" {
		s.act(c, "health_status: "+changed)
	}
}
