//go:build linux

package launch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/sealed"
)

func factsOf(t *testing.T, s *specs.Spec) facts {
	t.Helper()
	r := runSpec(t, s)
	var f facts
	if err := json.Unmarshal([]byte(r.out), &f); err != nil {
		t.Fatalf("%v: %q %+v", err, r.out, r.status)
	}
	return f
}

func TestContainerSeesItselfOnly(t *testing.T) {
	needRoot(t)
	t.Setenv("SECRET", "of the launcher")
	s := serverSpec(t, rootfs(t), "inside:facts")
	s.Linux.CgroupsPath = "/layerlab-test/" + filepath.Base(t.TempDir()) + "-facts"
	limit := int64(64)
	s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}
	// Two that every kernel has, whatever it was built with.
	s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/proc/version", "/proc/driver")
	s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}, {Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}}
	f := factsOf(t, s)
	for k, want := range map[string]string{
		"NSpid": "1", "NSsid": "1", "PPid": "0", "Uid": "0\t0\t0\t0", "Gid": "0\t0\t0\t0", "Groups": "", "NoNewPrivs": "1", "Seccomp": "2",
		"CapInh": "0000000000000000", "CapAmb": "0000000000000000", "CapEff": "00000000a80425fb", "CapPrm": "00000000a80425fb", "CapBnd": "00000000a80425fb",
	} {
		if f.Status[k] != want {
			t.Errorf("%s: %q, want %q", k, f.Status[k], want)
		}
	}
	if !slices.Equal(f.FDs, []string{"0", "1", "2"}) {
		t.Errorf("descriptors %v (CVE-2024-21626)", f.FDs)
	}
	if !slices.Equal(f.Env, s.Process.Env) {
		t.Errorf("environment %q", f.Env)
	}
	if f.Hostname != "probe" || f.Cwd != "/work" || !f.Loopback || f.Umask != 0o22 || !slices.Equal(f.Processes, []string{"1"}) {
		t.Errorf("%+v", f)
	}
	for _, l := range strings.Split(strings.TrimSpace(f.Cgroup), "\n") {
		if !strings.HasSuffix(l, ":/") {
			t.Errorf("cgroup %q", l)
		}
	}
	if f.Core != (unix.Rlimit{}) || f.NoFile.Max != 200 {
		t.Errorf("limits: core %+v, files %+v", f.Core, f.NoFile)
	}
	for what, want := range map[string]string{
		"mount": "EPERM", "unshare": "EPERM", "keyctl": "EPERM", "bpf": "EPERM", "io_uring": "EPERM", "clone3": "ENOSYS",
		"clone newuser": "EPERM", "vsock": "EPERM", "af_alg": "EPERM", "mknod": "EPERM", "pivot_root": "EPERM",
		"write sysctl": "EROFS", "write /dev/null": "done", "read /dev/zero": "done",
		"masked file": "0 bytes <nil>", "masked folder": "0 entries <nil>", "write masked": "EROFS", "above root": "bin dev proc sys work", "gain SYS_ADMIN": "EPERM",
	} {
		if f.Errors[what] != want {
			t.Errorf("%s: %q, want %q", what, f.Errors[what], want)
		}
	}
	if w := f.Errors["write sysfs"]; w != "EROFS" && w != "ENOENT" && w != "EACCES" {
		t.Errorf("write sysfs: %q", w)
	}
	if !strings.HasPrefix(f.Errors["firmware"], "0 entries") {
		t.Errorf("firmware: %q", f.Errors["firmware"])
	}
}

