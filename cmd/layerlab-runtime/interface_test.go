//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// alive reports whether a process is there and has not ended.
func alive(t *testing.T, pid string) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	f := strings.Fields(string(b)[strings.LastIndexByte(string(b), ')')+1:])
	return f[0] != "Z" && f[0] != "X"
}

// gone waits for the end of a process that is not our child.
func gone(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(n, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	for {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10000)
		if err == unix.EINTR {
			continue
		}
		if err != nil || ready == 0 {
			t.Errorf("process %s is still there: %v", pid, err)
		}
		return
	}
}

func TestKillAllReachesEveryProcess(t *testing.T) {
	b := newBench(t)
	// Without a pid namespace the first process takes nobody with it.
	b.config([]string{"wait"}, func(s *specs.Spec) {
		s.Linux.Namespaces = s.Linux.Namespaces[1:]
		s.Mounts = s.Mounts[1:] // proc of the host's processes
	})
	b.want(0, "", "create", "-b", b.bundle, "--pid-file", b.dir+"/first", "k1")
	b.want(0, "", "start", "k1")
	b.want(0, "", "exec", "--detach", "--pid-file", b.dir+"/second", "k1", "/bin/probe", "wait")
	var pids []string
	for _, f := range []string{"first", "second"} {
		p, err := os.ReadFile(filepath.Join(b.dir, f))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, string(p))
		if !alive(t, string(p)) {
			t.Errorf("%s process %s does not run", f, p)
		}
	}
	var listed []int
	if err := json.Unmarshal([]byte(b.want(0, "", "ps", "--format", "json", "k1")), &listed); err != nil || len(listed) != 2 ||
		fmt.Sprint(listed[0]) != pids[0] && fmt.Sprint(listed[0]) != pids[1] {
		t.Errorf("ps: %v %v, want %v", err, listed, pids)
	}
	b.want(0, "", "kill", "--all", "k1", "KILL")
	for _, p := range pids {
		gone(t, p)
	}
	b.until("k1", "stopped")
	b.want(0, "", "kill", "--all", "k1", "KILL") // nobody left is no error with --all
	b.want(0, "", "delete", "k1")
}

