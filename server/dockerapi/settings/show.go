package settings

import (
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/logging"
)

// Show is Read the other way round: the HostConfig by which a client of this API
// would have asked for what the page asked for.
func Show(r *wire.CreateContainer) *container.HostConfig {
	h := &container.HostConfig{ConsoleSize: [2]uint{uint(r.Rows), uint(r.Cols)}}
	if r.Init {
		h.Init = &r.Init
	}
	if r.Log != nil {
		h.LogConfig.Type, h.LogConfig.Config = logging.Options(r.Log)
	}
	if s := r.Security; s != nil {
		securityBack(h, s)
	}
	mountsBack(h, r.Mounts)
	return h
}

// ShowInForce shows what is in force, which docker update may have changed since
// the client asked.
func ShowInForce(h *container.HostConfig, r *wire.CreateContainer) {
	if r.Restart != nil {
		h.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyMode(r.Restart.Name), MaximumRetryCount: r.Restart.Max}
	}
	l := r.Limits
	if l == nil {
		return
	}
	h.Memory, h.MemorySwap, h.MemoryReservation = l.Memory, l.MemorySwap, l.MemoryReservation
	h.NanoCPUs, h.CPUShares, h.CPUPeriod, h.CPUQuota = l.NanoCPUs, l.CPUShares, l.CPUPeriod, l.CPUQuota
	h.CpusetCpus, h.CpusetMems, h.ShmSize, h.OomScoreAdj = l.CpusetCPUs, l.CpusetMems, l.Shm, l.OOMScoreAdj
	if l.Swappiness != nil {
		h.MemorySwappiness = l.Swappiness
	}
	if l.Pids != 0 {
		h.PidsLimit = &l.Pids
	}
	h.Ulimits = nil
	for _, u := range l.Ulimits {
		h.Ulimits = append(h.Ulimits, &container.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	if l.Storage > 0 {
		h.StorageOpt = map[string]string{"size": strconv.FormatInt(l.Storage, 10)}
	}
}

func securityBack(h *container.HostConfig, s *wire.Security) {
	h.CapAdd, h.CapDrop, h.Privileged, h.ReadonlyRootfs, h.GroupAdd, h.Sysctls = s.CapAdd, s.CapDrop, s.Privileged, s.ReadOnlyRoot, s.Groups, s.Sysctls
	if s.NoNewPrivileges {
		h.SecurityOpt = append(h.SecurityOpt, "no-new-privileges")
	}
	if s.Seccomp != "" {
		h.SecurityOpt = append(h.SecurityOpt, "seccomp="+s.Seccomp)
	}
	if s.Unmasked {
		h.SecurityOpt = append(h.SecurityOpt, "systempaths=unconfined")
	}
	for _, d := range s.Devices {
		h.Devices = append(h.Devices, container.DeviceMapping{PathOnHost: d.Path, PathInContainer: d.Target, CgroupPermissions: d.Access})
	}
}

func mountsBack(h *container.HostConfig, list []wire.MountSpec) {
	for _, m := range list {
		switch {
		case m.Type == wire.MountTmpfs:
			if h.Tmpfs == nil {
				h.Tmpfs = map[string]string{}
			}
			h.Tmpfs[m.Target] = strings.Join(m.Options, ",")
		case m.Source != "": // one without is the container's own volume
			bind := m.Source + ":" + m.Target
			if m.ReadOnly {
				bind += ":ro"
			}
			h.Binds = append(h.Binds, bind)
		}
	}
}
