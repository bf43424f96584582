//go:build linux

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/plan"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// killed is the exit code of a container that was killed with its shim:
// 128 + SIGKILL.
const killed = 137

// adopt takes a shim over whose container runs: its end will be recorded, its
// layer watched and, with release, let go of.
func (s *Service) adopt(c *container, sh Shim, release func()) {
	exited := make(chan struct{})
	c.mu.Lock()
	c.shim, c.exited = sh, exited
	c.mu.Unlock()
	c.handOver(sh) // those who came while it was being started

	ctx, stop := context.WithCancel(s.ctx)
	s.work.Go(func() { s.watchOOM(ctx, c) })
	s.work.Go(func() { s.watchHealth(ctx, c) })
	watched := make(chan struct{})
	s.work.Go(func() {
		defer close(watched)
		s.watch(ctx, c)
	})
	s.work.Go(func() {
		defer stop()
		s.monitor(c, sh, exited, func() {
			if c.sized != nil { // who watches holds the file system
				stop()
				<-watched
			}
			release()
		})
	})
}

// monitor waits for the end of a container and records it. The shim is told
// last: until then it keeps the exit, whatever becomes of this process.
func (s *Service) monitor(c *container, sh Shim, exited chan struct{}, release func()) {
	exit, err := sh.Wait(s.ctx, "")
	for tries := 0; err != nil && s.ctx.Err() == nil && tries < 3; tries++ {
		// Only the connection may have gone: a container is not to be killed
		// for that.
		if _, stateErr := sh.State(s.ctx); stateErr != nil {
			break
		}
		exit, err = sh.Wait(s.ctx, "")
	}
	if s.ctx.Err() != nil {
		return
	}
	if err != nil {
		s.o.Log.Warn("shim lost", "container", c.id, "err", err)
		s.endLost(c.record())
		exit = s.lastExit(c.id)
	}
	s.detachNetworks(c.id) // whoever learns of the end may want its ports
	s.finish(c, exit)
	c.awaitTrace() // it goes with the shim
	if err == nil {
		if err := sh.AckExit(s.ctx); err != nil {
			s.o.Log.Warn("shim did not take the acknowledgement", "container", c.id, "err", err)
		}
	}
	s.clean(c.id)
	release()
	c.mu.Lock()
	c.exited = nil
	c.mu.Unlock()
	close(exited)
	s.autoRemove(c)
	s.again(c)
}

// clean removes what a shim removes itself unless it was killed: processes,
// cgroup, socket, and what another runtime kept.
func (s *Service) clean(id string) {
	if err := s.o.Shims.Clean(s.cgroup(id)); err != nil {
		s.o.Log.Error("cgroup left behind", "container", id, "err", err)
	}
	if err := os.Remove(s.socket(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.o.Log.Warn("socket left behind", "container", id, "err", err)
	}
	if err := os.RemoveAll(s.foreignRoot(id)); err != nil {
		s.o.Log.Warn("folder of the runtime left behind", "container", id, "err", err)
	}
}

// lastExit returns what the shim wrote before it went, or, where it was killed
// itself, that the container was killed: its processes are.
func (s *Service) lastExit(id string) *shim.Exit {
	exit, err := shim.ReadExit(filepath.Join(s.folder(id), "exit.json"))
	if err == nil {
		return exit
	}
	return &shim.Exit{Code: killed, Signal: 9, At: s.o.Now()}
}

// finish records the end. Where that fails the record goes on saying that the
// container runs, and the next start of the server finds exit.json.
func (s *Service) finish(c *container, exit *shim.Exit) {
	c.mu.Lock()
	c.shim = nil
	view, err := s.changeLocked(c, func(r *record) error {
		r.end(exit.Code, exit.At)
		r.OOMKilled = exit.OOMKilled
		c.decideNext(r)
		return nil
	})
	c.ends++
	c.tellWaiters()
	c.mu.Unlock()
	if err != nil {
		s.o.Log.Error("end not recorded", "container", c.id, "err", err)
		return
	}
	s.tell(wire.EventContainerExited, c.id, view)
	s.tellVolumes(c.record(), "unmount")
}

// trace is what GET /containers/{id}/{plan,trace} answer once the container has
// been started.
type trace struct {
	Plan    *plan.Plan    `json:"plan"`
	Results []plan.Result `json:"results"`
}

// traceLater keeps the trace of a start that is answered meanwhile: reading it
// takes a fifth of a start.
func (s *Service) traceLater(ctx context.Context, c *container, sh Shim) {
	if c.record().Runtime != "" {
		return // there is none
	}
	traced := make(chan struct{})
	c.mu.Lock()
	c.traced = traced
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	s.work.Go(func() {
		defer close(traced)
		defer cancel()
		s.keepTrace(ctx, sh, c.id)
	})
}

// awaitTrace waits until the trace of the last start is kept.
func (c *container) awaitTrace() {
	c.mu.Lock()
	traced := c.traced
	c.mu.Unlock()
	if traced != nil {
		<-traced
	}
}

// keepTrace saves plan and trace of a start: the shim, which has them, ends
// with the container. It is for looking at only, so that no failure of it is
// one of the start.
func (s *Service) keepTrace(ctx context.Context, sh Shim, id string) {
	p, results, err := sh.Trace(ctx)
	if err == nil {
		var data []byte
		described := p.Describe()
		noteTrace(ctx, described, results)
		if data, err = json.Marshal(trace{Plan: described, Results: results}); err == nil {
			err = os.WriteFile(filepath.Join(s.folder(id), "trace.json"), data, 0o600)
		}
	}
	if err != nil {
		s.o.Log.Warn("trace lost", "container", id, "err", err)
	}
}

// Plan returns the steps that start the container: those that were executed,
// or for one that was never started those that would be.
func (s *Service) Plan(ctx context.Context, id string) (json.RawMessage, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	c.awaitTrace()
	if err := c.traceable(); err != nil {
		return nil, err
	}
	if t, err := s.readTrace(c.id); err == nil {
		return t.Plan, nil
	}
	spec, err := s.readSpec(c.id)
	if err != nil {
		return nil, err
	}
	p, err := plan.For(spec, plan.Options{Rootfs: true, IsFile: isFile})
	if err != nil {
		return nil, err
	}
	return json.Marshal(p.Describe())
}

// Trace returns what came of each step at the last start.
func (s *Service) Trace(ctx context.Context, id string) (json.RawMessage, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	c.awaitTrace()
	if err := c.traceable(); err != nil {
		return nil, err
	}
	t, err := s.readTrace(c.id)
	if err != nil {
		return nil, imagecore.NewError(imagecore.ErrConflict, "container-not-started",
			"container "+bundle.ShortID(c.id)+" was not started yet: there is no trace", "container", c.id)
	}
	return t.Results, nil
}

// traceable says why a container of another runtime has neither plan nor trace.
func (c *container) traceable() error {
	name := c.record().Runtime
	if name == "" {
		return nil
	}
	return imagecore.NewError(imagecore.ErrUnsupported, shim.CodeNoTrace,
		fmt.Sprintf("container %s runs by %s, which tells nobody its steps: only the server's own runtime has a plan and a trace", bundle.ShortID(c.id), name), "runtime", name)
}

type rawTrace struct {
	Plan    json.RawMessage `json:"plan"`
	Results json.RawMessage `json:"results"`
}

func (s *Service) readTrace(id string) (rawTrace, error) {
	var t rawTrace
	data, err := os.ReadFile(filepath.Join(s.folder(id), "trace.json"))
	if err == nil {
		err = json.Unmarshal(data, &t)
	}
	return t, err
}
