//go:build linux

package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/foreign"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Start runs a container that was created or has ended; one that runs is left
// alone. A command that is absent or cannot be executed is an error, recorded
// with the container.
func (s *Service) Start(ctx context.Context, id string) (wire.Container, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return wire.Container{}, err
	}
	view, err := s.start(ctx, c, false)
	if err != nil {
		if rec := c.record(); !rec.alive() {
			c.dismiss(err)
			s.autoRemove(c)
		}
	}
	return view, err
}

// start runs a container; again says that its policy does, which must still be
// due.
func (s *Service) start(ctx context.Context, c *container, again bool) (wire.Container, error) {
	c.still.RLock()
	defer c.still.RUnlock()
	c.op.Lock()
	defer c.op.Unlock()
	if err := s.settle(c); err != nil {
		return wire.Container{}, err
	}
	rec := c.record()
	if again && rec.State != wire.StateRestarting {
		return rec.view(), nil
	}
	switch rec.State {
	case wire.StateRunning:
		return rec.view(), nil
	case wire.StatePaused:
		return wire.Container{}, stateError(rec, "container-paused", "is paused: resume it instead")
	}
	// A page that is closed meanwhile must not leave half a start.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTime)
	defer cancel()
	if _, err := s.change(c, func(r *record) error {
		r.Starting, r.Boot = true, s.boot
		if !again {
			r.Stopped, r.Restarts = false, 0
		}
		return nil
	}); err != nil {
		return wire.Container{}, err
	}
	release, err := s.useLayer(c)
	var sh Shim
	var pid int
	if err == nil {
		if sh, pid, err = s.launch(ctx, c, rec); err != nil {
			release()
		}
	}
	if err != nil {
		s.detachNetworks(rec.ID)
		err = full(err)
		view, changeErr := s.change(c, func(r *record) error { c.ends++; r.fail(err, s.o.Now()); return nil })
		if changeErr == nil {
			s.tell(wire.EventContainerExited, rec.ID, view)
		}
		return wire.Container{}, fmt.Errorf("start container %s: %w", bundle.ShortID(rec.ID), err)
	}
	view, err := s.change(c, func(r *record) error {
		r.begin(pid, s.o.Now())
		if again {
			r.Restarts++
		} else {
			c.waited = 0
		}
		return nil
	})
	if err != nil {
		s.abandon(ctx, sh, rec.ID)
		s.detachNetworks(rec.ID)
		release()
		return wire.Container{}, err
	}
	s.tellVolumes(rec, "mount")
	s.tell(wire.EventContainerStarted, rec.ID, view)
	s.traceLater(ctx, c, sh)
	s.adopt(c, sh, release)
	return view, nil
}

// launch brings up the shim and the command in it; on an error nothing is left
// of either.
func (s *Service) launch(ctx context.Context, c *container, rec record) (Shim, int, error) {
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
		Upper: filepath.Join(s.layerDir(c), "upper"), Work: filepath.Join(s.layerDir(c), "work"),
		Cgroup: s.cgroup(rec.ID), Cols: rec.Request.Cols, Rows: rec.Request.Rows,
		Stdin: rec.Settings.OpenStdin,
	}
	if err := s.o.Images.Unpack(ctx, image.ID); err != nil { // there since the creation, unless somebody took them away
		return nil, 0, err
	}
	if o.Runtime, err = s.backend(rec); err != nil {
		return nil, 0, err
	}
	o.Layers = s.rootLayers(rec.ID, image)
	if err := s.prepareNetworks(ctx, rec); err != nil {
		return nil, 0, err
	}
	spec, err := s.readSpec(rec.ID)
	if err != nil {
		return nil, 0, err
	}
	if err := logTo(&o, rec, spec, image.Config); err != nil {
		return nil, 0, err
	}
	if o.Mounts, err = s.openSources(rec, spec); err != nil {
		return nil, 0, err
	}
	defer closeSources(o.Mounts)
	sh, err := s.o.Shims.Start(ctx, o)
	if err != nil {
		// A shim that says what is wrong has cleaned up, or is not ours to clean
		// up after; one that was killed half way has not.
		if e := (*imagecore.Error)(nil); !errors.As(err, &e) {
			s.clean(rec.ID)
		}
		return nil, 0, err
	}
	if err := s.attachNetworks(ctx, sh, rec.ID); err != nil {
		s.abandon(ctx, sh, rec.ID)
		return nil, 0, err
	}
	c.handOver(sh) // viewers that wait see the first byte
	state, err := sh.Start(ctx)
	if err != nil {
		s.abandon(ctx, sh, rec.ID)
		return nil, 0, err
	}
	s.noteMount(ctx, rec, image.Layers)
	return sh, state.Pid, nil
}

// backend is the runtime that makes a container's processes, nil for our own.
func (s *Service) backend(rec record) (*foreign.Runtime, error) {
	if rec.Runtime == "" {
		return nil, nil
	}
	r, err := s.o.Runtimes.Choose(rec.Runtime)
	if err != nil {
		return nil, err
	}
	return &foreign.Runtime{Name: r.Name, Path: r.Path, Root: s.foreignRoot(rec.ID)}, nil
}

// foreignRoot holds what another runtime keeps of a container while it lives.
func (s *Service) foreignRoot(id string) string {
	return filepath.Join(s.o.Run, bundle.ShortID(id)+".rt")
}

// rootLayers are the lowers of a container's root, base first: the image's, and
// the folder of mount points that it lacks.
func (s *Service) rootLayers(id string, image Image) (list []snapshot.Layer) {
	for _, layer := range image.Dirs {
		list = append(list, snapshot.Layer{Dir: layer})
	}
	init := filepath.Join(s.folder(id), "init")
	// An image of as many layers as overlayfs takes leaves no place for one more:
	// the mount points are then made in the container's own.
	if _, err := os.Lstat(init); err == nil && len(list) < snapshot.MaxLayers {
		list = append(list, snapshot.Layer{Dir: init})
	}
	return list
}

// abandon ends a container whose start went wrong half way, and its shim.
func (s *Service) abandon(ctx context.Context, sh Shim, id string) {
	_ = sh.Signal(ctx, "", unix.SIGKILL, true) // may have ended already
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	if _, err := sh.Wait(ctx, ""); err == nil {
		_ = sh.AckExit(ctx)
	}
	s.clean(id)
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
