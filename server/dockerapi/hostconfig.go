//go:build linux

package dockerapi

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/logging"
)

// hostSettings translates what a HostConfig asks for, but for networks, into
// the engine's words. What no word says is refused by name (package policy has
// judged the fields; here it is their values).
func hostSettings(want *CreateRequest, h *container.HostConfig) (warnings []string, err error) {
	want.AutoRemove = h.AutoRemove
	want.Rows, want.Cols = uint16(h.ConsoleSize[0]), uint16(h.ConsoleSize[1])
	want.Runtime = h.Runtime
	want.Init = h.Init != nil && *h.Init
	if want.Restart, err = restartPolicy(h); err != nil {
		return nil, err
	}
	if want.Log, err = logging.Read(h.LogConfig.Type, h.LogConfig.Config); err != nil {
		return nil, err
	}
	if want.Limits, err = limits(h); err != nil {
		return nil, err
	}
	if want.Security, err = security(h); err != nil {
		return nil, err
	}
	if h.Privileged {
		warnings = append(warnings, "--privileged gives all capabilities inside the container's own user namespace, never the host's")
	}
	if h.OomKillDisable != nil && *h.OomKillDisable {
		warnings = append(warnings, "OomKillDisable is ignored: a container that is out of memory is ended")
	}
	return warnings, nil
}

func restartPolicy(h *container.HostConfig) (*wire.Restart, error) {
	p := h.RestartPolicy
	switch name := string(p.Name); name {
	case "", wire.RestartNo:
		if p.MaximumRetryCount != 0 && name != "" {
			return nil, invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'")
		}
		return nil, nil
	case wire.RestartAlways, wire.RestartUnlessStopped, wire.RestartOnFailure:
		if name != wire.RestartOnFailure && p.MaximumRetryCount != 0 {
			return nil, invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'")
		}
		if p.MaximumRetryCount < 0 {
			return nil, invalid("invalid restart policy: maximum retry count cannot be negative")
		}
		if h.AutoRemove {
			return nil, invalid("can't create 'AutoRemove' container with restart policy")
		}
		return &wire.Restart{Name: name, Max: p.MaximumRetryCount}, nil
	default:
		return nil, invalid("invalid restart policy: unknown policy '%s'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'", name)
	}
}

func limits(h *container.HostConfig) (*wire.Limits, error) {
	l := wire.Limits{
		Memory: h.Memory, MemorySwap: h.MemorySwap, MemoryReservation: h.MemoryReservation, NanoCPUs: h.NanoCPUs,
		CPUShares: h.CPUShares, CPUPeriod: h.CPUPeriod, CPUQuota: h.CPUQuota, CpusetCPUs: h.CpusetCpus, CpusetMems: h.CpusetMems,
		Shm: h.ShmSize, OOMScoreAdj: h.OomScoreAdj,
	}
	if h.MemorySwappiness != nil && *h.MemorySwappiness != -1 { // -1: as the host has it
		l.Swappiness = h.MemorySwappiness
	}
	if h.PidsLimit != nil {
		l.Pids = *h.PidsLimit
	}
	for _, u := range h.Ulimits {
		l.Ulimits = append(l.Ulimits, wire.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	for key, value := range h.StorageOpt {
		if key != "size" {
			return nil, invalid("unknown storage option: %s", key)
		}
		n, err := units.RAMInBytes(value)
		if err != nil {
			return nil, invalid("storage option size=%s: %v", value, err)
		}
		l.Storage = n
	}
	return &l, nil
}

func security(h *container.HostConfig) (*wire.Security, error) {
	s := wire.Security{
		CapAdd: h.CapAdd, CapDrop: h.CapDrop, Privileged: h.Privileged, ReadOnlyRoot: h.ReadonlyRootfs, Groups: h.GroupAdd, Sysctls: h.Sysctls,
		// The command line sends empty lists for systempaths=unconfined.
		Unmasked: !h.Privileged && (h.MaskedPaths != nil && len(h.MaskedPaths) == 0 || h.ReadonlyPaths != nil && len(h.ReadonlyPaths) == 0),
	}
	for _, opt := range h.SecurityOpt {
		key, value, ok := strings.Cut(opt, "=")
		if !ok {
			key, value, _ = strings.Cut(opt, ":") // of old
		}
		switch {
		case key == "no-new-privileges":
			on, err := strconv.ParseBool(value)
			if value != "" && err != nil {
				return nil, invalid("invalid --security-opt 2: %q", opt)
			}
			s.NoNewPrivileges = value == "" || on
		case key == "seccomp" && value == "builtin":
		case key == "seccomp":
			s.Seccomp = value
		case (key == "apparmor" || key == "label") && (value == "unconfined" || value == "disable"):
			// There is neither to begin with.
		case key == "systempaths" && value == "unconfined":
			s.Unmasked = true
		default:
			return nil, invalid("invalid --security-opt 2: %q is not served by layerlab", opt)
		}
	}
	for _, d := range h.Devices {
		s.Devices = append(s.Devices, wire.Device{Path: d.PathOnHost, Target: d.PathInContainer, Access: d.CgroupPermissions})
	}
	return &s, nil
}

// mountPoints says of a container's mounts what docker inspect shows.
func mountPoints(list []Mount) []container.MountPoint {
	out := []container.MountPoint{}
	for _, m := range list {
		p := container.MountPoint{Destination: path.Clean(m.Target), RW: !m.ReadOnly}
		switch m.Type {
		case wire.MountBind:
			p.Type, p.Source, p.Propagation = "bind", m.Source, "rprivate"
		case wire.MountVolume:
			p.Type, p.Name, p.Source, p.Driver = "volume", m.Volume, m.Source, "local"
		default:
			p.Type = "tmpfs"
		}
		switch {
		case m.ReadOnly && p.Type != "tmpfs":
			p.Mode = "ro"
		case p.Type == "volume" && !m.Anonymous:
			p.Mode = "z" // Docker's default for what has a name
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b container.MountPoint) int { return strings.Compare(a.Destination, b.Destination) })
	return out
}

func badSpec(spec, why string) error {
	if why == "" {
		return invalid("invalid volume specification: '%s'", spec)
	}
	return invalid("invalid volume specification: '%s': %s", spec, why)
}

func invalidMount(kind, format string, args ...any) error {
	return invalid("invalid mount config for type %q: %s", kind, fmt.Sprintf(format, args...))
}
