//go:build linux

package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/runtime/config"
	"github.com/layerlab/layerlab/runtime/quota"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/engine/volumes"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// recover makes memory, disk and processes agree with the records.
func (s *Service) recover(ctx context.Context) error {
	records, err := s.table.all()
	if err != nil {
		return err
	}
	for _, r := range records {
		s.containers[r.ID] = newContainer(r)
		s.names[r.Name] = r.ID
	}
	s.volumes, err = volumes.Open(volumes.Options{
		Data: s.o.Data, Bucket: s.o.Volumes, Users: s.usersOf, Tell: s.tell, Shift: s.shift(), Now: s.o.Now, Log: s.o.Log,
	})
	if err != nil {
		return err
	}
	if err := s.sweep(); err != nil {
		return err
	}
	for _, c := range s.all() {
		if rec := c.record(); rec.alive() || rec.Starting {
			s.reconcile(ctx, c, rec)
		}
	}
	s.recoverNetworks(ctx)
	for _, c := range s.all() {
		if rec := c.record(); !rec.alive() {
			if c.sized != nil {
				if err := quota.Unmount(s.layerDir(c)); err != nil {
					s.o.Log.Error("layer stays mounted", "container", c.id, "err", err)
				}
			}
			s.autoRemove(c)
		}
	}
	return nil
}

// sweep removes folders without a record: creations that were cut short, and
// removals.
func (s *Service) sweep() error {
	dir := filepath.Join(s.o.Data, "containers")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if s.containers[e.Name()] != nil {
			continue
		}
		s.o.Log.Info("cleaned up what is left of a container", "container", e.Name())
		// A shim may hold it, if the record was lost by hand.
		if err := s.o.Shims.Clean(s.cgroup(e.Name())); err != nil {
			s.o.Log.Error("cgroup left behind", "container", e.Name(), "err", err)
		}
		if err := s.discard(e.Name()); err != nil {
			return err
		}
	}
	trash := filepath.Join(s.o.Data, "trash")
	entries, err = os.ReadDir(trash)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "container-") || strings.HasPrefix(e.Name(), "volume-") { // others are the store's
			if err := snapshot.Remove(filepath.Join(trash, e.Name())); err != nil {
				return err
			}
			s.o.Log.Info("cleaned up a removal that the end of the server cut short", "folder", e.Name())
		}
	}
	return nil
}

// reconcile decides what became of a container that ran, or was being started,
// when the last server ended.
func (s *Service) reconcile(ctx context.Context, c *container, rec record) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	log := s.o.Log.With("container", c.id)
	sh, state, err := s.dial(ctx, c.id)
	if rec.Boot != "" && rec.Boot != s.boot {
		// Nothing outlives the host: who answers at that name is a stranger.
		sh, state, err = nil, nil, shim.ErrGone
	}
	if err == nil && state.Status == wire.StatePaused && rec.State == wire.StateRunning && sh.Resume(ctx) == nil {
		state.Status = wire.StateRunning // it was frozen for a commit that was cut short
	}
	switch {
	case err == nil && (state.Status == wire.StateRunning || state.Status == wire.StatePaused):
		_, err := s.change(c, func(r *record) error {
			if r.Starting {
				r.begin(state.Pid, state.StartedAt)
			}
			r.Pid, r.State = state.Pid, state.Status
			return nil
		})
		if err != nil {
			log.Error("record", "err", err)
		}
		release, err := s.useLayer(c)
		if err != nil {
			log.Error("layer not held", "err", err)
			release = func() {}
		}
		s.adopt(c, sh, release)
		for _, p := range state.Execs {
			e := &execution{c: c, info: Further{ID: p.ID, Container: c.id, Started: true, Request: wire.ExecContainer{TTY: p.TTY}}}
			if p.Exit != nil {
				e.info.ExitCode = &p.Exit.Code
			}
			s.remember(e)
			if p.Exit == nil {
				s.work.Go(func() { s.watchExec(e, sh) })
			}
		}
		log.Info("container runs on")
		return
	case err == nil && state.Exit != nil:
		s.finish(c, state.Exit)
		if err := sh.AckExit(ctx); err != nil {
			log.Warn("shim did not take the acknowledgement", "err", err)
		}
		log.Info("container ended while nobody looked", "code", state.Exit.Code)
	case err == nil:
		// Created and never started: the start that was under way is lost.
		s.abandon(ctx, sh, c.id)
		s.undo(c)
		log.Info("undid a start that was cut short")
	case !errors.Is(err, shim.ErrGone):
		// Something is there that we do not understand: a shim that hangs, or
		// of another version. What it holds may be somebody's work.
		log.Error("shim does not answer and is left alone", "err", err)
		return
	default:
		if rec.Boot == s.boot {
			s.endLost(rec)
		}
		exit, exitErr := shim.ReadExit(filepath.Join(s.folder(c.id), "exit.json"))
		switch {
		case exitErr == nil:
			s.finish(c, exit)
			log.Info("container ended while nobody looked", "code", exit.Code)
		case rec.alive():
			s.finish(c, &shim.Exit{Code: killed, Signal: 9, At: s.o.Now()})
			log.Warn("container and shim were killed")
		default:
			s.undo(c)
			log.Info("undid a start that was cut short")
		}
	}
	s.clean(c.id)
}

// undo forgets that a container was being started.
func (s *Service) undo(c *container) {
	if _, err := s.change(c, func(r *record) error { r.Starting = false; return nil }); err != nil {
		s.o.Log.Error("record", "container", c.id, "err", err)
	}
}

func (s *Service) dial(ctx context.Context, id string) (Shim, *shim.State, error) {
	sh, err := s.o.Shims.Dial(ctx, s.socket(id))
	if err != nil {
		return nil, nil, err
	}
	state, err := sh.State(ctx)
	if err != nil {
		return nil, nil, err
	}
	return sh, state, nil
}

// readSpec reads the config.json that the container has.
func (s *Service) readSpec(id string) (*specs.Spec, error) {
	data, err := os.ReadFile(filepath.Join(s.folder(id), "config.json"))
	if err != nil {
		return nil, err
	}
	return config.Spec(data)
}
