//go:build linux

package engine

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/rootless"
	"github.com/layerlab/layerlab/server/engine/procfs"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// affordable refuses by name what an ordinary user's server has not: a limit
// that seems to hold and does not is worse than none. Code: rootless-no-cgroup.
func affordable(l *wire.Limits) error {
	if l == nil {
		return nil
	}
	for _, s := range []struct {
		setting string
		asked   bool
	}{
		{"memory", l.Memory != 0 || l.MemorySwap > 0 || l.MemoryReservation != 0 || l.Swappiness != nil},
		{"cpus", l.NanoCPUs != 0 || l.CPUShares != 0 || l.CPUPeriod != 0 || l.CPUQuota != 0},
		{"cpuset", l.CpusetCPUs != "" || l.CpusetMems != ""},
		{"pids-limit", l.Pids > 0},
		{"storage-opt size", l.Storage != 0},
	} {
		if s.asked {
			return rootless.NoCgroup(s.setting)
		}
	}
	return nil
}

// endLost ends a container whose shim was killed: what is left in its cgroup is
// killed by clean, but where there is none the first process has to be found, and
// all others end with it. Its number may be another's by now; that one began
// after the container, and is not the first of a pid namespace of its own.
func (s *Service) endLost(rec record) {
	if !s.o.Rootless || rec.Pid == 0 || rec.StartedAt == nil {
		return
	}
	fd, err := unix.PidfdOpen(rec.Pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	began, first := procfs.Began(rec.Pid)
	if first && began.Before(rec.StartedAt.Add(time.Second)) {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // or it has just ended
	}
}

// pids lists the processes of a running container.
func (s *Service) pids(rec record) ([]int, error) {
	if s.o.Rootless {
		return procfs.Neighbours("/proc", rec.Pid), nil
	}
	return s.o.Shims.Pids(s.cgroup(rec.ID))
}