func TestExecTakesAProcessFromAFile(t *testing.T) {
	b := newBench(t)
	b.config([]string{"wait"}, nil)
	b.want(0, "", "run", "-d", "-b", b.bundle, "e1")
	file := filepath.Join(b.dir, "process.json")
	write := func(p specs.Process) {
		t.Helper()
		raw, err := json.Marshal(p)
		if err == nil {
			err = os.WriteFile(file, raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(specs.Process{Args: []string{"/bin/probe", "status"}, Cwd: "/", Env: []string{"FROM=file"}, User: specs.User{UID: 12, GID: 34}})
	out := b.want(0, "env FROM=file", "exec", "--process", file, "e1")
	for _, want := range []string{"Uid:\t12\t12\t12\t12", "Gid:\t34\t34\t34\t34", "CapEff:\t0000000000000000"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in %s", want, out)
		}
	}
	write(specs.Process{Args: []string{"/bin/probe", "exit", "9"}, Cwd: "/"})
	b.want(9, "", "exec", "-p", file, "e1")
	write(specs.Process{Args: []string{"/bin/probe"}, Cwd: "not/absolute"})
	b.want(255, "process.cwd", "exec", "-p", file, "e1")
	b.want(255, "no such file", "exec", "-p", file+"x", "e1")
	b.want(0, "Uid:\t7\t7\t7\t7", "exec", "--user", "7:8", "e1", "/bin/probe", "status")
	b.want(255, "cannot allocate tty", "exec", "-d", "-t", "e1", "/bin/probe")
	b.want(255, "--cgroup", "exec", "--cgroup", "x", "e1", "/bin/probe")
	b.want(0, "", "delete", "--force", "e1")
	b.want(0, "", "delete", "--force", "e1")
	b.want(1, "container does not exist", "delete", "e1")
}

func TestHooksAreStoppedWhenTheirTimeIsOver(t *testing.T) {
	b := newBench(t)
	host := filepath.Join(b.bundle, "rootfs/bin/probe")
	one := 1
	for _, c := range []struct {
		name  string
		path  string
		set   func(h *specs.Hooks, l []specs.Hook)
		fatal bool
	}{
		//lint:ignore SA1019 prestart is deprecated, but Docker's network plugins use it
		{"prestart", host, func(h *specs.Hooks, l []specs.Hook) { h.Prestart = l }, true},
		{"createRuntime", host, func(h *specs.Hooks, l []specs.Hook) { h.CreateRuntime = l }, true},
		{"createContainer", host, func(h *specs.Hooks, l []specs.Hook) { h.CreateContainer = l }, true},
		{"startContainer", "/bin/probe", func(h *specs.Hooks, l []specs.Hook) { h.StartContainer = l }, true},
		{"poststart", host, func(h *specs.Hooks, l []specs.Hook) { h.Poststart = l }, false},
		{"poststop", host, func(h *specs.Hooks, l []specs.Hook) { h.Poststop = l }, false},
	} {
		b.config([]string{"print", "ran"}, func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{}
			c.set(s.Hooks, []specs.Hook{{Path: c.path, Args: []string{"probe", "wait"}, Timeout: &one}})
		})
		began := time.Now()
		if c.fatal {
			b.want(1, "error running "+c.name+" hook #0", "run", "-b", b.bundle, "h-"+c.name)
		} else {
			b.want(0, "ran", "run", "-b", b.bundle, "h-"+c.name)
		}
		if d := time.Since(began); d < time.Second {
			t.Errorf("%s was not waited for: %s", c.name, d)
		}
		b.want(0, "", "list", "-q")
	}
	if l, _ := filepath.Glob("/sys/fs/cgroup/*/layerlab-test/" + b.name() + "*"); len(l) != 0 {
		t.Errorf("cgroups are left: %v", l)
	}
}

func TestRunTicksOffItsPlan(t *testing.T) {
	b := newBench(t)
	b.config([]string{"print", "ran"}, nil)
	out := b.want(0, "ran\n", "run", "--trace", "-b", b.bundle, "t1")
	ok := regexp.MustCompile(`(?m)^  ok +\d+\.\d{3} ms (host|parent|child|join): .+$`).FindAllString(out, -1)
	if len(ok) < 30 || !strings.Contains(ok[len(ok)-1], "child: become /bin/probe print ran") || strings.Contains(out, "  --") {
		t.Errorf("%d steps: %s", len(ok), out)
	}
}

// TestRunsWhereClone3IsRefused: filters of older engines do, in whose containers
// this runtime may run. Then there is a fork that copies memory, and the child
// joins its cgroups by itself.
func TestRunsWhereClone3IsRefused(t *testing.T) {
	b := newBench(t)
	b.config([]string{"wait"}, nil)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	call := func(args ...string) string {
		t.Helper()
		out, err := os.CreateTemp(b.dir, "out") // the container keeps it open
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		cmd := exec.Command(self, append([]string{"without-clone3", b.bin, "--root", b.root}, args...)...)
		cmd.Stdout, cmd.Stderr = out, out
		err = cmd.Run()
		said, _ := os.ReadFile(out.Name())
		if err != nil {
			t.Fatalf("%v: %v: %s", args, err, said)
		}
		return string(said)
	}
	call("create", "-b", b.bundle, "f1")
	call("start", "f1")
	if got := call("exec", "f1", "/bin/probe", "print", "hello"); got != "hello\n" {
		t.Errorf("%q", got)
	}
	pids := strings.Split(strings.Trim(call("ps", "--format", "json", "f1"), "[]\n"), ",")
	if len(pids) != 1 || pids[0] == "" {
		t.Errorf("processes %q in the container's cgroup", pids)
	}
	b.want(0, "", "delete", "--force", "f1")
}

// withoutClone3 becomes a program that cannot clone3(2): ENOSYS, as Docker 20.10
// answers for calls that it does not know.
func withoutClone3(argv []string) error {
	runtime.LockOSThread()
	const (
		load, equal, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
		allow, refuse    = 0x7fff0000, 0x00050000 | uint32(unix.ENOSYS)
	)
	f := []unix.SockFilter{
		{Code: load, K: 0},
		{Code: equal, K: unix.SYS_CLONE3, Jf: 1},
		{Code: ret, K: refuse},
		{Code: ret, K: allow},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	p := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&p)), 0, 0); err != nil {
		return err
	}
	return unix.Exec(argv[0], argv, os.Environ())
}

// TestATraceTellsHowFarACreateCame: what was done, what failed, what was not
// begun, in that order, and then the error.
func TestATraceTellsHowFarACreateCame(t *testing.T) {
	b := newBench(t)
	b.config(nil, func(s *specs.Spec) { s.Process.Args = []string{"/bin/absent"} })
	for _, command := range []string{"create", "run"} {
		out := b.want(1, "no such file or directory", command, "--trace", "-b", b.bundle, "t2")
		shape := regexp.MustCompile(`(?s)^(  ok [^\n]+\n){20,}FAIL [^\n]+ child: find /bin/absent: lookup[^\n]+: ENOENT\n(  -- [^\n]+\n)+layerlab-runtime: [^\n]+\n$`)
		if !shape.MatchString(out) {
			t.Errorf("%s: %s", command, out)
		}
	}
	b.want(0, "", "list", "-q")
}

// TestPlanNeedsNoRights prints the plan as nobody, who may do nothing of it.
func TestPlanNeedsNoRights(t *testing.T) {
	b := newBench(t)
	b.config(nil, nil)
	for p := b.dir; p != os.TempDir() && p != "/"; p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(b.bin, "plan", "--bundle", b.bundle)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "pivot_root") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestSystemdIsRefusedWithTheReason(t *testing.T) {
	b := newBench(t)
	b.config(nil, nil)
	want := "--systemd-cgroup is not supported"
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		want += ", and systemd is not reachable here"
	}
	b.want(1, want, "--systemd-cgroup", "run", "-b", b.bundle, "s1")
	b.want(0, `"systemd": false`, "--systemd-cgroup", "features")
}
