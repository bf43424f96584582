//go:build linux

package cgroup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func needUnified(t *testing.T) {
	t.Helper()
	if !cgroups.IsCgroup2UnifiedMode() {
		t.Skip("needs a host with cgroup2 alone: make test-uml boots one")
	}
}

// content reads a file of the group.
func content(t *testing.T, g *Group, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(g.Dir(""), name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func ptr[T any](v T) *T { return &v }

// disk returns the number of a block device that the kernel throttles.
func disk(t *testing.T) (major, minor int64) {
	t.Helper()
	names, err := filepath.Glob("/sys/block/ubd*/dev")
	if err != nil || len(names) == 0 {
		t.Skip("no disk to limit: make test-uml boots a machine with one")
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	var n [2]int64
	for i, f := range strings.SplitN(strings.TrimSpace(string(b)), ":", 2) {
		for _, c := range f {
			n[i] = 10*n[i] + int64(c-'0')
		}
	}
	return n[0], n[1]
}

func TestLimitsOfCgroup2(t *testing.T) {
	needUnified(t)
	major, minor := disk(t)
	rate := []specs.LinuxThrottleDevice{{Rate: 1 << 20}}
	rate[0].Major, rate[0].Minor = major, minor
	g := testGroup(t, &specs.LinuxResources{
		CPU:     &specs.LinuxCPU{Shares: ptr(uint64(4096)), Quota: ptr(int64(50000)), Period: ptr(uint64(100000))},
		Memory:  &specs.LinuxMemory{Limit: ptr(int64(64 << 20)), Reservation: ptr(int64(32 << 20)), Swap: ptr(int64(96 << 20))},
		Pids:    &specs.LinuxPids{Limit: ptr(int64(7))},
		BlockIO: &specs.LinuxBlockIO{ThrottleReadBpsDevice: rate, ThrottleWriteIOPSDevice: rate},
		Unified: map[string]string{"memory.high": "50331648"},
		Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}, {Allow: true, Type: "c", Major: ptr(int64(1)), Minor: ptr(int64(11)), Access: "r"}},
	})
	for name, want := range map[string]string{
		"cpu.max": "50000 100000", "memory.max": "67108864", "memory.low": "33554432", "memory.high": "50331648", "pids.max": "7",
	} {
		if got := content(t, g, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if w := content(t, g, "cpu.weight"); w == "100" || w == "" {
		t.Errorf("cpu.weight: %q, the default", w)
	}
	if io := content(t, g, "io.max"); !strings.Contains(io, "rbps=1048576") || !strings.Contains(io, "wiops=1048576") {
		t.Errorf("io.max: %q", io)
	}
	s, err := g.Stats()
	if err != nil || s.Pids.Limit != 7 || s.Memory.Usage.Limit != 64<<20 {
		t.Errorf("statistics: %v %+v", err, s)
	}
	if err := g.Update(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(9))}}); err != nil || content(t, g, "pids.max") != "9" || content(t, g, "memory.max") != "67108864" {
		t.Errorf("update: %v, pids.max %s, memory.max %s", err, content(t, g, "pids.max"), content(t, g, "memory.max"))
	}
	a := member(t, g)
	if s, err = g.Stats(); err != nil || s.Pids.Current == 0 || s.Memory.Usage.Usage == 0 {
		t.Errorf("statistics of a member: %v %+v", err, s)
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	a.Wait()
	if ws, ok := a.ProcessState.Sys().(interface{ Signal() unix.Signal }); ok && ws.Signal() != unix.SIGKILL {
		t.Errorf("ended by %v", ws.Signal())
	}
	if strings.Contains(content(t, g, "cgroup.events"), "populated 1") {
		t.Error("the group is not empty after its kill")
	}
}

// TestMemoryLimitKills sees that a group is told when the kernel killed for it.
func TestMemoryLimitKills(t *testing.T) {
	g := testGroup(t, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(16 << 20)), Swap: ptr(int64(16 << 20))}})
	if g.OOMKilled() {
		t.Error("killed before anything ran")
	}
	cmd := exec.Command("/proc/self/exe", append([]string{"member"}, g.Files()...)...)
	cmd.Env = append(os.Environ(), "LAYERLAB_TEST_EAT=64")
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Fatalf("64 MB fitted into 16: %s", out)
	}
	if !g.OOMKilled() {
		t.Error("the group does not know that the kernel killed in it")
	}
}
