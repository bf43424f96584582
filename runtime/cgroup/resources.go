//go:build linux

package cgroup

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/cgroup/devices"
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

// devices writes the rules of the v1 devices controller in their order, or makes
// them a program of the cgroup2, and then allows what every container needs
// (runtime-spec "Default Devices", the terminals, and the making of nodes, which
// the kernel judges by capability). As with runc, what no rule names is denied.
func (g *Group) devices(rules []specs.LinuxDeviceCgroup) error {
	all := []devices.Rule{{Major: -1, Minor: -1}}
	for _, r := range rules {
		all = append(all, deviceRule(r))
	}
	all = append(all, alwaysAllowed()...)
	dir := g.dirs["devices"]
	if dir == "" {
		if g.unified == "" {
			return unsupported("linux.resources.devices on a host without the v1 devices controller and without cgroup2")
		}
		return g.wrap("limit devices", devices.Limit(g.unified, all))
	}
	for _, r := range all {
		file := "devices.deny"
		if r.Allow {
			file = "devices.allow"
		}
		if err := write(dir, file, deviceLine(r)); err != nil {
			return g.wrap("limit devices", err)
		}
	}
	return nil
}

func alwaysAllowed() []devices.Rule {
	l := []devices.Rule{{Allow: true, Type: "c", Major: -1, Minor: -1, Access: "m"}, {Allow: true, Type: "b", Major: -1, Minor: -1, Access: "m"}}
	for _, n := range [][2]int64{{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}, {136, -1}} {
		l = append(l, devices.Rule{Allow: true, Type: "c", Major: n[0], Minor: n[1]})
	}
	return l
}

func deviceRule(r specs.LinuxDeviceCgroup) devices.Rule {
	n := func(p *int64) int64 {
		if p == nil || *p < 0 {
			return -1
		}
		return *p
	}
	return devices.Rule{Allow: r.Allow, Type: r.Type, Major: n(r.Major), Minor: n(r.Minor), Access: r.Access}
}

// deviceLine is a rule as devices.allow and devices.deny take it.
func deviceLine(r devices.Rule) string {
	n := func(n int64) string {
		if n < 0 {
			return "*"
		}
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%s %s:%s %s", cmp.Or(r.Type, "a"), n(r.Major), n(r.Minor), cmp.Or(r.Access, "rwm"))
}

func unsupported(setting string) error {
	return fault.New(fault.ErrUnsupported, "unsupported-setting",
		"config.json sets "+setting+", which this runtime does not support", "setting", setting)
}

// Dir returns the folder of a controller ("pids", "memory", … or "" for
// cgroup2), for the files that this package has no word for; "" where there is
// none.
func (g *Group) Dir(controller string) string {
	d := g.dirs[controller]
	if d == "" && g.unified != "" {
		return filepath.Clean(g.unified)
	}
	return d
}
