//go:build linux

package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/plan"
	"github.com/layerlab/layerlab/runtime/quota"
	"github.com/layerlab/layerlab/runtime/seccomp"
	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/caller"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/engine/folder"
	"github.com/layerlab/layerlab/server/engine/idrange"
	"github.com/layerlab/layerlab/server/engine/inside"
	"github.com/layerlab/layerlab/server/engine/names"
	"github.com/layerlab/layerlab/server/engine/runtimes"
	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/logging"
)

// Create makes a container and does not start it. Codes beside those of
// bundle.Spec and of the store: bad-name, name-taken, no-id-range,
// bad-stop-signal, unknown-runtime.
func (s *Service) Create(ctx context.Context, req wire.CreateContainer) (wire.Container, error) {
	return s.CreateWith(ctx, req, Settings{})
}

// CreateWith is Create with what the page has no field for.
func (s *Service) CreateWith(ctx context.Context, req wire.CreateContainer, more Settings) (_ wire.Container, err error) {
	who := caller.Of(ctx)
	if err := s.o.Reach.Judge(&req, who.Page); err != nil {
		return wire.Container{}, err
	}
	if req.Limits != nil {
		if err := bundle.CheckLimits(*req.Limits, runtime.NumCPU()); err != nil {
			return wire.Container{}, err
		}
		if err := affordable(req.Limits); s.o.Rootless && err != nil {
			return wire.Container{}, err
		}
	}
	image, release, err := s.o.Images.Hold(ctx, req.Image)
	if err != nil {
		return wire.Container{}, err
	}
	defer release()
	var config v1.Image
	if err := json.Unmarshal(image.Config, &config); err != nil {
		return wire.Container{}, fmt.Errorf("config of image %s: %w", image.ID, err)
	}
	merged, err := s.trees.Get(ctx, image.ID)
	if err != nil {
		return wire.Container{}, err
	}
	rec := record{
		ID: newID(), Owner: who.Owner, Page: who.Page, Image: image.ID, ImageRef: req.Image, TTY: req.TTY, Request: req, Settings: more,
		StopSignal: cmp.Or(more.StopSignal, config.Config.StopSignal), State: wire.StateCreated, CreatedAt: s.o.Now().UTC(),
	}
	by, err := s.o.Runtimes.Choose(req.Runtime)
	if err != nil {
		return wire.Container{}, err
	}
	if by.Name != runtimes.Own {
		rec.Runtime = by.Name
	}
	if err := logging.Check(req.Log); err != nil {
		return wire.Container{}, err
	}
	if err := rec.setCheck(image.Config); err != nil {
		return wire.Container{}, err
	}
	giveBack, err := s.reserve(&rec)
	if err != nil {
		return wire.Container{}, err
	}
	defer giveBack()
	if rec.Storage, err = s.storageOf(req); err != nil {
		return wire.Container{}, err
	}
	asked := withVolumes(req.Mounts, config.Config)
	if err := bundle.CheckMounts(asked); err != nil {
		return wire.Container{}, err
	}
	made, done, err := s.findSources(&rec, asked)
	defer func() {
		done()
		if err != nil { // nobody will know the volumes that were made for it
			s.dropVolumes(record{Owner: rec.Owner, Mounts: anonymous(made)})
		}
	}()
	if err != nil {
		return wire.Container{}, err
	}
	files := inside.OfImage(ctx, s.o.Images, image.ID, merged.Top())
	spec, err := s.spec(config.Config, rec, files)
	if err != nil {
		return wire.Container{}, err
	}
	if rec.Command = spec.Process.Args; req.Init {
		rec.Command = rec.Command[2:]
	}
	if err := s.wishNetworks(ctx, &rec, spec, config.Config); err != nil {
		return wire.Container{}, err
	}
	defer func() {
		if err != nil && s.o.Networks != nil {
			s.o.Networks.Forget(rec.ID)
		}
	}()
	if err := s.seedVolumes(ctx, rec, merged.Top()); err != nil {
		return wire.Container{}, err
	}
	// Nobody gets a container that cannot start for want of space.
	if err := s.o.Images.Unpack(ctx, image.ID); err != nil {
		return wire.Container{}, err
	}
	if err := s.layFolder(rec, spec, merged.Top()); err != nil {
		os.RemoveAll(s.folder(rec.ID))
		return wire.Container{}, fmt.Errorf("folder of container %s: %w", bundle.ShortID(rec.ID), full(err))
	}
	// The folder is durable before the record: a folder without a record is
	// swept at the next start, a record without a folder would be a lie.
	if err := s.table.put(rec); err != nil {
		os.RemoveAll(s.folder(rec.ID))
		return wire.Container{}, fmt.Errorf("record container: %w", full(err))
	}
	s.mu.Lock()
	s.containers[rec.ID] = newContainer(rec)
	s.names[rec.Name] = rec.ID
	s.mu.Unlock()
	activity.Of(ctx).Container(rec.ID, rec.Name)
	s.tell(wire.EventContainerCreated, rec.ID, rec.view())
	return rec.view(), nil
}

