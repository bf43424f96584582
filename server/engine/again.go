//go:build linux

package engine

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/server/caller"
	"github.com/layerlab/layerlab/server/engine/restart"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// decideNext records, with the end of a run, whether another one follows.
// The caller holds c.mu; r is the record after the end.
func (c *container) decideNext(r *record) {
	run := restart.Run{Stopped: r.Stopped, Before: r.Restarts, Waited: c.waited}
	if r.ExitCode != nil {
		run.Code = *r.ExitCode
	}
	if r.StartedAt != nil && r.FinishedAt != nil {
		run.Took = r.FinishedAt.Sub(*r.StartedAt)
	}
	wait, again := restart.Next(r.Request.Restart, run)
	c.waited = wait
	if again {
		r.State = wire.StateRestarting
	}
}

// again starts a container anew after its wait, if that was decided and nobody
// decides otherwise meanwhile.
func (s *Service) again(c *container) {
	c.mu.Lock()
	wait, due := c.waited, c.rec.State == wire.StateRestarting
	stop := make(chan struct{})
	c.noRestart = stop
	c.mu.Unlock()
	if !due {
		return
	}
	s.work.Go(func() {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-stop:
			return
		case <-s.ctx.Done():
			return // the next server's start decides
		}
		ctx := caller.With(s.ctx, caller.Caller{Owner: c.owner})
		if _, err := s.start(ctx, c, true); err != nil && s.ctx.Err() == nil {
			s.o.Log.Warn("container not started again", "container", c.id, "err", err)
		}
	})
}

// stopped notes that somebody wants the container to end, so that no restart
// follows; one that waits for its restart has then ended. c.op is held.
func (s *Service) stopped(c *container) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := c.rec.State == wire.StateRestarting
	if c.rec.Stopped && !waiting || c.removed {
		return nil
	}
	if waiting && c.noRestart != nil {
		close(c.noRestart)
		c.noRestart = nil
	}
	_, err := s.changeLocked(c, func(r *record) error {
		r.Stopped = true
		if waiting {
			r.State = wire.StateExited
		}
		return nil
	})
	return err
}

// ends says whether a signal asks a container to end for good.
func ends(sig unix.Signal, stopSignal string) bool {
	if sig == unix.SIGKILL {
		return true
	}
	stop, err := parseSignal(stopSignal)
	if stopSignal == "" || err != nil {
		stop = unix.SIGTERM
	}
	return sig == stop
}

// restartAtStart starts those whose policy outlives the server, once it is up.
func (s *Service) restartAtStart() {
	for _, c := range s.all() {
		rec := c.record()
		if rec.alive() || rec.StartedAt == nil || rec.Settings.AutoRemove {
			continue
		}
		code := 0
		if rec.ExitCode != nil {
			code = *rec.ExitCode
		}
		if restart.AtStart(rec.Request.Restart, code, rec.Stopped, rec.Restarts) {
			_, err := s.change(c, func(r *record) error { r.State = wire.StateRestarting; return nil })
			if err == nil {
				s.again(c)
			}
		} else if rec.State == wire.StateRestarting {
			if _, err := s.change(c, func(r *record) error { r.State = wire.StateExited; return nil }); err != nil {
				s.o.Log.Error("record", "container", c.id, "err", err)
			}
		}
	}
}

// watchOOM publishes that the kernel killed processes of a container for lack
// of memory, until ctx ends.
func (s *Service) watchOOM(ctx context.Context, c *container) {
	killed, err := s.o.Shims.WatchOOM(ctx, s.cgroup(c.id))
	if err != nil {
		s.o.Log.Debug("memory not watched", "container", c.id, "err", err)
		return
	}
	for range killed {
		s.tell(wire.EventContainerOOM, c.id, c.view())
	}
}
