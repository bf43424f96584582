//go:build linux

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/runtime/network/link"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/engine/folder"
	"github.com/layerlab/layerlab/server/engine/networks"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Networks gives containers their places in networks; networks.Service
// documents the methods.
type Networks interface {
	Add(ctx context.Context, c networks.Container) error
	Prepare(ctx context.Context, id, hostname string) (networks.Files, error)
	Attach(ctx context.Context, id string, target networks.Target) error
	Detach(ctx context.Context, id string)
	Rename(ctx context.Context, id, name string)
	Forget(id string)
	Endpoints(id string) []wire.Endpoint
	Recover(ctx context.Context, known func(id string) bool, living map[string]networks.Target)
}

// wishNetworks records what a new container is to have of networks, and changes
// its config.json where that is none of its own.
func (s *Service) wishNetworks(ctx context.Context, rec *record, spec *specs.Spec, image v1.ImageConfig) error {
	if s.o.Networks == nil {
		return nil
	}
	want := &rec.Settings.Network
	if want.PublishAll {
		for port := range image.ExposedPorts {
			if !slices.Contains(want.Exposed, port) {
				want.Exposed = append(want.Exposed, port)
			}
		}
	}
	slices.Sort(want.Exposed)
	kind, other := networks.Mode(*want)
	switch kind {
	case networks.ModeHost:
		standInHost(spec)
	case networks.ModeContainer:
		c, err := s.find(ctx, other)
		if err != nil {
			return err
		}
		// Its user namespace and ids are this one's too: of another user
		// namespace the kernel would refuse sysfs and ports below 1024.
		want.Mode = "container:" + c.id
		rec.IDs = c.ids
		first := c.ids.First
		for _, m := range []*[]specs.LinuxIDMapping{&spec.Linux.UIDMappings, &spec.Linux.GIDMappings} {
			*m = []specs.LinuxIDMapping{{ContainerID: 0, HostID: first, Size: bundle.IDCount}}
		}
		dropNetSysctls(spec)
	}
	return s.o.Networks.Add(ctx, networks.Container{ID: rec.ID, Name: rec.Name, Hostname: rec.Request.Hostname, Want: *want})
}

// standInHost leaves a container in the host's network namespace. Its own user
// namespace may not mount sysfs then: what the host has is shown instead.
func standInHost(spec *specs.Spec) {
	spec.Linux.Namespaces = slices.DeleteFunc(spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.NetworkNamespace })
	dropNetSysctls(spec)
	for i, m := range spec.Mounts {
		if m.Type == "sysfs" {
			spec.Mounts[i] = specs.Mount{
				Destination: m.Destination, Type: "bind", Source: "/sys",
				Options: []string{"rbind", "rprivate", "nosuid", "noexec", "nodev", "ro"},
			}
		}
	}
}

func dropNetSysctls(spec *specs.Spec) {
	for name := range spec.Linux.Sysctl {
		if strings.HasPrefix(name, "net.") {
			delete(spec.Linux.Sysctl, name)
		}
	}
}

// prepareNetworks writes what a container's /etc holds of its networks and,
// where it stands in another's, which processes that has now.
func (s *Service) prepareNetworks(ctx context.Context, rec record) error {
	if s.o.Networks == nil {
		return nil
	}
	if kind, other := networks.Mode(rec.Settings.Network); kind == networks.ModeContainer {
		return s.standIn(ctx, rec, other)
	}
	hostname := rec.Request.Hostname
	if hostname == "" {
		hostname = bundle.ShortID(rec.ID)
	}
	files, err := s.o.Networks.Prepare(ctx, rec.ID, hostname)
	if err != nil {
		return err
	}
	if kind, _ := networks.Mode(rec.Settings.Network); kind == networks.ModeHost {
		if text, err := os.ReadFile("/etc/resolv.conf"); err == nil {
			files.Resolv = string(text)
		}
	}
	return s.writeFiles(rec.ID, files.Hosts, files.Resolv)
}

