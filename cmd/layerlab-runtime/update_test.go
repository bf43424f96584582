//go:build linux

package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// cgroupFile returns a file of a process's cgroups, false if this host has none of
// that name.
func cgroupFile(t *testing.T, pid int, name string) (string, bool) {
	t.Helper()
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		f := strings.SplitN(line, ":", 3)
		for _, dir := range []string{f[1], "unified", "."} {
			if b, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", dir, f[2], name)); err == nil {
				return strings.TrimSpace(string(b)), true
			}
		}
	}
	return "", false
}

func TestUpdateChangesEveryLimit(t *testing.T) {
	b := newBench(t)
	b.config([]string{"wait"}, nil)
	b.want(0, "", "create", "--bundle", b.bundle, "u1")
	defer b.run("delete", "--force", "u1")
	var st described
	if err := json.Unmarshal([]byte(b.want(0, "", "state", "u1")), &st); err != nil {
		t.Fatal(err)
	}
	check := func(want map[string]string) {
		t.Helper()
		seen := 0
		for name, value := range want {
			got, ok := cgroupFile(t, st.Pid, name)
			if !ok {
				continue // of the other version of cgroups, or of a newer kernel
			}
			if seen++; got != value {
				t.Errorf("%s is %q, want %q", name, got, value)
			}
		}
		if seen < 3 {
			t.Errorf("of %v there are %d", want, seen)
		}
	}
	sets := []string{}
	if _, ok := cgroupFile(t, st.Pid, "cpuset.cpus"); ok {
		sets = []string{"--cpuset-cpus", "0", "--cpuset-mems", "0"}
	}
	b.want(0, "", append(append([]string{"update"}, sets...), "--memory", "64M", "--memory-reservation", "33554432", "--memory-swap", "128m",
		"--cpu-period", "50000", "--cpu-quota", "20000", "--cpu-burst", "10000", "--cpu-share", "512",
		"--pids-limit", "44", "u1")...)
	check(map[string]string{
		"memory.limit_in_bytes": "67108864", "memory.max": "67108864",
		"memory.soft_limit_in_bytes": "33554432", "memory.low": "33554432",
		"memory.memsw.limit_in_bytes": "134217728", "memory.swap.max": "67108864",
		"cpu.cfs_period_us": "50000", "cpu.cfs_quota_us": "20000", "cpu.max": "20000 50000",
		"cpu.cfs_burst_us": "10000", "cpu.max.burst": "10000", "cpu.shares": "512",
		"cpuset.cpus": "0", "cpuset.mems": "0", "pids.max": "44",
	})
	// What is not named stays.
	b.want(0, "", "update", "--pids-limit", "45", "u1")
	check(map[string]string{
		"pids.max": "45", "memory.limit_in_bytes": "67108864", "memory.max": "67108864",
		"cpu.cfs_quota_us": "20000", "cpu.max": "20000 50000", "cpuset.cpus": "0",
	})
	// A file says all that config.json can; both limits rise, which they may in
	// one order only.
	file := filepath.Join(b.dir, "limits")
	if err := os.WriteFile(file, []byte(`{"memory":{"limit":268435456,"swap":536870912,"swappiness":7},
		"cpu":{"quota":-1,"idle":1},"pids":{"limit":-1},
		"devices":[{"allow":true,"type":"c","major":10,"minor":200,"access":"rw"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	b.want(0, "", "update", "--resources", file, "--pids-limit", "3", "u1")
	check(map[string]string{
		"memory.limit_in_bytes": "268435456", "memory.max": "268435456",
		"memory.memsw.limit_in_bytes": "536870912", "memory.swap.max": "268435456", "memory.swappiness": "7",
		"cpu.cfs_quota_us": "-1", "cpu.max": "max 50000", "cpu.idle": "1", "pids.max": "max",
	})
	if list, ok := cgroupFile(t, st.Pid, "devices.list"); ok && !strings.Contains(list, "c 10:200 rw") {
		t.Errorf("devices: %q", list)
	}
	b.want(1, "is not a number", "update", "--memory", "64 apples", "u1")
	b.want(1, "--l3-cache-schema", "update", "--l3-cache-schema", "L3:0=f", "u1")
	b.want(1, "container does not exist", "update", "--pids-limit", "3", "absent")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.want(1, "read "+file, "update", "-r", file, "u1")
}

// The agent gets what runtime-spec promises it: who asks, the container's state,
// and a descriptor that hears.
func TestTheAgentOfAFilterIsTold(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(b.dir, "agent")
	agent, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	b.config([]string{"wait"}, func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, ListenerPath: path, ListenerMetadata: "mine",
			Syscalls: []specs.LinuxSyscall{{Names: []string{"swapon"}, Action: specs.ActNotify}},
		}
	})
	told := make(chan specs.ContainerProcessState, 2)
	go func() {
		defer close(told)
		for range 2 {
			conn, err := agent.AcceptUnix()
			if err != nil {
				return
			}
			raw, rights := make([]byte, 1<<16), make([]byte, 64)
			n, m, _, _, err := conn.ReadMsgUnix(raw, rights)
			conn.Close()
			if err != nil {
				t.Error(err)
				return
			}
			var st specs.ContainerProcessState
			if err := json.Unmarshal(raw[:n], &st); err != nil {
				t.Error(err)
			}
			messages, err := unix.ParseSocketControlMessage(rights[:m])
			if err != nil || len(messages) != 1 {
				t.Errorf("%d messages, %v", len(messages), err)
				return
			}
			fds, err := unix.ParseUnixRights(&messages[0])
			if err != nil || len(fds) != 1 {
				t.Errorf("descriptors %v, %v", fds, err)
				return
			}
			if to, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fds[0])); !strings.Contains(to, "seccomp notify") {
				t.Errorf("the descriptor is %s", to)
			}
			unix.Close(fds[0])
			told <- st
		}
	}()
	b.want(0, "", "create", "--bundle", b.bundle, "n1")
	defer b.run("delete", "--force", "n1")
	var st described
	if err := json.Unmarshal([]byte(b.want(0, "", "state", "n1")), &st); err != nil {
		t.Fatal(err)
	}
	got := <-told
	if got.Pid != st.Pid || got.Metadata != "mine" || len(got.Fds) != 1 || got.Fds[0] != "seccompFd" ||
		got.State.ID != "n1" || got.State.Status != "creating" || got.State.Pid != st.Pid || got.State.Bundle != b.bundle {
		t.Errorf("%+v", got)
	}
	b.want(0, "", "start", "n1")
	b.until("n1", "running")
	b.want(0, "hello\n", "exec", "n1", "/bin/probe", "print", "hello")
	got = <-told
	if got.Pid == st.Pid || got.State.Status != "running" || got.State.Pid != st.Pid {
		t.Errorf("exec: %+v", got)
	}
	agent.Close()
	b.want(255, "listenerPath", "exec", "n1", "/bin/probe")
	b.want(0, "", "kill", "n1", "KILL")
	b.until("n1", "stopped")
	b.want(0, "", "delete", "n1")
	b.want(1, "listenerPath", "create", "--bundle", b.bundle, "n2")
	b.want(1, "container does not exist", "state", "n2")
}
