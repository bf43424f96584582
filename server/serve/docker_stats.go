//go:build linux

package serve

import (
	"context"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/server/engine"
)

// Stats gives the engine's counters Docker's form.
func (d dockerContainers) Stats(ctx context.Context, id string, interval time.Duration, use func(container.StatsResponse) error) error {
	return d.Usages(ctx, id, interval, func(u engine.Usage) error { return use(dockerStats(u)) })
}

func dockerStats(u engine.Usage) container.StatsResponse {
	v := container.StatsResponse{Read: u.At}
	cpu := &v.CPUStats
	cpu.CPUUsage = container.CPUUsage{
		TotalUsage: u.CPU.Usage.Total, PercpuUsage: u.CPU.Usage.Percpu,
		UsageInKernelmode: u.CPU.Usage.Kernel, UsageInUsermode: u.CPU.Usage.User,
	}
	cpu.ThrottlingData = container.ThrottlingData{
		Periods: u.CPU.Throttling.Periods, ThrottledPeriods: u.CPU.Throttling.ThrottledPeriods, ThrottledTime: u.CPU.Throttling.ThrottledTime,
	}
	cpu.SystemUsage, cpu.OnlineCPUs = u.HostCPU, uint32(u.CPUs)
	m := u.Memory.Usage
	v.MemoryStats = container.MemoryStats{Usage: m.Usage, MaxUsage: m.Max, Failcnt: m.Failcnt, Limit: min(m.Limit, u.HostMemory), Stats: u.Memory.Raw}
	v.PidsStats = container.PidsStats{Current: u.Pids.Current, Limit: u.Pids.Limit}
	v.BlkioStats.IoServiceBytesRecursive = blkio(u.Blkio.Bytes)
	v.BlkioStats.IoServicedRecursive = blkio(u.Blkio.Calls)
	v.Networks = map[string]container.NetworkStats{}
	for name, n := range u.Networks {
		v.Networks[name] = container.NetworkStats{
			RxBytes: n.RxBytes, RxPackets: n.RxPackets, RxErrors: n.RxErrors, RxDropped: n.RxDropped,
			TxBytes: n.TxBytes, TxPackets: n.TxPackets, TxErrors: n.TxErrors, TxDropped: n.TxDropped,
		}
	}
	return v
}

func blkio(list []cgroup.IO) []container.BlkioStatEntry {
	out := []container.BlkioStatEntry{}
	for _, e := range list {
		out = append(out, container.BlkioStatEntry{Major: e.Major, Minor: e.Minor, Op: e.Op, Value: e.Value})
	}
	return out
}
