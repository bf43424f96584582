//go:build linux

package launch

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// asked is what a config seldom asks for, as a process finds it.
type asked struct {
	Monotonic, Boottime time.Duration
	Policy              uint32
	Nice                int32
	IOPriority          int
	Owners              map[string]string
	Mkdir               string
}

// gatherAsked makes a folder in the last of the paths, if there are any, and
// tells whose they are.
func gatherAsked(paths []string) asked {
	clock := func(id int32) time.Duration {
		var ts unix.Timespec
		unix.ClockGettime(id, &ts)
		return time.Duration(ts.Nano())
	}
	a := asked{Monotonic: clock(unix.CLOCK_MONOTONIC), Boottime: clock(unix.CLOCK_BOOTTIME), Owners: map[string]string{}}
	if attr, err := unix.SchedGetAttr(0, 0); err == nil {
		a.Policy, a.Nice = attr.Policy, attr.Nice
	}
	prio, _, _ := unix.RawSyscall(unix.SYS_IOPRIO_GET, 1, 0, 0)
	a.IOPriority = int(prio)
	if len(paths) > 0 {
		a.Mkdir = fmt.Sprint(os.Mkdir(filepath.Join(paths[len(paths)-1], "made"), 0o755))
	}
	for _, p := range paths {
		var st unix.Stat_t
		err := unix.Stat(p, &st)
		a.Owners[p] = fmt.Sprint(st.Uid, ":", st.Gid, " ", err)
	}
	return a
}

// plain takes the user namespace out of a config, and with it the filter.
func plain(s *specs.Spec) *specs.Spec {
	s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace })
	s.Linux.UIDMappings, s.Linux.GIDMappings, s.Linux.Seccomp = nil, nil, nil
	s.Process.NoNewPrivileges = false
	return s
}

func runAsked(t testing.TB, s *specs.Spec) asked {
	t.Helper()
	return readAsked(t, runSpec(t, s).out)
}

func readAsked(t testing.TB, out string) (a asked) {
	t.Helper()
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return a
}

// execAsked runs the probe in a container that waits.
func execAsked(t testing.TB, s *specs.Spec, change func(p *specs.Process), listener func(fd, pid int) error) asked {
	t.Helper()
	p, end := waitingConfig(t, Config{Spec: s, Listener: listener})
	defer end()
	x := *s.Process
	x.Args = []string{"/bin/probe", "inside:asked", "/bin"}
	if change != nil {
		change(&x)
	}
	out, _ := execConfigOut(t, p, &x, ExecConfig{Listener: listener})
	return readAsked(t, out)
}

func TestClocksOfATimeNamespace(t *testing.T) {
	needRoot(t)
	if _, err := os.Stat("/proc/self/ns/time"); err != nil {
		t.Skip("the kernel has no time namespaces")
	}
	root := rootfs(t)
	const days = 86400 * time.Second
	spec := func() *specs.Spec {
		s := serverSpec(t, root, "inside:asked")
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
		s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 86400, Nanosecs: 5}, "boottime": {Secs: 2 * 86400}}
		return s
	}
	for name, run := range map[string]func() asked{
		"user namespace": func() asked { return runAsked(t, spec()) },
		"none":           func() asked { return runAsked(t, plain(spec())) },
		"exec":           func() asked { return execAsked(t, spec(), nil, nil) },
		"exec, none":     func() asked { return execAsked(t, plain(spec()), nil, nil) },
	} {
		before := gatherAsked(nil)
		a := run()
		after := gatherAsked(nil)
		if a.Monotonic < before.Monotonic+days || a.Monotonic > after.Monotonic+days+5 ||
			a.Boottime < before.Boottime+2*days || a.Boottime > after.Boottime+2*days {
			t.Errorf("%s: %v and %v since boot; here %v and %v", name, a.Monotonic, a.Boottime, after.Monotonic, after.Boottime)
		}
	}
	s := spec()
	s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"realtime": {Secs: 1}}
	if _, err := Create(context.Background(), Config{Spec: s, Rootfs: -1}); err == nil || !strings.Contains(err.Error(), "realtime") {
		t.Errorf("an offset of the wall clock: %v", err)
	}
}

