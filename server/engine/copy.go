//go:build linux

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/files"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/engine/inside"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Copies is what copying to and from containers needs of the host.
type Copies struct {
	Executable *os.File        // layerlab-runtime, sealed
	Method     snapshot.Method // how roots are mounted, "" to find out
}

// CopyIn adjusts WritePath.
type CopyIn struct {
	NoOverwriteDirNonDir bool // a folder takes no other thing's place, nor the reverse
	AsUser               bool // what is written belongs to the container's user
}

// StatPath looks at a path of a container, run or not. Codes: path-not-found.
func (s *Service) StatPath(ctx context.Context, id, asked string) (files.Stat, error) {
	r, err := s.openFiles(ctx, id, true)
	if err != nil {
		return files.Stat{}, err
	}
	defer r.release()
	return r.Stat(ctx, asked)
}

// ReadPath gives a path of a container as a tar (files.Container.Read). The
// caller closes it; until then a container that does not run does not start.
func (s *Service) ReadPath(ctx context.Context, id, asked string) (files.Stat, io.ReadCloser, error) {
	r, err := s.openFiles(ctx, id, true)
	if err != nil {
		return files.Stat{}, nil, err
	}
	st, tar, err := r.Read(ctx, asked)
	if err != nil {
		r.release()
		return st, nil, err
	}
	return st, &held{tar, r.release}, nil
}

// WritePath unpacks a tar into a folder of a container (files.Container.Write).
func (s *Service) WritePath(ctx context.Context, id, asked string, tar io.Reader, o CopyIn) error {
	r, err := s.openFiles(ctx, id, false)
	if err != nil {
		return err
	}
	defer r.release()
	if security := r.rec.Request.Security; security != nil && security.ReadOnlyRoot && !r.rec.mounted(asked) {
		return imagecore.NewError(imagecore.ErrConflict, "read-only", "the container's root is read-only", "container", r.rec.Name)
	}
	how := files.WriteOptions{NoOverwriteDirNonDir: o.NoOverwriteDirNonDir}
	if user := r.rec.Request.User; o.AsUser && user != "" {
		u, err := bundle.LookUp(user, inside.OfRoot(r.Root))
		if err != nil {
			return err
		}
		how.Owner = &files.Owner{UID: u.UID, GID: u.GID}
	}
	return r.Write(ctx, asked, tar, how)
}

// mounted reports whether a path lies in a mount of the container, by its name.
func (r *record) mounted(asked string) bool {
	clean := path.Clean("/" + asked)
	return slices.ContainsFunc(r.Mounts, func(m Mount) bool {
		target := path.Clean(m.Target)
		return clean == target || strings.HasPrefix(clean, target+"/")
	})
}

// held is a reader whose end lets go of something.
type held struct {
	io.ReadCloser
	release func()
}

func (h *held) Close() error {
	defer h.release()
	return h.ReadCloser.Close()
}

// openedFiles are a container's files with what keeps them.
type openedFiles struct {
	files.Container
	rec     record
	release func()
}

// openFiles opens a container's root: that of its process, or for one that does
// not run a mount of its own, under the container's lock, since no two mounts
// may have the same upper.
func (s *Service) openFiles(ctx context.Context, id string, reading bool) (*openedFiles, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	if s.o.Copies == nil {
		return nil, imagecore.NewError(imagecore.ErrHost, "no-runtime", "files of containers can't be reached: the server has no runtime")
	}
	var undo []func()
	release := sync.OnceFunc(func() {
		for _, f := range slices.Backward(undo) {
			f()
		}
	})
	opened := false
	defer func() {
		if !opened {
			release()
		}
	}()
	c.still.RLock()
	undo = append(undo, c.still.RUnlock)
	c.op.Lock()
	locked := true
	unlock := func() {
		if locked {
			locked = false
			c.op.Unlock()
		}
	}
	undo = append(undo, unlock)
	if err := s.settle(c); err != nil {
		return nil, err
	}
	if c.isRemoved() {
		return nil, notFound(id)
	}
	out := &openedFiles{rec: c.record(), release: release}
	out.Executable = s.o.Copies.Executable
	if out.IDs, err = s.ids(c); err != nil {
		return nil, err
	}
	if rec, _, err := c.mustRun(); err == nil {
		if out.Root, err = files.RootOf(rec.Pid); err == nil {
			undo = append(undo, func() { out.Root.Close() })
			unlock() // who looks at a process's root keeps nobody from stopping it
			if reading {
				c.still.RUnlock() // nor from reading its layer
				undo[0] = func() {}
			}
			opened = true
			return out, nil
		}
		return nil, stateError(rec, "container-not-running", "has just ended: try again")
	}
	unhold, err := s.holdLayer(c)
	if err != nil {
		return nil, err
	}
	undo = append(undo, unhold)
	image, letGo, err := s.o.Images.Hold(ctx, out.rec.Image.String())
	if err != nil {
		return nil, err
	}
	undo = append(undo, letGo)
	out.Root, err = snapshot.Mount(snapshot.MountOptions{
		Layers: s.rootLayers(out.rec.ID, image), Upper: filepath.Join(s.layerDir(c), "upper"), Work: filepath.Join(s.layerDir(c), "work"),
		IDs: out.IDs, Method: s.o.Copies.Method,
	})
	if err != nil {
		return nil, err
	}
	undo = append(undo, func() { out.Root.Close() })
	unmount, err := s.mountStopped(out.rec, out.Root, out.IDs)
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", bundle.ShortID(c.id), err)
	}
	undo = append(undo, unmount)
	opened = true
	return out, nil
}

// mountStopped puts the volumes and folders of the host into the root of a
// container that does not run, as docker cp sees them.
func (s *Service) mountStopped(rec record, root *os.File, ids snapshot.IDs) (release func(), err error) {
	var list []files.Mounted
	defer func() {
		for _, m := range list {
			m.Tree.Close()
		}
	}()
	mapping := snapshot.OpenMapping(ids)
	defer mapping.Close()
	for _, m := range rec.Mounts {
		if m.Type == wire.MountTmpfs {
			continue // it begins empty and ends with the container
		}
		source, err := s.openSource(rec, m)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		tree, err := mapping.Bind(source, m.Source, m.Type == wire.MountBind && !m.Flat, s.o.Shared != nil)
		source.Close()
		if err != nil {
			return nil, err
		}
		list = append(list, files.Mounted{Tree: tree, Target: m.Target})
		if m.ReadOnly {
			if err := unix.MountSetattr(int(tree.Fd()), "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
				return nil, os.NewSyscallError("mount_setattr read-only", err)
			}
		}
	}
	if len(list) == 0 {
		return func() {}, nil
	}
	slices.SortStableFunc(list, func(a, b files.Mounted) int { return strings.Compare(path.Clean(a.Target), path.Clean(b.Target)) })
	return files.Assemble(root, list)
}
