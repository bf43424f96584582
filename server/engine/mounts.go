//go:build linux

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/caller"
	"github.com/layerlab/layerlab/server/engine/inside"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Mount is a mount that a container has: what was asked for, with its source
// found.
type Mount struct {
	wire.MountSpec        // Source is a path on the host, "" for tmpfs
	Volume         string `json:",omitempty"` // its name
	Anonymous      bool   `json:",omitempty"` // goes with the container where that is asked for
}

// withVolumes adds the folders that an image declares as volumes, where nothing
// else is mounted.
func withVolumes(asked []wire.MountSpec, image v1.ImageConfig) []wire.MountSpec {
	list := slices.Clone(asked)
	var declared []string
	for target := range image.Volumes {
		declared = append(declared, path.Clean("/"+target))
	}
	slices.Sort(declared)
	for _, target := range declared {
		there := slices.ContainsFunc(list, func(m wire.MountSpec) bool { return path.Clean(m.Target) == target })
		if target != "/" && !there {
			list = append(list, wire.MountSpec{Type: wire.MountVolume, Target: target})
		}
	}
	return list
}

// findSources finds what a new container's mounts show. Volumes are made, and
// kept from being removed until done is called; made lists the anonymous ones.
func (s *Service) findSources(rec *record, asked []wire.MountSpec) (made []string, done func(), err error) {
	var releases []func()
	done = func() {
		for _, release := range releases {
			release()
		}
	}
	for _, m := range asked {
		one := Mount{MountSpec: m}
		switch m.Type {
		case wire.MountBind:
			f, err := s.o.Reach.Open(m.Source, rec.Page, m.MakeSource)
			if err != nil {
				return made, done, err
			}
			f.Close() // opened anew at each start
		case wire.MountVolume:
			name, release, err := s.volumes.Hold(rec.Owner, wire.CreateVolume{Name: m.Source, Labels: m.Labels})
			if err != nil {
				return made, done, err
			}
			releases = append(releases, release)
			one.Volume, one.Source, one.Anonymous = name, s.volumes.Path(name), m.Source == ""
			if one.Anonymous {
				made = append(made, name)
			}
		}
		rec.Mounts = append(rec.Mounts, one)
	}
	return made, done, nil
}

// seedVolumes fills new volumes with what the image has at their places.
func (s *Service) seedVolumes(ctx context.Context, rec record, view *tree.View) error {
	open := map[int]inside.Layer{}
	defer func() {
		for _, l := range open {
			l.Close()
		}
	}()
	content := func(layer int) (io.ReaderAt, error) {
		if l := open[layer]; l != nil {
			return l, nil
		}
		l, err := s.o.Images.LayerAt(ctx, rec.Image, layer)
		if err == nil {
			open[layer] = l
		}
		return l, err
	}
	for _, m := range rec.Mounts {
		if m.Volume == "" || m.NoCopy {
			continue
		}
		if err := s.volumes.Seed(ctx, m.Volume, view, m.Target, content); err != nil {
			return full(err)
		}
	}
	return nil
}

// specs are the mounts as bundle.Spec takes them.
func (r *record) mountSpecs() []wire.MountSpec {
	var list []wire.MountSpec
	for _, m := range r.Mounts {
		list = append(list, m.MountSpec)
	}
	return list
}

// openSources opens what a container's mounts show, for its shim. What a path
// means is judged again, by what it is now. The caller closes the sources.
func (s *Service) openSources(rec record, spec *specs.Spec) (list []shim.Mount, err error) {
	defer func() {
		if err != nil {
			closeSources(list)
		}
	}()
	for _, m := range rec.Mounts {
		if m.Type == wire.MountTmpfs {
			continue
		}
		i := slices.IndexFunc(spec.Mounts, func(x specs.Mount) bool {
			return x.Type == "bind" && x.Destination == path.Clean(m.Target)
		})
		if i < 0 {
			return list, fmt.Errorf("config.json has no mount at %s", m.Target)
		}
		f, err := s.openSource(rec, m)
		if err != nil {
			return list, err
		}
		list = append(list, shim.Mount{Index: i, Source: f, Recursive: m.Type == wire.MountBind && !m.Flat, Plain: s.o.Shared != nil})
	}
	return list, nil
}