// The policy and the class are such that nobody in the container may set them.
func TestPrioritiesAreSetWithTheHostsRights(t *testing.T) {
	needRoot(t)
	root := rootfs(t)
	set := func(p *specs.Process) {
		p.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: -5}
		p.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_RT, Priority: 3}
	}
	check := func(name string, a asked) {
		if a.Policy != unix.SCHED_BATCH || a.Nice != -5 || a.IOPriority != 1<<13|3 {
			t.Errorf("%s: policy %d, nice %d, disk priority %#x", name, a.Policy, a.Nice, a.IOPriority)
		}
	}
	s := serverSpec(t, root, "inside:asked")
	set(s.Process)
	check("run", runAsked(t, s))
	s = plain(serverSpec(t, root, "inside:asked"))
	set(s.Process)
	check("run without a user namespace", runAsked(t, s))
	check("exec", execAsked(t, serverSpec(t, root), set, nil))
	s = serverSpec(t, root, "inside:asked")
	s.Process.Scheduler = &specs.Scheduler{Policy: "SCHED_FAST"}
	if _, err := Create(context.Background(), Config{Spec: s, Rootfs: -1}); err == nil || !strings.Contains(err.Error(), "SCHED_FAST") {
		t.Errorf("a policy that is not there: %v", err)
	}
}

func TestBindsWithMappedIDs(t *testing.T) {
	needRoot(t)
	root := rootfs(t)
	dir := t.TempDir()
	for name, id := range map[string]int{"zero": 0, "some": 5000, "sub/some": 5000} {
		p := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(p), 0o777)
		os.Chmod(filepath.Dir(p), 0o777)
		if err := errors.Join(os.WriteFile(p, nil, 0o644), os.Lchown(p, id, id)); err != nil {
			t.Fatal(err)
		}
	}
	// Nobody makes anything in a folder whose owner is mapped to nobody.
	if err := errors.Join(os.Chmod(dir, 0o777), os.Chown(dir, 5000, 5000)); err != nil {
		t.Fatal(err)
	}
	over := func(m ...specs.LinuxIDMapping) []specs.LinuxIDMapping { return m }
	for _, c := range []struct {
		name    string
		plain   bool
		options []string
		ids     []specs.LinuxIDMapping
		zero    string
		some    string
		made    int // on disk, by the container's root
	}{
		{"the container's own", false, []string{"rbind", "idmap"}, nil, "0:0", "5000:5000", 0},
		{"the container's own, and beneath", false, []string{"rbind", "ridmap"}, nil, "0:0", "5000:5000", 0},
		{"of its own", false, []string{"bind"}, over(specs.LinuxIDMapping{ContainerID: 5000, HostID: base, Size: 1}), "65534:65534", "0:0", 5000},
		{"no user namespace", true, []string{"bind", "idmap"}, over(specs.LinuxIDMapping{ContainerID: 5000, HostID: 0, Size: 10}), "65534:65534", "0:0", 5000},
		{"without", false, []string{"bind"}, nil, "65534:65534", "65534:65534", base},
	} {
		os.Remove(filepath.Join(dir, "made"))
		s := serverSpec(t, root, "inside:asked", "/there/zero", "/there/some", "/there/sub/some", "/there")
		if c.plain {
			s = plain(s)
		}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/there", Type: "bind", Source: dir, Options: c.options, UIDMappings: c.ids, GIDMappings: c.ids})
		a := runAsked(t, s)
		if a.Owners["/there/zero"] != c.zero+" <nil>" || a.Owners["/there/some"] != c.some+" <nil>" || a.Owners["/there/sub/some"] != c.some+" <nil>" {
			t.Errorf("%s: %v", c.name, a.Owners)
		}
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, "made"), &st); err != nil || int(st.Uid) != c.made {
			t.Errorf("%s: made in the container: user %d on disk, %v (inside: %s)", c.name, st.Uid, err, a.Mkdir)
		}
	}
	for text, m := range map[string]specs.Mount{
		"neither mappings nor":   {Type: "bind", Source: dir, Options: []string{"idmap"}},
		"no bind":                {Type: "tmpfs", Source: "tmpfs", UIDMappings: over(specs.LinuxIDMapping{Size: 1}), GIDMappings: over(specs.LinuxIDMapping{Size: 1})},
		"uidMappings and gidMap": {Type: "bind", Source: dir, UIDMappings: over(specs.LinuxIDMapping{Size: 1})},
	} {
		s := plain(serverSpec(t, root, "inside:asked"))
		m.Destination = "/there"
		s.Mounts = append(s.Mounts, m)
		if _, err := Create(context.Background(), Config{Spec: s, Rootfs: -1}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// answer is an agent that has every call that it hears of end with an error.
func answer(t *testing.T, errno syscall.Errno, heard chan<- uint32) func(fd, pid int) error {
	return func(fd, _ int) error {
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		go func() {
			defer unix.Close(own)
			for {
				var ask [80]byte // struct seccomp_notif
				if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(own), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&ask))); e != 0 {
					return // ENOENT: nobody has the filter any more
				}
				heard <- binary.NativeEndian.Uint32(ask[16:]) // data.nr
				var say [24]byte                              // struct seccomp_notif_resp: id, val, error, flags
				copy(say[:8], ask[:8])
				binary.NativeEndian.PutUint32(say[16:], uint32(-int32(errno)))
				if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(own), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&say))); e != 0 {
					t.Errorf("answer: %v", e)
					return
				}
			}
		}()
		return nil
	}
}

