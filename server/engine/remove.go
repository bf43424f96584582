//go:build linux

package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/layerlab/layerlab/runtime/quota"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Delete removes a container that does not run, its layer included.
func (s *Service) Delete(ctx context.Context, id string) error {
	return s.DeleteWith(ctx, id, false)
}

// DeleteWith is Delete; withVolumes removes its anonymous volumes, too.
func (s *Service) DeleteWith(ctx context.Context, id string, withVolumes bool) error {
	c, err := s.find(ctx, id)
	if err != nil {
		return err
	}
	c.still.RLock()
	defer c.still.RUnlock()
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
	if rec.alive() || rec.State == wire.StateRestarting {
		c.mu.Unlock()
		return stateError(rec, "container-running", "runs: stop it first")
	}
	if err := s.table.delete(rec.ID); err != nil {
		c.mu.Unlock()
		return fmt.Errorf("forget container %s: %w", bundle.ShortID(rec.ID), err)
	}
	c.removed = true
	execs := c.execs
	c.tellWaiters()
	c.mu.Unlock()
	c.dismiss(notFound(rec.ID))
	defer func() { // whoever waits for its removal finds nothing of it
		c.mu.Lock()
		c.gone = true
		c.tellWaiters()
		c.mu.Unlock()
	}()

	s.mu.Lock()
	delete(s.containers, rec.ID)
	delete(s.names, rec.Name)
	for _, e := range execs {
		delete(s.execs, e.info.ID)
		delete(s.further, e.info.ID)
	}
	s.mu.Unlock()
	if s.o.Networks != nil {
		s.o.Networks.Forget(rec.ID)
	}
	s.tell(wire.EventContainerDeleted, rec.ID, rec.view())
	if withVolumes {
		s.dropVolumes(rec)
	}
	if err := s.discard(rec.ID); err != nil {
		return fmt.Errorf("remove container %s: %w", bundle.ShortID(rec.ID), err)
	}
	return nil
}

// discard deletes a container's folder by way of trash/, so that what a crash
// leaves there is known to be rubbish.
func (s *Service) discard(id string) error {
	trash := filepath.Join(s.o.Data, "trash", "container-"+id)
	// Of a layer with a size, if anything still holds it.
	if err := quota.Unmount(filepath.Join(s.folder(id), "rw")); err != nil {
		return err
	}
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
func (s *Service) Rename(ctx context.Context, id, name string) (wire.Container, error) {
	c, err := s.find(ctx, id)
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
		if s.o.Networks != nil {
			s.o.Networks.Rename(context.WithoutCancel(ctx), view.ID, view.Name)
		}
		s.tell(wire.EventContainerRenamed, view.ID, view)
	}
	return view, err
}