// openSource opens what one mount shows.
func (s *Service) openSource(rec record, m Mount) (*os.File, error) {
	if m.Type == wire.MountVolume {
		return os.OpenFile(m.Source, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	return s.o.Reach.Open(m.Source, rec.Page, m.MakeSource)
}

func closeSources(list []shim.Mount) {
	for _, m := range list {
		m.Source.Close()
	}
}

// tellVolumes tells that a run has begun to use volumes, or no longer does.
func (s *Service) tellVolumes(rec record, action string) {
	for _, m := range rec.Mounts {
		if m.Volume == "" {
			continue
		}
		a := map[string]string{"container": rec.ID, "driver": "local"}
		if action == "mount" {
			a["destination"], a["propagation"], a["read/write"] = path.Clean(m.Target), "", strconv.FormatBool(!m.ReadOnly)
		}
		s.tell(wire.EventAction, m.Volume, wire.Action{Of: "volume", Action: action, Attributes: a})
	}
}

// usersOf lists the containers that have a volume. Volumes calls it locked.
func (s *Service) usersOf(volume string) (ids []string) {
	for _, c := range s.all() {
		if slices.Contains(c.volumes, volume) {
			ids = append(ids, c.id)
		}
	}
	slices.Sort(ids)
	return ids
}

func volumesOf(r record) (names []string) {
	for _, m := range r.Mounts {
		if m.Volume != "" {
			names = append(names, m.Volume)
		}
	}
	return names
}

// dropVolumes removes the anonymous volumes of a container that is no more;
// those that another has by now stay.
func (s *Service) dropVolumes(rec record) {
	for _, m := range rec.Mounts {
		if !m.Anonymous {
			continue
		}
		err := s.volumes.Remove(rec.Owner, m.Volume)
		if code := codeOf(err); err != nil && code != "volume-in-use" && code != "volume-not-found" {
			s.o.Log.Error("volume left behind", "volume", m.Volume, "err", err)
		}
	}
}

// isFile tells plan which bind mounts are of files.
func isFile(source string) bool {
	st, err := os.Stat(source)
	return err == nil && !st.IsDir()
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return problemOf(err).Code
}

func ownerOf(ctx context.Context) string { return caller.Of(ctx).Owner }

// CreateVolume makes a volume, or returns the one of that name.
func (s *Service) CreateVolume(ctx context.Context, req wire.CreateVolume) (wire.Volume, error) {
	return s.volumes.Create(ctx, ownerOf(ctx), req)
}

// Volumes lists the caller's volumes by name.
func (s *Service) Volumes(ctx context.Context) ([]wire.Volume, error) {
	return s.volumes.List(ownerOf(ctx)), nil
}

// Volume returns one. Code: volume-not-found.
func (s *Service) Volume(ctx context.Context, name string) (wire.Volume, error) {
	return s.volumes.Get(ownerOf(ctx), name)
}

// VolumeSize is the number of bytes that a volume takes on disk.
func (s *Service) VolumeSize(ctx context.Context, name string) (int64, error) {
	if _, err := s.volumes.Get(ownerOf(ctx), name); err != nil {
		return 0, err
	}
	return s.volumes.Size(ctx, name)
}

// DeleteVolume removes one that no container has. Codes: volume-not-found,
// volume-in-use.
func (s *Service) DeleteVolume(ctx context.Context, name string) error {
	return s.volumes.Remove(ownerOf(ctx), name)
}

// deviceNumbers reads the kind and numbers of a device node.
func deviceNumbers(name string) (kind string, major, minor int64, err error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return "", 0, 0, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	kind = map[uint32]string{unix.S_IFCHR: "c", unix.S_IFBLK: "b"}[st.Mode&unix.S_IFMT]
	if kind == "" {
		return "", 0, 0, errors.New(name + " is no device")
	}
	return kind, int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev)), nil
}