func TestAnAgentAnswersForTheFilter(t *testing.T) {
	needRoot(t)
	root := rootfs(t)
	filter := func() *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, ListenerPath: "/run/agent",
			Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir", "mkdirat"}, Action: specs.ActNotify}},
		}
	}
	spec := func(alone bool) *specs.Spec {
		s := serverSpec(t, root, "inside:asked", "/bin")
		if alone {
			s = plain(s)
		}
		s.Linux.Seccomp = filter()
		return s
	}
	for name, run := range map[string]func(Config) asked{
		"no_new_privs": func(c Config) asked { c.Spec = spec(false); return readAsked(t, runConfig(t, c).out) },
		"rights":       func(c Config) asked { c.Spec = spec(true); return readAsked(t, runConfig(t, c).out) },
		"exec":         func(c Config) asked { return execAsked(t, spec(false), nil, c.Listener) },
	} {
		heard := make(chan uint32, 16)
		a := run(Config{Listener: answer(t, syscall.EXDEV, heard)})
		if !strings.HasSuffix(a.Mkdir, syscall.EXDEV.Error()) {
			t.Errorf("%s: mkdir said %q", name, a.Mkdir)
		}
		if nr := <-heard; nr != unix.SYS_MKDIRAT {
			t.Errorf("%s: the agent heard of call %d", name, nr)
		}
	}
	for text, change := range map[string]func(s *specs.LinuxSeccomp){
		"listenerPath is missing": func(s *specs.LinuxSeccomp) { s.ListenerPath = "" },
		"defaultAction":           func(s *specs.LinuxSeccomp) { s.DefaultAction = specs.ActNotify },
		"for write":               func(s *specs.LinuxSeccomp) { s.Syscalls[0].Names = []string{"write"} },
	} {
		s := spec(false)
		change(s.Linux.Seccomp)
		_, err := Create(context.Background(), Config{Spec: s, Rootfs: -1, Listener: answer(t, 1, nil)})
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	_, err := Create(context.Background(), Config{Spec: spec(false), Rootfs: -1, Stdio: [3]int{-1, -1, -1}})
	var e *fault.Error
	if !errors.As(err, &e) || e.Code != "unsupported-setting" {
		t.Errorf("nobody to hand the listener to: %v", err)
	}
	_, err = Create(context.Background(), Config{Spec: spec(false), Rootfs: -1, Stdio: [3]int{-1, -1, -1}, Listener: func(int, int) error { return errors.New("nobody there") }})
	if err == nil || !strings.Contains(err.Error(), "nobody there") {
		t.Errorf("an agent that is away: %v", err)
	}
}
