//go:build linux

package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/layerlab/layerlab/runtime/quota"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/runtime/watch"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// sized is the state of a container's layer that has a size: upper and work lie
// in rw.img, which is mounted on rw/ while the container runs or somebody reads
// the layer.
type sized struct {
	mu      sync.Mutex
	holds   int
	writers *watch.Writers // of the run under way, or the last one; nil before the first
}

// lastWriters names who touched paths last.
func (c *container) lastWriters(list *snapshot.Listing) []watch.Process {
	if c.sized == nil {
		return nil
	}
	paths := make([]string, len(list.Changes))
	for i, x := range list.Changes {
		paths[i] = x.Path
	}
	c.sized.mu.Lock()
	defer c.sized.mu.Unlock()
	return c.sized.writers.Last(paths)
}

// storageOf is the size that a new container's layer shall have, in bytes; 0 is
// none. What was asked for must be possible, a default need not.
func (s *Service) storageOf(req wire.CreateContainer) (int64, error) {
	var asked int64
	if req.Limits != nil {
		asked = req.Limits.Storage
	}
	if asked > 0 {
		return asked, quota.Can()
	}
	if s.o.Teaching && quota.Can() == nil {
		return bundle.TeachingLimits().Storage, nil
	}
	return 0, nil
}

// layerDir is the folder of a container's upper and work.
func (s *Service) layerDir(c *container) string {
	if c.sized == nil {
		return s.folder(c.id)
	}
	return filepath.Join(s.folder(c.id), "rw")
}

// holdLayer makes a container's layer readable until release is called.
func (s *Service) holdLayer(c *container) (release func(), err error) {
	z := c.sized
	if z == nil {
		return func() {}, nil
	}
	dir := s.layerDir(c)
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.holds == 0 {
		mounted, err := quota.Mounted(dir) // by a server before
		if err == nil && !mounted {
			err = quota.Mount(filepath.Join(s.folder(c.id), "rw.img"), dir)
		}
		if err != nil {
			return nil, fmt.Errorf("layer of container %s: %w", bundle.ShortID(c.id), err)
		}
	}
	z.holds++
	return sync.OnceFunc(func() {
		z.mu.Lock()
		defer z.mu.Unlock()
		z.holds--
		if z.holds > 0 || s.ctx.Err() != nil && c.lives() {
			return // one that outlives the server keeps its mount
		}
		if err := quota.Unmount(dir); err != nil {
			s.o.Log.Error("layer stays mounted", "container", c.id, "err", err)
		}
	}), nil
}

// useLayer is holdLayer for a run, and notes which process writes what.
func (s *Service) useLayer(c *container) (func(), error) {
	release, err := s.holdLayer(c)
	z := c.sized
	if err != nil || z == nil {
		return release, err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	writers, err := watch.NewWriters(filepath.Join(s.layerDir(c), "upper"), z.writers)
	if err != nil { // a container runs without
		s.o.Log.Warn("writers not named", "container", c.id, "err", err)
		return release, nil
	}
	z.writers = writers
	closing := context.AfterFunc(s.ctx, writers.Close) // a run may outlive the server
	return func() {
		closing()
		writers.Close()
		release()
	}, nil
}

func (c *container) lives() bool {
	rec := c.record()
	return rec.alive()
}
