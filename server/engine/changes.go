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

	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/runtime/watch"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// maxChanges is the number of changes that are listed; the sums count all.
const maxChanges = 10_000

// Changes returns what the container wrote into its own layer.
func (s *Service) Changes(ctx context.Context, id string) (wire.Changes, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return wire.Changes{}, err
	}
	return s.changes(ctx, c, maxChanges)
}

// AllChanges is Changes without a bound.
func (s *Service) AllChanges(ctx context.Context, id string) (wire.Changes, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return wire.Changes{}, err
	}
	return s.changes(ctx, c, 0)
}

func (s *Service) changes(ctx context.Context, c *container, limit int) (wire.Changes, error) {
	release, err := s.holdLayer(c)
	if err != nil {
		return wire.Changes{}, err
	}
	defer release()
	upper := filepath.Join(s.layerDir(c), "upper")
	if _, err := os.Lstat(upper); errors.Is(err, fs.ErrNotExist) {
		return wire.Changes{Changes: []wire.Change{}}, nil // never started
	}
	lower, err := s.trees.Get(ctx, c.image)
	if err != nil {
		return wire.Changes{}, err
	}
	ids, err := s.ids(c)
	if err != nil {
		return wire.Changes{}, err
	}
	list, err := snapshot.Changes(ctx, upper, lower.Top(), ids, limit)
	if err != nil {
		return wire.Changes{}, fmt.Errorf("changes of container %s: %w", bundle.ShortID(c.id), err)
	}
	return wireChanges(list, c.lastWriters(list)), nil
}

// ids are the mappings that the container has, for reading its layer.
func (s *Service) ids(c *container) (snapshot.IDs, error) {
	spec, err := s.readSpec(c.id)
	if err != nil {
		return snapshot.IDs{}, fmt.Errorf("container %s: %w", bundle.ShortID(c.id), err)
	}
	return snapshot.IDs{UIDs: spec.Linux.UIDMappings, GIDs: spec.Linux.GIDMappings}, nil
}

// wireChanges words a listing; writers are those of its changes, nil where
// nobody knows.
func wireChanges(list *snapshot.Listing, writers []watch.Process) wire.Changes {
	w := wire.Changes{
		Changes: make([]wire.Change, 0, len(list.Changes)),
		Bytes:   list.Bytes, CopiedUp: list.CopiedUp, Truncated: list.Truncated,
	}
	for i, c := range list.Changes {
		path, _ := diff.Escape(c.Path)
		one := wire.Change{
			Kind: string(c.Kind), Path: path, Type: c.Type.String(),
			Size: c.Size, CopiedUp: c.CopiedUp, Passed: c.Passed, Opaque: c.Opaque,
		}
		if c.Type == 0 {
			one.Type = "socket"
		}
		if c.Kind != 'D' {
			one.Mode = fmt.Sprintf("%04o", c.Mode)
		}
		if writers != nil && writers[i].Host != 0 {
			by := wire.Writer(writers[i])
			one.By = &by
		}
		w.Changes = append(w.Changes, one)
	}
	return w
}

// watch sends container.changes whenever the container's layer changes, until
// ctx ends. Reading a large layer takes time: between two readings it rests
// as long as the last one took, so that a busy container costs half a
// processor at most.
func (s *Service) watch(ctx context.Context, c *container) {
	signals, err := s.o.Watch(ctx, filepath.Join(s.layerDir(c), "upper"))
	if err != nil {
		s.o.Log.Error("layer not watched", "container", c.id, "err", err)
		return
	}
	for range signals {
		if !s.o.Events.Listening() {
			continue // who comes later asks Changes first
		}
		began := time.Now()
		changes, err := s.changes(ctx, c, maxChanges)
		if err == nil {
			err = s.o.Events.Send(wire.EventContainerChanges, c.id, changes)
		}
		if err != nil && ctx.Err() == nil {
			s.o.Log.Warn("changes not read", "container", c.id, "err", err)
		}
		rest := time.NewTimer(time.Since(began))
		select {
		case <-rest.C:
		case <-ctx.Done():
			rest.Stop()
		}
	}
}