// reserve picks a name and an id range for a new container and keeps both from
// other creations until it is called back.
func (s *Service) reserve(rec *record) (giveBack func(), err error) {
	if err := s.takeName(rec); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	used := append([]idrange.Range{}, s.taken...)
	for _, c := range s.containers {
		used = append(used, c.ids)
	}
	ids := idrange.Range{}
	if s.o.Shared != nil {
		ids = *s.o.Shared
	} else if ids, err = s.o.Pool.Pick(used, s.seed()); err != nil {
		delete(s.names, rec.Name)
		return nil, err
	}
	rec.IDs = ids
	s.taken = append(s.taken, ids)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, made := s.containers[rec.ID]; !made {
			delete(s.names, rec.Name)
		}
		for i, r := range s.taken {
			if r == ids {
				s.taken = append(s.taken[:i], s.taken[i+1:]...)
				break
			}
		}
	}, nil
}

// takeName gives the record the name that was asked for, or one of its own
// choice, and keeps it.
func (s *Service) takeName(rec *record) error {
	name := rec.Request.Name
	if name != "" && !names.Valid(name) {
		return badName(name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := func(name string) bool { _, is := s.names[name]; return is }
	switch {
	case name == "":
		name = names.Pick(rand.IntN, taken)
	case taken(name):
		return imagecore.NewError(imagecore.ErrExists, "name-taken",
			fmt.Sprintf("name %q: taken by container %s", name, bundle.ShortID(s.names[name])), "name", name)
	}
	rec.Name = name
	s.names[name] = rec.ID
	return nil
}

func badName(name string) error {
	return imagecore.NewError(imagecore.ErrInvalid, "bad-name",
		fmt.Sprintf("name %q: letters, digits, dots, hyphens and underscores, beginning with a letter or digit", name), "name", name)
}

func (s *Service) spec(image v1.ImageConfig, rec record, files bundle.Files) (*specs.Spec, error) {
	if _, err := parseSignal(rec.StopSignal); rec.StopSignal != "" && err != nil {
		return nil, err
	}
	req := rec.Request
	var security wire.Security
	if req.Security != nil {
		security = *req.Security
	}
	profile, err := profileOf(security)
	if err != nil {
		return nil, err
	}
	var limits wire.Limits
	if req.Limits != nil {
		limits = *req.Limits
	}
	return bundle.Spec(image, bundle.Request{
		ID: rec.ID, Command: req.Command, Entrypoint: req.Entrypoint, Env: req.Env, WorkingDir: req.WorkingDir,
		User: req.User, Hostname: req.Hostname, Domainname: req.Domainname, TTY: req.TTY, Cols: req.Cols, Rows: req.Rows,
		Mounts: rec.mountSpecs(), Limits: limits, Security: security, Init: req.Init,
	}, bundle.Host{
		Folder: s.folder(rec.ID), Cgroup: s.cgroup(rec.ID), IDs: rec.IDs.First, Seccomp: profile, Teaching: s.o.Teaching,
		Caps: plan.CapNames(), Init: s.o.Init, Device: deviceNumbers,
	}, files)
}

// profileOf is the seccomp filter of a container: Docker's default one for its
// capabilities unless another was asked for.
func profileOf(s wire.Security) (*specs.LinuxSeccomp, error) {
	caps, err := bundle.CapabilitiesOf(s, plan.CapNames())
	if err != nil {
		return nil, err
	}
	switch s.Seccomp {
	case "":
		profile, err := seccomp.Default(caps)
		if err != nil {
			return nil, fmt.Errorf("seccomp profile: %w", err)
		}
		return profile, nil
	case "unconfined":
		return nil, nil
	}
	return seccomp.Load(s.Seccomp, caps)
}

func anonymous(names []string) (list []Mount) {
	for _, n := range names {
		list = append(list, Mount{Volume: n, Anonymous: true})
	}
	return list
}

// shift is the first id of the range that all containers share, 0 where each
// has its own.
func (s *Service) shift() uint32 {
	if s.o.Shared == nil {
		return 0
	}
	return s.o.Shared.First
}

// layFolder writes what a new container has on disk, and makes it durable.
func (s *Service) layFolder(rec record, spec *specs.Spec, view *tree.View) error {
	dir := s.folder(rec.ID)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for name, text := range bundle.FileContents(spec.Hostname) {
		path := filepath.Join(dir, name)
		if err := folder.NewFile(path, []byte(text), 0o644); err != nil {
			return err
		}
		// The container's root may edit these, as with Docker.
		if err := os.Chown(path, int(rec.IDs.First), int(rec.IDs.First)); err != nil {
			return err
		}
	}
	if err := folder.Init(filepath.Join(dir, "init"), spec, view, isFile, s.shift()); err != nil {
		return fmt.Errorf("init layer: %w", err)
	}
	if rec.Storage > 0 {
		if err := quota.Make(filepath.Join(dir, "rw.img"), rec.Storage); err != nil {
			return err
		}
	}
	config, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		return err
	}
	if err := folder.NewFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
		return err
	}
	return folder.Sync(dir)
}

// full words the error of a disk without room.
func full(err error) error {
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return err
	}
	e := imagecore.NewError(imagecore.ErrHost, "disk-full", "the disk of the data folder is full")
	e.Err = err
	return e
}
