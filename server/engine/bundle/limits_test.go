package bundle

import (
	"testing"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

func TestProcessorsThatAreNotThereAreRefused(t *testing.T) {
	for list, want := range map[string]string{
		"": "", "0": "", "0-1": "", "1,0": "",
		"2":   "Requested CPUs are not available - requested 2, available: 0-1",
		"0-7": "Requested CPUs are not available - requested 0-7, available: 0-1",
		"x":   "Invalid value x for cpuset cpus", "1-0": "Invalid value 1-0 for cpuset cpus", "0,": "Invalid value 0, for cpuset cpus",
	} {
		got := ""
		if err := CheckLimits(wire.Limits{CpusetCPUs: list}, 2); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", list, got, want)
		}
	}
}

func TestWhatAnUpdateMayNotSetBesideWhatIsSet(t *testing.T) {
	for _, c := range []struct {
		have, set wire.Limits
		want      string
	}{
		{wire.Limits{}, wire.Limits{CPUShares: 5, NanoCPUs: 1e9}, ""},
		{wire.Limits{CPUPeriod: 1000}, wire.Limits{NanoCPUs: 1e9}, "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set"},
		{wire.Limits{CPUQuota: 1000}, wire.Limits{NanoCPUs: 1e9}, "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set"},
		{wire.Limits{NanoCPUs: 1e9}, wire.Limits{CPUPeriod: 1000}, "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set"},
		{wire.Limits{NanoCPUs: 1e9}, wire.Limits{CPUQuota: 1000}, "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set"},
		{wire.Limits{}, wire.Limits{Memory: 64 << 20}, "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"},
		{wire.Limits{MemorySwap: 128 << 20}, wire.Limits{Memory: 64 << 20}, ""},
		{wire.Limits{MemorySwap: 32 << 20}, wire.Limits{Memory: 64 << 20, MemorySwap: -1}, ""},
	} {
		if got := UpdateConflict(c.have, c.set); got != c.want {
			t.Errorf("%+v over %+v: %q, want %q", c.set, c.have, got, c.want)
		}
	}
}
