// Package settings translates the settings of a container between Docker's words,
// container.HostConfig, and the engine's, package wire. It is pure. Which fields
// are honoured at all, package policy has judged; here it is their values.
//
//	HostConfig → Read, Mounts → wire.CreateContainer → Show → HostConfig
//	CreateRequest → Networks → wire.ContainerNetwork → ShowNetworks → HostConfig
package settings

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/logging"
)

// Read sets what a HostConfig asks for, but for mounts and networks. What no word
// of the engine says is refused by name. Code of errors: bad-setting.
func Read(want *wire.CreateContainer, h *container.HostConfig) (warnings []string, err error) {
	want.Rows, want.Cols = uint16(h.ConsoleSize[0]), uint16(h.ConsoleSize[1])
	want.Runtime = h.Runtime
	want.Init = h.Init != nil && *h.Init
	if want.Restart, err = Restart(h); err != nil {
		return nil, err
	}
	if want.Log, err = logging.Read(h.LogConfig.Type, h.LogConfig.Config); err != nil {
		return nil, err
	}
	if want.Limits, err = Limits(h); err != nil {
		return nil, err
	}
	if want.Security, err = security(h); err != nil {
		return nil, err
	}
	if h.OomKillDisable != nil && *h.OomKillDisable {
		warnings = append(warnings, "OomKillDisable is ignored: a container that is out of memory is ended")
	}
	return warnings, nil
}

// Restart reads when a container is started again; nil is never.
func Restart(h *container.HostConfig) (*wire.Restart, error) {
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

// Limits reads what a container may use.
func Limits(h *container.HostConfig) (*wire.Limits, error) {
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

func invalid(format string, args ...any) error {
	return imagecore.NewError(imagecore.ErrInvalid, "bad-setting", fmt.Sprintf(format, args...))
}

func badSpec(spec, why string) error {
	if why == "" {
		return invalid("invalid volume specification: '%s'", spec)
	}
	return invalid("invalid volume specification: '%s': %s", spec, why)
}

// InvalidMount words what is wrong with a mount of a kind.
func InvalidMount(kind, format string, args ...any) error {
	return invalid("invalid mount config for type %q: %s", kind, fmt.Sprintf(format, args...))
}