// writeFiles fills two of the files that are bound into a container, in place:
// the mounts of one that runs show the same files.
func (s *Service) writeFiles(id, hosts, resolv string) error {
	for name, text := range map[string]string{"hosts": hosts, "resolv.conf": resolv} {
		// Nothing but a file is ever there; NOFOLLOW is for whoever proves that
		// wrong.
		f, err := os.OpenFile(filepath.Join(s.folder(id), name), os.O_WRONLY|os.O_TRUNC|unix.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// standIn names the namespaces of another container in this one's config.json.
func (s *Service) standIn(ctx context.Context, rec record, other string) error {
	c, err := s.find(ctx, other)
	if err != nil {
		return err
	}
	theirs, _, err := c.mustRun()
	if err != nil {
		return imagecore.NewError(imagecore.ErrConflict, "network-conflict",
			fmt.Sprintf("cannot join network of a non running container: %s", other), "container", other)
	}
	spec, err := s.readSpec(rec.ID)
	if err != nil {
		return err
	}
	for i, n := range spec.Linux.Namespaces {
		switch n.Type {
		case specs.NetworkNamespace:
			spec.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/ns/net", theirs.Pid)
		case specs.UserNamespace:
			spec.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/ns/user", theirs.Pid)
		}
	}
	config, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		return err
	}
	path := filepath.Join(s.folder(rec.ID), "config.json")
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := folder.WriteFile(path+".new", config, 0o600); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	var text [2]string
	for i, name := range []string{"hosts", "resolv.conf"} {
		b, err := os.ReadFile(filepath.Join(s.folder(c.id), name))
		if err != nil {
			return err
		}
		text[i] = string(b)
	}
	return s.writeFiles(rec.ID, text[0], text[1])
}

// attachNetworks plugs a container in that is created and does not run yet.
func (s *Service) attachNetworks(ctx context.Context, sh Shim, id string) error {
	if s.o.Networks == nil {
		return nil
	}
	return s.o.Networks.Attach(ctx, id, s.target(sh))
}

// target opens a container's first process and its network namespace. The
// number may have passed on to another process before it was opened; the shim
// keeps it for the container as long as it answers that it lives.
func (s *Service) target(sh Shim) networks.Target {
	return func(ctx context.Context) (t network.Target, err error) {
		state, err := sh.State(ctx)
		if err != nil {
			return t, err
		}
		fd, err := unix.PidfdOpen(state.Pid, 0)
		if err != nil {
			return t, os.NewSyscallError("pidfd_open", err)
		}
		t.Process = os.NewFile(uintptr(fd), "pidfd")
		if t.Namespace, err = link.Of(state.Pid); err != nil {
			return t, errors.Join(err, t.Process.Close())
		}
		again, err := sh.State(ctx)
		if err == nil && (again.Pid != state.Pid || again.Exit != nil) {
			err = imagecore.NewError(imagecore.ErrConflict, "container-not-running", "the container has just ended", "container", "process "+strconv.Itoa(state.Pid))
		}
		if err != nil {
			return t, errors.Join(err, t.Process.Close(), t.Namespace.Close())
		}
		return t, nil
	}
}

// detachNetworks takes a container's places away that has ended.
func (s *Service) detachNetworks(id string) {
	if s.o.Networks != nil {
		s.o.Networks.Detach(context.WithoutCancel(s.ctx), id)
	}
}

// recoverNetworks tells which containers there are and which run.
func (s *Service) recoverNetworks(ctx context.Context) {
	if s.o.Networks == nil {
		return
	}
	known, living := map[string]bool{}, map[string]networks.Target{}
	for _, c := range s.all() {
		known[c.id] = true
		if rec, sh, err := c.mustRun(); err == nil && rec.alive() {
			living[c.id] = s.target(sh)
		}
	}
	s.o.Networks.Recover(ctx, func(id string) bool { return known[id] }, living)
}
