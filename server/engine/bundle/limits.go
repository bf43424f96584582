package bundle

import (
	"fmt"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Processes that a container may have; Docker sets no limit, and then one
// `:(){ :|:& };:` typed by a curious person takes the host down.
const (
	pidsLimit = 4096
	cpuPeriod = 100_000 // microseconds
	minMemory = 6 << 20 // bytes; below, a container cannot be started (moby)
)

// TeachingLimits are the limits of containers of a class.
func TeachingLimits() wire.Limits {
	return wire.Limits{Memory: 256 << 20, MemorySwap: 256 << 20, NanoCPUs: 1e9, Pids: 128, Storage: 1 << 30}
}

// WithDefaults fills what a request leaves open.
func WithDefaults(l, from wire.Limits) wire.Limits {
	if l.Memory == 0 {
		l.Memory = from.Memory
		if l.MemorySwap == 0 {
			l.MemorySwap = from.MemorySwap
		}
	}
	if l.NanoCPUs == 0 && l.CPUQuota == 0 {
		l.NanoCPUs = from.NanoCPUs
	}
	if l.Pids == 0 {
		l.Pids = from.Pids
	}
	if l.Storage == 0 {
		l.Storage = from.Storage
	}
	return l
}

// CheckLimits refuses what contradicts itself, in moby's words. cpus is how
// many processors the host has. Code: bad-limit.
func CheckLimits(l wire.Limits, cpus int) error {
	bad := func(format string, args ...any) error {
		return imagecore.NewError(imagecore.ErrInvalid, "bad-limit", fmt.Sprintf(format, args...))
	}
	switch {
	case l.Memory < 0 || l.Memory > 0 && l.Memory < minMemory:
		return bad("Minimum memory limit allowed is 6MB")
	case l.Memory > 0 && l.MemorySwap > 0 && l.MemorySwap < l.Memory:
		return bad("Minimum memoryswap limit should be larger than memory limit, see usage")
	case l.Memory == 0 && l.MemorySwap > 0:
		return bad("You should always set the Memory limit when using Memoryswap limit, see usage")
	case l.Swappiness != nil && (*l.Swappiness < 0 || *l.Swappiness > 100):
		return bad("Invalid value: %d, valid memory swappiness range is 0-100", *l.Swappiness)
	case l.MemoryReservation < 0 || l.MemoryReservation > 0 && l.MemoryReservation < minMemory:
		return bad("Minimum memory reservation allowed is 6MB")
	case l.Memory > 0 && l.MemoryReservation > l.Memory:
		return bad("Minimum memory limit can not be less than memory reservation limit, see usage")
	case l.NanoCPUs > 0 && l.CPUPeriod > 0:
		return bad("Conflicting options: Nano CPUs and CPU Period cannot both be set.")
	case l.NanoCPUs > 0 && l.CPUQuota > 0:
		return bad("Conflicting options: Nano CPUs and CPU Quota cannot both be set.")
	case l.NanoCPUs < 0 || l.NanoCPUs > 0 && (l.NanoCPUs < 1e7 || l.NanoCPUs > int64(cpus)*1e9):
		return bad("range of CPUs is from 0.01 to %d.00, as there are only %d CPUs available", cpus, cpus)
	case l.CPUPeriod != 0 && (l.CPUPeriod < 1000 || l.CPUPeriod > 1e6):
		return bad("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
	case l.CPUQuota > 0 && l.CPUQuota < 1000:
		return bad("CPU cfs quota can not be less than 1ms (i.e. 1000)")
	case l.CPUShares < 0:
		return bad("invalid CPU shares (%d): value must be a positive integer", l.CPUShares)
	case l.Storage < 0 || l.Storage > 0 && l.Storage < 8<<20:
		return bad("Minimum size of a container's layer is 8MB")
	case l.Shm < 0:
		return bad("SHM size can not be less than 0")
	case l.OOMScoreAdj < -1000 || l.OOMScoreAdj > 1000:
		return bad("Invalid value %d, range for oom score adj is [-1000, 1000]", l.OOMScoreAdj)
	}
	last, ok := lastCPU(l.CpusetCPUs)
	switch {
	case !ok:
		return bad("Invalid value %s for cpuset cpus", l.CpusetCPUs)
	case last >= cpus:
		return bad("Requested CPUs are not available - requested %s, available: 0-%d", l.CpusetCPUs, cpus-1)
	}
	for _, u := range l.Ulimits {
		if _, known := rlimitNames()[u.Name]; !known {
			return bad("invalid ulimit type: %s", u.Name)
		}
		if u.Hard != -1 && (u.Soft == -1 || u.Soft > u.Hard) {
			return bad("ulimit soft limit must be less than or equal to hard limit: %d > %d", u.Soft, u.Hard)
		}
	}
	return nil
}

// UpdateConflict says why limits that a container has don't go with those that an
// update sets, in moby's words; "" where they do.
func UpdateConflict(have, set wire.Limits) string {
	switch {
	case set.NanoCPUs > 0 && have.CPUPeriod > 0:
		return "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set"
	case set.NanoCPUs > 0 && have.CPUQuota > 0:
		return "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set"
	case set.CPUPeriod > 0 && have.NanoCPUs > 0:
		return "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set"
	case set.CPUQuota > 0 && have.NanoCPUs > 0:
		return "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set"
	case set.Memory > 0 && set.MemorySwap == 0 && set.Memory > have.MemorySwap:
		return "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
	}
	return ""
}

// lastCPU returns the highest number of a list such as "0-2,5" (cpuset(7)), -1 of
// an empty one.
func lastCPU(list string) (last int, ok bool) {
	last = -1
	if list == "" {
		return last, true
	}
	for span := range strings.SplitSeq(list, ",") {
		from, to, ranged := strings.Cut(strings.TrimSpace(span), "-")
		if !ranged {
			to = from
		}
		first, err := strconv.ParseUint(from, 10, 31)
		end, err2 := strconv.ParseUint(to, 10, 31)
		if err != nil || err2 != nil || end < first {
			return 0, false
		}
		last = max(last, int(end))
	}
	return last, true
}

// Resources turns limits into those of a config.json, devices not included.
// It is what an update of a running container sets, too.
func Resources(l wire.Limits) *specs.LinuxResources {
	r := &specs.LinuxResources{}
	if l.Memory > 0 || l.MemoryReservation > 0 || l.Swappiness != nil {
		m := &specs.LinuxMemory{}
		if l.Memory > 0 {
			m.Limit = new(l.Memory)
			swap := l.MemorySwap
			if swap == 0 {
				swap = 2 * l.Memory // Docker's default
			}
			m.Swap = new(swap)
		}
		if l.MemoryReservation > 0 {
			m.Reservation = new(l.MemoryReservation)
		}
		if l.Swappiness != nil {
			m.Swappiness = new(uint64(*l.Swappiness))
		}
		r.Memory = m
	}
	if c := cpu(l); c != (specs.LinuxCPU{}) {
		r.CPU = &c
	}
	pids := l.Pids
	if pids == 0 {
		pids = pidsLimit
	}
	r.Pids = &specs.LinuxPids{Limit: new(pids)}
	return r
}

func cpu(l wire.Limits) (c specs.LinuxCPU) {
	if l.NanoCPUs > 0 {
		c.Period, c.Quota = new(uint64(cpuPeriod)), new(l.NanoCPUs*cpuPeriod/1e9)
	}
	if l.CPUPeriod > 0 {
		c.Period = new(uint64(l.CPUPeriod))
	}
	if l.CPUQuota != 0 {
		c.Quota = new(l.CPUQuota)
	}
	if l.CPUShares > 0 {
		c.Shares = new(uint64(l.CPUShares))
	}
	c.Cpus, c.Mems = l.CpusetCPUs, l.CpusetMems
	return c
}

func rlimitNames() map[string]string {
	names := map[string]string{}
	for _, n := range strings.Fields("core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack") {
		names[n] = "RLIMIT_" + strings.ToUpper(n)
	}
	return names
}

// rlimitsOf gives the asked limits, and none of core files unless it is asked
// for: the host's core_pattern would write a hostile program's outside of the
// container.
func rlimitsOf(list []wire.Ulimit) []specs.POSIXRlimit {
	out := []specs.POSIXRlimit{{Type: "RLIMIT_CORE", Hard: 0, Soft: 0}}
	for _, u := range list {
		one := specs.POSIXRlimit{Type: rlimitNames()[u.Name], Hard: uint64(u.Hard), Soft: uint64(u.Soft)} // -1 is RLIM_INFINITY
		if u.Name == "core" {
			out[0] = one
			continue
		}
		out = append(out, one)
	}
	return out
}
