//go:build linux

package cgroup

import "github.com/opencontainers/cgroups"

// Stats is what a group used, in the form of the events that runc prints.
type Stats struct {
	CPU struct {
		Usage struct {
			Total  uint64   `json:"total"` // nanoseconds, as are all times here
			Percpu []uint64 `json:"percpu,omitempty"`
			Kernel uint64   `json:"kernel"`
			User   uint64   `json:"user"`
		} `json:"usage"`
		Throttling struct {
			Periods          uint64 `json:"periods,omitempty"`
			ThrottledPeriods uint64 `json:"throttledPeriods,omitempty"`
			ThrottledTime    uint64 `json:"throttledTime,omitempty"`
		} `json:"throttling"`
	} `json:"cpu"`
	Memory struct {
		Usage struct {
			Limit   uint64 `json:"limit"` // bytes
			Usage   uint64 `json:"usage,omitempty"`
			Max     uint64 `json:"max,omitempty"`
			Failcnt uint64 `json:"failcnt"` // how often the limit was hit
		} `json:"usage"`
		Raw map[string]uint64 `json:"raw,omitempty"` // the kernel's memory.stat
	} `json:"memory"`
	Pids struct {
		Current uint64 `json:"current,omitempty"`
		Limit   uint64 `json:"limit,omitempty"` // 0: none
	} `json:"pids"`
	Blkio struct {
		Bytes []IO `json:"ioServiceBytesRecursive,omitempty"`
		Calls []IO `json:"ioServicedRecursive,omitempty"` // read and write operations
	} `json:"blkio"`
}

// IO is what went to or from a block device.
type IO struct {
	Major uint64 `json:"major"`
	Minor uint64 `json:"minor"`
	Op    string `json:"op"` // Read, Write, …
	Value uint64 `json:"value"`
}

// Stats returns what the group used.
func (g *Group) Stats() (*Stats, error) {
	m, err := g.library()
	if err != nil {
		return nil, g.wrap("open", err)
	}
	s, err := m.GetStats()
	if err != nil {
		return nil, g.wrap("read statistics", err)
	}
	return shape(s), nil
}

func shape(s *cgroups.Stats) *Stats {
	var u Stats
	c := s.CpuStats
	u.CPU.Usage.Total, u.CPU.Usage.Percpu = c.CpuUsage.TotalUsage, c.CpuUsage.PercpuUsage
	u.CPU.Usage.Kernel, u.CPU.Usage.User = c.CpuUsage.UsageInKernelmode, c.CpuUsage.UsageInUsermode
	u.CPU.Throttling.Periods, u.CPU.Throttling.ThrottledPeriods = c.ThrottlingData.Periods, c.ThrottlingData.ThrottledPeriods
	u.CPU.Throttling.ThrottledTime = c.ThrottlingData.ThrottledTime
	m := s.MemoryStats
	u.Memory.Usage.Limit, u.Memory.Usage.Usage = m.Usage.Limit, m.Usage.Usage
	u.Memory.Usage.Max, u.Memory.Usage.Failcnt, u.Memory.Raw = m.Usage.MaxUsage, m.Usage.Failcnt, m.Stats
	u.Pids.Current, u.Pids.Limit = s.PidsStats.Current, s.PidsStats.Limit
	u.Blkio.Bytes, u.Blkio.Calls = io(s.BlkioStats.IoServiceBytesRecursive), io(s.BlkioStats.IoServicedRecursive)
	return &u
}

func io(list []cgroups.BlkioStatEntry) (out []IO) {
	for _, e := range list {
		out = append(out, IO{Major: e.Major, Minor: e.Minor, Op: e.Op, Value: e.Value})
	}
	return out
}
