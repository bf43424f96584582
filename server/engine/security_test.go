//go:build linux

package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/engine/reach"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// TestEveryConfigThatTheServerWritesIsHardened makes containers of all kinds
// and reads every config.json that is on the disk after.
func TestEveryConfigThatTheServerWritesIsHardened(t *testing.T) {
	l := newRealLab(t)
	l.stop()
	l.init = "/sbin/init-of-the-test"
	l.start()
	host := t.TempDir()
	requests := []wire.CreateContainer{
		{},
		{TTY: true, User: "ada", Hostname: "box"},
		{Init: true, Restart: &wire.Restart{Name: "always"}},
		{Security: &wire.Security{Privileged: true}},
		{Security: &wire.Security{CapAdd: []string{"ALL"}}},
		{Security: &wire.Security{CapDrop: []string{"ALL"}, NoNewPrivileges: true, ReadOnlyRoot: true}},
		{Security: &wire.Security{CapAdd: []string{"SYS_ADMIN", "NET_ADMIN"}, Groups: []string{"wheel"}, Sysctls: map[string]string{"net.ipv4.ip_forward": "1"}}},
		{Limits: &wire.Limits{Memory: 64 << 20, NanoCPUs: 5e8, Pids: 7, Shm: 1 << 20, Ulimits: []wire.Ulimit{{Name: "nofile", Soft: 5, Hard: 5}}}},
		{Mounts: []wire.MountSpec{
			{Type: wire.MountBind, Source: host, Target: "/h"},
			{Type: wire.MountVolume, Source: "vol", Target: "/v", ReadOnly: true},
			{Type: wire.MountVolume, Target: "/anon"},
			{Type: wire.MountTmpfs, Target: "/t", Options: []string{"size=1m"}},
		}},
	}
	for i, req := range requests {
		req.Image = "lab:1"
		if _, err := l.Create(socket(t), req); err != nil {
			t.Fatal(i, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(l.dir, "containers/*/config.json"))
	if err != nil || len(files) != len(requests) {
		t.Fatalf("%d config.json for %d containers (%v)", len(files), len(requests), err)
	}
	first := map[uint32]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s specs.Spec
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		hardened(t, file, &s)
		base := s.Linux.UIDMappings[0].HostID
		if other := first[base]; other != "" {
			t.Errorf("%s and %s have the same ids", other, file)
		}
		first[base] = file
		for _, m := range s.Mounts {
			if m.Type != "bind" {
				continue
			}
			known := strings.HasPrefix(m.Source, filepath.Dir(file)+"/") || strings.HasPrefix(m.Source, filepath.Join(l.dir, "volumes")+"/") ||
				m.Source == host || m.Source == l.init && slices.Contains(m.Options, "ro")
			if !known {
				t.Errorf("%s binds %s", file, m.Source)
			}
		}
	}
	t.Logf("%d config.json", len(files))
}

// hardened holds what no request changes.
func hardened(t *testing.T, name string, s *specs.Spec) {
	t.Helper()
	own := map[specs.LinuxNamespaceType]bool{}
	for _, ns := range s.Linux.Namespaces {
		own[ns.Type] = ns.Path == ""
	}
	for _, kind := range []specs.LinuxNamespaceType{"user", "mount", "pid", "network", "uts", "ipc", "cgroup"} {
		if !own[kind] {
			t.Errorf("%s: no %s namespace of its own", name, kind)
		}
	}
	for _, maps := range [][]specs.LinuxIDMapping{s.Linux.UIDMappings, s.Linux.GIDMappings} {
		if len(maps) != 1 || maps[0].ContainerID != 0 || maps[0].HostID < 65536 || maps[0].Size != bundle.IDCount {
			t.Errorf("%s: ids %+v", name, maps)
		}
	}
	c := s.Process.Capabilities
	if c == nil || len(c.Inheritable) != 0 || len(c.Ambient) != 0 { // CVE-2022-24769
		t.Errorf("%s: capabilities %+v", name, c)
	}
	for _, list := range [][]string{c.Effective, c.Permitted} {
		for _, one := range list {
			if !slices.Contains(c.Bounding, one) {
				t.Errorf("%s: %s is not in the bounding set", name, one)
			}
		}
	}
	if s.Linux.Seccomp == nil || s.Linux.Seccomp.DefaultAction != specs.ActErrno {
		t.Errorf("%s: no seccomp filter that refuses what it does not know", name)
	}
	if s.Linux.Resources == nil || s.Linux.Resources.Pids == nil || *s.Linux.Resources.Pids.Limit <= 0 || len(s.Linux.Resources.Devices) == 0 || s.Linux.Resources.Devices[0].Allow {
		t.Errorf("%s: no limit of processes or of devices", name)
	}
	if len(s.Linux.Devices) != 0 || s.Hooks != nil || s.Linux.RootfsPropagation != "" {
		t.Errorf("%s: devices %v, hooks %v, propagation %q", name, s.Linux.Devices, s.Hooks, s.Linux.RootfsPropagation)
	}
	for _, r := range s.Process.Rlimits {
		if r.Type == "RLIMIT_CORE" && r.Hard == 0 {
			return
		}
	}
	t.Errorf("%s: core files are written", name)
}

// asUser runs a command on the host as a user who is nobody there.
func asUser(t *testing.T, uid uint32, command ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestARangeReachesNeitherShimNorNeighbour tries, with the ids of a container's
// root and outside of its other namespaces, what an escape would.
func TestARangeReachesNeitherShimNorNeighbour(t *testing.T) {
	l := newRealLab(t)
	var pids []int
	var bases []uint32
	var ids []string
	for range 2 {
		c := l.run(wire.CreateContainer{TTY: true})
		s := l.open(c.ID)
		s.until("ready")
		s.typeLine("write /data/secret mine\n")
		s.until("done write")
		f, err := l.Facts(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		ids, pids, bases = append(ids, c.ID), append(pids, c.Pid), append(bases, f.UIDMap[0].Host)
	}
	shimOf := parentOf(t, pids[0])
	for what, pid := range map[string]int{"its shim": shimOf, "the neighbour": pids[1]} {
		for file, command := range map[string]string{"environ": "cat", "fd": "ls", "root/etc/passwd": "cat", "maps": "cat"} {
			path := fmt.Sprintf("/proc/%d/%s", pid, file)
			if out, err := asUser(t, bases[0], command, path); err == nil {
				t.Errorf("%s of %s can be read: %q", file, what, out)
			}
			if out, err := asUser(t, 0, command, path); err != nil {
				t.Errorf("the test's own way to %s of %s fails: %v %s", file, what, err, out)
			}
		}
		if out, err := asUser(t, bases[0], "kill", "-KILL", fmt.Sprint(pid)); err == nil {
			t.Errorf("%s can be killed: %q", what, out)
		}
		if err := ptraceAs(bases[0], pid); !errors.Is(err, unix.EPERM) {
			t.Errorf("ptrace of %s: %v", what, err)
		}
	}
	for _, id := range ids {
		upper := filepath.Join(l.dir, "containers", id, "upper/data/secret")
		for _, uid := range []uint32{bases[0], bases[1], 65534, 1000} {
			if out, err := asUser(t, uid, "cat", upper); err == nil {
				t.Errorf("user %d reads %q of %s", uid, out, upper)
			}
		}
	}
	for _, id := range ids {
		l.open(id).typeLine("echo still here\n")
		l.open(id).until("still here")
	}
}

func parentOf(t *testing.T, pid int) (parent int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "PPid:")
	if _, err := fmt.Sscan(after, &parent); err != nil || parent <= 1 {
		t.Fatalf("parent %d: %v", parent, err)
	}
	return parent
}

// ptraceAs attaches to a process from a thread of another user, which ends with
// its credentials.
func ptraceAs(uid uint32, pid int) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		// The raw calls change this thread alone.
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
			done <- e
			return
		}
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
			done <- e
			return
		}
		_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, 0, 0, 0)
		if e == 0 {
			done <- nil
			return
		}
		done <- e
	}()
	return <-done
}