func TestOrdinaryUserHasNoCapabilities(t *testing.T) {
	needRoot(t)
	mask := uint32(0o077)
	s := serverSpec(t, rootfs(t), "inside:facts", "/etc/given", "/proc/sys/net/ipv4/ip_unprivileged_port_start")
	s.Process.User = specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{5, 6}, Umask: &mask}
	s.Process.Capabilities.Ambient = []string{"CAP_NET_BIND_SERVICE"}
	s.Process.Capabilities.Inheritable = []string{"CAP_NET_BIND_SERVICE"}
	s.Linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"}
	s.Root.Readonly = true
	dir := t.TempDir() // 0700 on the way: the container's ids may not walk here
	file := filepath.Join(dir, "given")
	if err := os.WriteFile(file, []byte("from the host"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/etc/given", Type: "bind", Source: file, Options: []string{"rbind", "ro", "rprivate"}})
	f := factsOf(t, s)
	for k, want := range map[string]string{
		"Uid": "1000\t1000\t1000\t1000", "Gid": "1001\t1001\t1001\t1001", "Groups": "5 6",
		"CapEff": "0000000000000400", "CapAmb": "0000000000000400",
	} {
		if f.Status[k] != want {
			t.Errorf("%s: %q, want %q", k, f.Status[k], want)
		}
	}
	if f.Umask != 0o77 || f.Files["/etc/given"] != "from the host <nil>" || f.Files["/proc/sys/net/ipv4/ip_unprivileged_port_start"] != "0 <nil>" {
		t.Errorf("%o %v", f.Umask, f.Files)
	}
}

func TestTerminalIsTheContainersOwn(t *testing.T) {
	needRoot(t)
	s := serverSpec(t, rootfs(t), "inside:tty")
	s.Process.Terminal = true
	s.Process.User.UID = 33
	p, err := Create(context.Background(), Config{Spec: s, Rootfs: -1, Cols: 132, Rows: 43})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	out, _ := io.ReadAll(p.Master()) // EIO when the last end inside closes
	p.Wait()
	want := "132x43 /dev/pts/0 uid 33 gid 5 foreground true console true\r\nwritten to the console\r\n"
	if string(out) != want {
		t.Fatalf("%q, want %q", out, want)
	}
}

// wait runs a container that ends when the returned function is called.
func waiting(t testing.TB, s *specs.Spec) (*Process, func()) {
	t.Helper()
	return waitingConfig(t, Config{Spec: s})
}

// waitingConfig is waiting with more than a spec.
func waitingConfig(t testing.TB, c Config) (*Process, func()) {
	t.Helper()
	c.Spec.Process.Args = []string{"/bin/probe", "inside:wait"}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Rootfs, c.Stdio = -1, [3]int{int(r.Fd()), -1, -1}
	p, err := Create(context.Background(), c)
	r.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p, func() {
		w.Close()
		p.Wait()
		p.Close()
	}
}

func execOut(t testing.TB, target *Process, p *specs.Process) (string, unix.WaitStatus) {
	t.Helper()
	return execConfigOut(t, target, p, ExecConfig{})
}

// execConfigOut is execOut with more than a process.
func execConfigOut(t testing.TB, target *Process, p *specs.Process, c ExecConfig) (string, unix.WaitStatus) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c.Stdio = [3]int{-1, int(w.Fd()), int(w.Fd())}
	e, err := Exec(context.Background(), target, p, c)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	ws, err := e.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return string(out), ws
}

func TestExecJoinsTheContainer(t *testing.T) {
	needRoot(t)
	s := serverSpec(t, rootfs(t))
	p, end := waiting(t, s)
	defer end()
	x := *s.Process
	x.Args = []string{"probe", "inside:facts"}
	out, _ := execOut(t, p, &x)
	var f facts
	if err := json.Unmarshal([]byte(out), &f); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	if f.Hostname != "probe" || f.Status["CapEff"] != "00000000a80425fb" || f.Status["Seccomp"] != "2" || f.Status["PPid"] != "0" ||
		!slices.Equal(f.FDs, []string{"0", "1", "2"}) || len(f.Processes) != 2 || f.Errors["mount"] != "EPERM" {
		t.Errorf("%+v", f)
	}
	x.Args = []string{"absent"}
	_, err := Exec(context.Background(), p, &x, ExecConfig{Stdio: [3]int{-1, -1, -1}})
	var e *fault.Error
	if !errors.As(err, &e) || e.Code != "command-not-found" {
		t.Errorf("absent command: %v", err)
	}
	x.Args, x.Terminal = []string{"probe", "inside:tty"}, true
	tty, err := Exec(context.Background(), p, &x, ExecConfig{Cols: 90, Rows: 30})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(tty.Master())
	tty.Wait()
	tty.Close()
	if !strings.HasPrefix(string(b), "90x30 /dev/pts/0 uid 0 gid 5 foreground true") {
		t.Errorf("%q", b)
	}
}

