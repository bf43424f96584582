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