// TestSetuidFilesOfContainersAreOutOfReach is CVE-2021-41091: a user of the host
// walked into the data folder and ran a container's setuid file.
func TestSetuidFilesOfContainersAreOutOfReach(t *testing.T) {
	l := newRealLab(t)
	c := l.run(wire.CreateContainer{TTY: true, Mounts: []wire.MountSpec{{Type: wire.MountVolume, Source: "vol", Target: "/v"}}})
	l.open(c.ID).until("ready")
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(l.dir, "containers", c.ID, "upper/suid"), filepath.Join(l.dir, "volumes/vol/_data/suid")} {
		if err := os.WriteFile(path, program, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o4755); err != nil {
			t.Fatal(err)
		}
		// As in production, where DATA is 0700 from the start.
		if err := os.Chmod(l.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if out, err := asUser(t, 1000, path); err == nil {
			t.Errorf("a user of the host runs %s: %q", path, out)
		}
	}
	for _, dir := range []string{"containers", "volumes", "volumes/vol", "containers/" + c.ID} {
		if st, err := os.Stat(filepath.Join(l.dir, dir)); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s has the mode %v (%v)", dir, st.Mode(), err)
		}
	}
}

// TestAllowedThingsAreGivenAndOthersAreNot holds the flags of the server.
func TestAllowedThingsAreGivenAndOthersAreNot(t *testing.T) {
	l := newRealLab(t)
	want := wire.Security{Seccomp: "unconfined", Unmasked: true, Devices: []wire.Device{{Path: "/dev/kmsg", Access: "r"}}}
	_, err := l.Create(socket(t), wire.CreateContainer{Image: "lab:1", Security: &want})
	wantCode(t, err, "not-allowed")
	l.stop()
	l.reach = reach.Policy{Unconfined: true, Devices: []string{"/dev/kmsg"}}
	l.start()
	c := l.run(wire.CreateContainer{TTY: true, Security: &want})
	l.open(c.ID).until("ready")
	f, err := l.Facts(t.Context(), c.ID)
	if err != nil || f.Seccomp != "disabled" {
		t.Errorf("seccomp %q (%v)", f.Seccomp, err)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/root/dev/kmsg", c.Pid)); err != nil {
		t.Error(err)
	}
}