func TestKilledBeforeItsStart(t *testing.T) {
	needRoot(t)
	p, err := Create(context.Background(), Config{Spec: serverSpec(t, rootfs(t), "inside:hello"), Rootfs: -1, Stdio: [3]int{-1, -1, -1}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if ws, err := p.Wait(); err != nil || ws.Signal() != unix.SIGKILL {
		t.Fatalf("%v %v", ws, err)
	}
}

func TestTraceTellsEveryStep(t *testing.T) {
	needRoot(t)
	p, end := waiting(t, serverSpec(t, rootfs(t)))
	defer end()
	tr, pl := p.Trace(), p.Plan()
	if len(tr) != len(pl.Steps) {
		t.Errorf("%d results of %d steps", len(tr), len(pl.Steps))
	}
	for i, r := range tr {
		if !r.OK || r.Calls == 0 || r.Took < 0 {
			t.Errorf("%+v", r)
		}
		if s := pl.Steps[r.Step]; s.Code != r.Code || s.Words == "" || s.Call == "" {
			t.Errorf("%d: %+v", i, s)
		}
	}
	if last := tr[len(tr)-1].Code; last != "execute" {
		t.Errorf("ends with %s", last)
	}
}

// TestOwnProgramCannotBeOverwritten: a command that is a link to
// /proc/self/exe runs our own program inside (CVE-2019-5736).
func TestOwnProgramCannotBeOverwritten(t *testing.T) {
	needRoot(t)
	if p, err := static(); err != nil || p != selfExe {
		// This program needs a dynamic linker and would not even start inside:
		// let the static build try.
		out, err := osexec.Command(p, "-test.run", "^"+t.Name()+"$", "-test.v").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	root := rootfs(t)
	if err := os.Symlink("/proc/self/exe", filepath.Join(root, "bin/self")); err != nil {
		t.Fatal(err)
	}
	s := serverSpec(t, root, "inside:overwrite")
	s.Process.Args[0] = "/bin/self"
	r := runSpec(t, s)
	if !strings.Contains(r.out, "permission denied") {
		t.Errorf("open our program for writing: %q", r.out)
	}
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := sealed.Copy("probe", f)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("write sealed memory: %v", err)
	}
	if _, err := m.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
}

// TestWorkingFolderOutside: descriptors of the launcher are no way out
// (CVE-2024-21626).
func TestWorkingFolderOutside(t *testing.T) {
	withAndWithoutUsers(t, tryWorkingFolders)
}

func tryWorkingFolders(t *testing.T, _ string, s *specs.Spec) {
	host, err := os.Open("/etc")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	s.Process.Args = []string{"/bin/probe", "inside:hello"}
	for fd := 3; fd < 40; fd++ {
		s.Process.Cwd = "/proc/self/fd/" + strconv.Itoa(fd)
		p, err := Create(context.Background(), Config{Spec: s, Rootfs: -1, Stdio: [3]int{-1, -1, -1}})
		if err == nil {
			p.Signal(unix.SIGKILL)
			p.Wait()
			p.Close()
			t.Errorf("a working folder of %s was accepted", s.Process.Cwd)
		}
	}
}

func TestLinksOfTheImageLeadNowhere(t *testing.T) {
	withAndWithoutUsers(t, tryLinks)
}

func tryLinks(t *testing.T, _ string, given *specs.Spec) {
	outside := t.TempDir()
	for _, c := range []struct {
		name, link, target, dest, code string
	}{
		{"proc is a link", "proc", "/tmp", "/tmp/x", "step-failed"},
		{"mount over proc", "data", "/proc/self/attr", "/data", "mount-over-proc"},
		{"mount over proc by name", "", "", "/proc/sys/kernel", "mount-over-proc"},
		{"out of the root", "data", strings.Repeat("../", 20) + outside, "/data/made", ""},
		{"out by an absolute link", "data", outside, "/data/made", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := rootfs(t)
			if c.link != "" {
				if err := os.Symlink(c.target, filepath.Join(root, c.link)); err != nil {
					t.Fatal(err)
				}
			}
			// What the links name exists in the root too, so that only the
			// escape is in question.
			for _, d := range []string{"tmp", outside} {
				if err := os.MkdirAll(filepath.Join(root, d), 0o777); err != nil {
					t.Fatal(err)
				}
			}
			s := serverSpec(t, root, "inside:hello")
			if len(given.Linux.UIDMappings) == 0 {
				hostUsers(t, s, root)
			}
			own(t, root, s)
			s.Mounts = append(s.Mounts, specs.Mount{Destination: c.dest, Type: "bind", Source: "/etc", Options: []string{"rbind", "ro"}})
			p, err := Create(context.Background(), Config{Spec: s, Rootfs: -1, Stdio: [3]int{-1, -1, -1}})
			if err == nil {
				p.Signal(unix.SIGKILL)
				p.Wait()
				p.Close()
			}
			var e *fault.Error
			switch {
			case c.code == "" && err != nil:
				t.Error(err)
			case c.code != "" && (!errors.As(err, &e) || e.Code != c.code):
				t.Errorf("%v, want %s", err, c.code)
			}
			if l, _ := os.ReadDir(outside); len(l) != 0 {
				t.Errorf("the host's folder holds %v", l)
			}
		})
	}
}

func TestManyAtOnceUnderGarbageCollection(t *testing.T) {
	needRoot(t)
	s := serverSpec(t, rootfs(t))
	p, end := waiting(t, s)
	defer end()
	stop := make(chan struct{})
	var gc sync.WaitGroup
	gc.Add(1)
	go func() {
		defer gc.Done()
		for {
			select {
			case <-stop:
				return
			default:
				_ = make([]byte, 1<<20)
				runtime.GC()
			}
		}
	}()
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 15 {
				x := *s.Process
				x.Args = []string{"/bin/probe", "inside:hello"}
				if out, ws := execOut(t, p, &x); out != "hello\n" || ws.ExitStatus() != 7 {
					t.Errorf("%q %v", out, ws)
				}
			}
		}()
	}
	wg.Wait()
	close(stop)
	gc.Wait()
}

func TestNothingOfALaunchStaysBehind(t *testing.T) {
	needRoot(t)
	root := rootfs(t)
	count := func() int {
		l, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(l)
	}
	runSpec(t, serverSpec(t, root, "inside:hello"))
	before := count()
	for range 5 {
		runSpec(t, serverSpec(t, root, "inside:hello"))
		s := serverSpec(t, root)
		s.Process.Args = []string{"absent"}
		if _, err := Create(context.Background(), Config{Spec: s, Rootfs: -1, Stdio: [3]int{-1, -1, -1}}); err == nil {
			t.Fatal("an absent command was accepted")
		}
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	var ws unix.WaitStatus
	if pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("child %d is left: %v", pid, err)
	}
}
