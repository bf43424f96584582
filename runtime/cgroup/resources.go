//go:build linux

package cgroup

import (
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// resources turns runtime-spec's limits into the library's. Devices are our
// own (see devices); what cannot be set is refused by name.
func resources(r *specs.LinuxResources) (*cgroups.Resources, error) {
	c := &cgroups.Resources{}
	if r == nil {
		return c, nil
	}
	if m := r.Memory; m != nil {
		set(&c.Memory, m.Limit)
		set(&c.MemoryReservation, m.Reservation)
		set(&c.MemorySwap, m.Swap)
		c.MemorySwappiness = m.Swappiness
		set(&c.OomKillDisable, m.DisableOOMKiller)
		//lint:ignore SA1019 deprecated fields are refused, not ignored
		if m.Kernel != nil && *m.Kernel > 0 || m.KernelTCP != nil && *m.KernelTCP > 0 {
			return nil, unsupported("linux.resources.memory.kernel")
		}
	}
	if p := r.CPU; p != nil {
		set(&c.CpuShares, p.Shares)
		set(&c.CpuQuota, p.Quota)
		set(&c.CpuPeriod, p.Period)
		set(&c.CpuRtRuntime, p.RealtimeRuntime)
		set(&c.CpuRtPeriod, p.RealtimePeriod)
		c.CpuBurst, c.CPUIdle = p.Burst, p.Idle
		c.CpusetCpus, c.CpusetMems = p.Cpus, p.Mems
		if p.Shares != nil {
			c.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(*p.Shares)
		}
	}
	if p := r.Pids; p != nil {
		c.PidsLimit = p.Limit
	}
	if b := r.BlockIO; b != nil {
		blkio(c, b)
	}
	for _, h := range r.HugepageLimits {
		c.HugetlbLimit = append(c.HugetlbLimit, &cgroups.HugepageLimit{Pagesize: h.Pagesize, Limit: h.Limit})
	}
	if n := r.Network; n != nil {
		set(&c.NetClsClassid, n.ClassID)
		for _, p := range n.Priorities {
			c.NetPrioIfpriomap = append(c.NetPrioIfpriomap, &cgroups.IfPrioMap{Interface: p.Name, Priority: int64(p.Priority)})
		}
	}
	if len(r.Rdma) > 0 {
		c.Rdma = map[string]cgroups.LinuxRdma{}
		for k, v := range r.Rdma {
			c.Rdma[k] = cgroups.LinuxRdma{HcaHandles: v.HcaHandles, HcaObjects: v.HcaObjects}
		}
	}
	if len(r.Unified) > 0 {
		c.Unified = r.Unified
	}
	return c, nil
}

func set[T any](dst *T, src *T) {
	if src != nil {
		*dst = *src
	}
}

func blkio(c *cgroups.Resources, b *specs.LinuxBlockIO) {
	set(&c.BlkioWeight, b.Weight)
	set(&c.BlkioLeafWeight, b.LeafWeight)
	for _, w := range b.WeightDevice {
		var weight, leaf uint16
		set(&weight, w.Weight)
		set(&leaf, w.LeafWeight)
		c.BlkioWeightDevice = append(c.BlkioWeightDevice, cgroups.NewWeightDevice(w.Major, w.Minor, weight, leaf))
	}
	throttle := func(dst *[]*cgroups.ThrottleDevice, src []specs.LinuxThrottleDevice) {
		for _, t := range src {
			*dst = append(*dst, cgroups.NewThrottleDevice(t.Major, t.Minor, t.Rate))
		}
	}
	throttle(&c.BlkioThrottleReadBpsDevice, b.ThrottleReadBpsDevice)
	throttle(&c.BlkioThrottleWriteBpsDevice, b.ThrottleWriteBpsDevice)
	throttle(&c.BlkioThrottleReadIOPSDevice, b.ThrottleReadIOPSDevice)
	throttle(&c.BlkioThrottleWriteIOPSDevice, b.ThrottleWriteIOPSDevice)
}

// devices writes the rules of the v1 devices controller in their order, and
// then allows what every container needs (runtime-spec "Default Devices", the
// terminals, and the making of nodes, which the kernel judges by capability).
func (g *Group) devices(rules []specs.LinuxDeviceCgroup) error {
	dir := g.manager.GetPaths()["devices"]
	if dir == "" {
		return unsupported("linux.resources.devices on a host without the v1 devices controller (user namespaces keep containers from making device nodes)")
	}
	for _, r := range rules {
		file := "devices.deny"
		if r.Allow {
			file = "devices.allow"
		}
		if err := write(dir, file, deviceRule(r)); err != nil {
			return g.wrap("limit devices", err)
		}
	}
	for _, always := range []string{
		"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm",
		"c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm",
	} {
		if err := write(dir, "devices.allow", always); err != nil {
			return g.wrap("limit devices", err)
		}
	}
	return nil
}

func deviceRule(r specs.LinuxDeviceCgroup) string {
	n := func(p *int64) string {
		if p == nil || *p < 0 {
			return "*"
		}
		return strconv.FormatInt(*p, 10)
	}
	kind, access := r.Type, r.Access
	if kind == "" {
		kind = "a"
	}
	if access == "" {
		access = "rwm"
	}
	return fmt.Sprintf("%s %s:%s %s", kind, n(r.Major), n(r.Minor), access)
}

func unsupported(setting string) error {
	return fault.New(fault.ErrUnsupported, "unsupported-setting",
		"config.json sets "+setting+", which this runtime does not support", "setting", setting)
}

// Dir returns the folder of a controller ("pids", "memory", … or "" for
// cgroup2), for the files that this package has no word for; "" where there is
// none.
func (g *Group) Dir(controller string) string {
	d := g.manager.GetPaths()[controller]
	if d == "" && g.unified != "" {
		return filepath.Clean(g.unified)
	}
	return d
}
