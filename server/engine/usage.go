//go:build linux

package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/engine/folder"
	"github.com/layerlab/layerlab/server/engine/procfs"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Usage is what a container has used by a moment.
type Usage struct {
	At time.Time
	*cgroup.Stats
	// HostCPU is the processor time that the whole host has used, idling
	// included, in nanoseconds; CPUs how many there are.
	HostCPU uint64
	CPUs    int
	// HostMemory is what the host has, in bytes: no limit is above it.
	HostMemory uint64
	Networks   map[string]procfs.Traffic // by interface, but for lo
}

// Usage reads what a running container uses. Code: container-not-running.
func (s *Service) Usage(ctx context.Context, id string) (Usage, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return Usage{}, err
	}
	rec, _, err := c.mustRun()
	if err != nil {
		return Usage{}, err
	}
	stats, err := s.o.Shims.Stats(s.cgroup(c.id))
	if err != nil {
		if again := c.record(); !again.alive() {
			return Usage{}, stateError(again, "container-not-running", "is not running")
		}
		return Usage{}, fmt.Errorf("container %s: %w", bundle.ShortID(c.id), err)
	}
	u := Usage{At: s.o.Now(), Stats: stats, CPUs: runtime.NumCPU(), HostCPU: procfs.HostCPU(procfs.File("/proc/stat"))}
	var host unix.Sysinfo_t
	if err := unix.Sysinfo(&host); err != nil {
		return Usage{}, os.NewSyscallError("sysinfo", err)
	}
	u.HostMemory = uint64(host.Totalram) * uint64(host.Unit)
	u.Networks = procfs.Interfaces(procfs.File(fmt.Sprintf("/proc/%d/net/dev", rec.Pid)))
	return u, nil
}

// Usages calls use at once and then every interval with what a container uses,
// until it ends, ctx does or use returns an error, which is then Usages's.
func (s *Service) Usages(ctx context.Context, id string, interval time.Duration, use func(Usage) error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		u, err := s.Usage(ctx, id)
		if codeOf(err) == "container-not-running" {
			return nil
		}
		if err != nil {
			return err
		}
		if err := use(u); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		case <-s.ctx.Done():
			return nil
		}
	}
}

// Update changes limits of a container, and its restart policy if one is given;
// zero fields of limits stay as they are. Codes: bad-limit, update-conflict.
func (s *Service) Update(ctx context.Context, id string, limits wire.Limits, policy *wire.Restart) (wire.Container, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return wire.Container{}, err
	}
	if err := affordable(&limits); s.o.Rootless && err != nil {
		return wire.Container{}, err
	}
	c.op.Lock()
	defer c.op.Unlock()
	rec := c.record()
	if err := bundle.CheckLimits(limits, runtime.NumCPU()); err != nil {
		return wire.Container{}, err
	}
	had := wire.Limits{}
	if rec.Request.Limits != nil {
		had = *rec.Request.Limits
	}
	why := bundle.UpdateConflict(had, limits)
	if policy != nil && policy.Name != wire.RestartNo && rec.Settings.AutoRemove {
		why = "Restart policy cannot be updated because AutoRemove is enabled for the container"
	}
	if why != "" {
		return wire.Container{}, imagecore.NewError(imagecore.ErrConflict, "update-conflict", why, "id", c.id)
	}
	merged := mergeLimits(had, limits)
	spec, err := s.readSpec(c.id)
	if err != nil {
		return wire.Container{}, err
	}
	all := merged
	if s.o.Teaching {
		all = bundle.WithDefaults(all, bundle.TeachingLimits())
	}
	resources := bundle.Resources(all)
	resources.Devices = spec.Linux.Resources.Devices
	spec.Linux.Resources = resources
	if rec.alive() && !s.o.Rootless {
		only := *resources
		only.Devices = nil // they are set, and stay
		if err := s.o.Shims.Update(s.cgroup(c.id), &only); err != nil {
			return wire.Container{}, fmt.Errorf("update container %s: %w", bundle.ShortID(c.id), err)
		}
	}
	if err := s.replaceSpec(c.id, spec); err != nil {
		return wire.Container{}, full(err)
	}
	view, err := s.change(c, func(r *record) error {
		r.Request.Limits = &merged
		if policy != nil {
			r.Request.Restart = policy
		}
		return nil
	})
	if err == nil {
		s.tell(wire.EventContainerUpdated, c.id, view)
	}
	return view, err
}

// mergeLimits lays what is set of b over a.
func mergeLimits(a, b wire.Limits) wire.Limits {
	set := func(dst *int64, v int64) {
		if v != 0 {
			*dst = v
		}
	}
	set(&a.Memory, b.Memory)
	set(&a.MemorySwap, b.MemorySwap)
	set(&a.MemoryReservation, b.MemoryReservation)
	set(&a.CPUShares, b.CPUShares)
	set(&a.CPUPeriod, b.CPUPeriod)
	set(&a.CPUQuota, b.CPUQuota)
	set(&a.Pids, b.Pids)
	if b.NanoCPUs != 0 {
		a.NanoCPUs, a.CPUPeriod, a.CPUQuota = b.NanoCPUs, 0, 0
	}
	if b.CpusetCPUs != "" {
		a.CpusetCPUs = b.CpusetCPUs
	}
	if b.CpusetMems != "" {
		a.CpusetMems = b.CpusetMems
	}
	return a
}

// replaceSpec writes a container's config.json anew: whoever reads it finds the
// old one or the new one whole.
func (s *Service) replaceSpec(id string, spec *specs.Spec) error {
	path := filepath.Join(s.folder(id), "config.json")
	part := path + ".partial"
	if err := os.Remove(part); err != nil && !os.IsNotExist(err) {
		return err
	}
	data, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		return err
	}
	if err := folder.WriteFile(part, data, 0o600); err != nil {
		return err
	}
	return os.Rename(part, path)
}
