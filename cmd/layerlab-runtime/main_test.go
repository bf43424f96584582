//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// bench is a runtime binary, a store and a bundle.
type bench struct {
	t                      testing.TB
	dir, bin, root, bundle string
}

// newBench builds the runtime and a root file system with one static program.
func newBench(t testing.TB) *bench {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: it makes namespaces and cgroups")
	}
	b := &bench{t: t, dir: t.TempDir()}
	b.bin, b.root, b.bundle = filepath.Join(b.dir, "program/layerlab-runtime"), filepath.Join(b.dir, "state"), filepath.Join(b.dir, "bundle")
	bin := filepath.Join(b.bundle, "rootfs/bin")
	for _, d := range []string{bin, filepath.Dir(b.bin)} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"layerlab-runtime": b.bin, "probe": filepath.Join(bin, "probe")} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(to, raw, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "without-clone3" {
		fmt.Fprintln(os.Stderr, withoutClone3(os.Args[2:]))
		os.Exit(1)
	}
	code := m.Run()
	if dir, err := programs(); err == nil && dir != os.Getenv("LAYERLAB_BUILT") {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// programs returns a folder with the runtime and the containers' program, which
// are built once. LAYERLAB_BUILT names one on machines without a Go compiler.
var programs = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("LAYERLAB_BUILT"); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "layerlab-programs")
	if err != nil {
		return "", err
	}
	for name, pkg := range map[string]string{"layerlab-runtime": ".", "probe": "./testdata/probe"} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, name), pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w: %s", pkg, err, out)
		}
	}
	return dir, nil
})

// name tells this bench's containers and cgroups from those of others.
func (b *bench) name() string { return filepath.Base(filepath.Dir(b.dir)) }

// config writes the bundle's config.json.
func (b *bench) config(args []string, change func(s *specs.Spec)) {
	b.t.Helper()
	s := exampleSpec()
	s.Process.Terminal, s.Process.Args = false, append([]string{"/bin/probe"}, args...)
	if v, ok := os.LookupEnv("GODEBUG"); ok {
		s.Process.Env = append(s.Process.Env, "GODEBUG="+v) // see launch's tests
	}
	s.Root.Readonly = false
	s.Linux.CgroupsPath = "/layerlab-test/" + b.name()
	if change != nil {
		change(s)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.bundle, "config.json"), raw, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// run runs the command line and returns output and exit code.
func (b *bench) run(args ...string) (string, int) {
	b.t.Helper()
	cmd := exec.Command(b.bin, append([]string{"--root", b.root}, args...)...)
	var out bytes.Buffer
	// A file, not a pipe: a container that stays would keep the pipe open.
	f, err := os.CreateTemp(b.dir, "out")
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	err = cmd.Run()
	var x *exec.ExitError
	if err != nil && !errors.As(err, &x) {
		b.t.Fatal(err)
	}
	raw, err := os.ReadFile(f.Name())
	if err != nil {
		b.t.Fatal(err)
	}
	out.Write(raw)
	return out.String(), cmd.ProcessState.ExitCode()
}

// want runs the command line and checks exit code and output ("" for any).
func (b *bench) want(code int, contains string, args ...string) string {
	b.t.Helper()
	out, got := b.run(args...)
	if got != code || !strings.Contains(out, contains) {
		b.t.Errorf("%v: exit %d, want %d; output %q, want %q", args, got, code, out, contains)
	}
	return out
}

// until waits for a state, which the kernel announces to nobody.
func (b *bench) until(id, status string) {
	b.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		out, _ := b.run("state", id)
		if strings.Contains(out, `"status": "`+status+`"`) {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("container %s does not become %s: %s", id, status, out)
		}
	}
}

func TestLifeCycle(t *testing.T) {
	b := newBench(t)
	b.config([]string{"wait"}, nil)
	pidFile := filepath.Join(b.dir, "pid")
	b.want(0, "", "create", "--bundle", b.bundle, "--pid-file", pidFile, "c1")
	var st described
	if err := json.Unmarshal([]byte(b.want(0, "", "state", "c1")), &st); err != nil {
		t.Fatal(err)
	}
	pid, _ := os.ReadFile(pidFile)
	if st.Status != "created" || st.ID != "c1" || st.Bundle != b.bundle || fmt.Sprint(st.Pid) != string(pid) || st.Rootfs != "rootfs" {
		t.Errorf("%+v, pid file %q", st, pid)
	}
	// Between container and caller stands nobody: its parent is whoever adopts.
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", st.Pid))
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if exe, _ := os.Readlink("/proc/" + f[1] + "/exe"); strings.Contains(exe, "layerlab-runtime") {
		t.Errorf("the parent of the container is %s", exe)
	}
	b.want(1, "container with given ID already exists", "create", "--bundle", b.bundle, "c1")
	b.want(0, "", "start", "c1")
	b.want(1, "cannot start an already running container", "start", "c1")
	b.until("c1", "running")
	b.want(0, "c1", "list", "-q")
	b.want(0, `"status":"running"`, "list", "--format", "json")
	b.want(0, `"owner":"`+owner("0")+`"`, "list", "--format", "json")
	b.want(0, "/bin/probe wait", "ps", "c1")
	b.want(3, "", "exec", "c1", "/bin/probe", "exit", "3")
	b.want(0, "hello\n", "exec", "--env", "A=b", "c1", "/bin/probe", "print", "hello")
	b.want(255, `exec: "absent": executable file not found in $PATH`, "exec", "c1", "absent")
	b.want(0, "", "pause", "c1")
	b.until("c1", "paused")
	b.want(255, "cannot exec in a paused container", "exec", "c1", "/bin/probe")
	b.want(0, "", "resume", "c1")
	b.want(0, "", "update", "--pids-limit", "33", "c1")
	b.want(0, `"limit":33`, "events", "--stats", "c1")
	b.want(1, "cannot delete container c1 that is not stopped: running", "delete", "c1")
	b.want(0, "", "kill", "c1", "TERM")
	b.until("c1", "stopped")
	b.want(1, "container not running", "kill", "c1")
	b.want(0, "", "delete", "c1")
	b.want(1, "container does not exist", "state", "c1")
	b.want(0, "", "delete", "--force", "c1")
	if l, _ := filepath.Glob("/sys/fs/cgroup/*/layerlab-test/" + b.name() + "*"); len(l) != 0 {
		t.Errorf("cgroups are left: %v", l)
	}
}

func TestRunPassesOutputAndExitCode(t *testing.T) {
	b := newBench(t)
	b.config([]string{"print", "one", "two"}, nil)
	b.want(0, "one\ntwo\n", "run", "-b", b.bundle, "r1")
	b.config([]string{"exit", "42"}, nil)
	b.want(42, "", "run", "-b", b.bundle, "r2")
	b.want(0, "", "list", "-q")
	log := filepath.Join(b.dir, "log")
	b.config(nil, func(s *specs.Spec) { s.Process.Args = []string{"nothing"} })
	b.want(1, `exec: "nothing": executable file not found in $PATH`, "--log", log, "--log-format", "json", "run", "-b", b.bundle, "r3")
	raw, _ := os.ReadFile(log)
	var line struct{ Level, Msg, Time string }
	if err := json.Unmarshal(raw, &line); err != nil || line.Level != "error" || !strings.Contains(line.Msg, "executable file not found in $PATH") {
		t.Errorf("log %q: %v", raw, err)
	}
	b.config(nil, func(s *specs.Spec) { s.Process.ApparmorProfile = "docker-default" })
	b.want(1, "process.apparmorProfile", "run", "-b", b.bundle, "r4")
	b.want(1, "--systemd-cgroup is not supported", "--systemd-cgroup", "run", "-b", b.bundle, "r5")
	b.want(1, "checkpoint is not supported", "checkpoint", "r5")
	b.want(2, "", "nonsense")
	b.want(2, "usage", "state")
	b.want(1, "invalid container ID format", "state", "../x")
}

func TestHooksRunInTheirOrder(t *testing.T) {
	b := newBench(t)
	probe := filepath.Join(b.bundle, "rootfs/bin/probe")
	hook := func(path, file string) specs.Hook {
		return specs.Hook{Path: path, Args: []string{"probe", "hook", file}}
	}
	out := func(n string) string { return filepath.Join(b.dir, n) }
	b.config([]string{"print", "ran"}, func(s *specs.Spec) {
		s.Annotations = map[string]string{"k": "v"}
		s.Hooks = &specs.Hooks{
			//lint:ignore SA1019 prestart is deprecated, but Docker's network plugins use it
			Prestart:        []specs.Hook{hook(probe, out("prestart"))},
			CreateRuntime:   []specs.Hook{hook(probe, out("createRuntime"))},
			CreateContainer: []specs.Hook{hook(probe, out("createContainer"))},
			StartContainer:  []specs.Hook{hook("/bin/probe", "/startContainer")},
			Poststart:       []specs.Hook{hook(probe, out("poststart"))},
			Poststop:        []specs.Hook{hook(probe, out("poststop"))},
		}
	})
	b.want(0, "ran\n", "run", "-b", b.bundle, "h1")
	for name, status := range map[string]specs.ContainerState{
		"prestart": "creating", "createRuntime": "creating", "createContainer": "creating", "bundle/rootfs/startContainer": "created",
		"poststart": "running", "poststop": "stopped",
	} {
		raw, err := os.ReadFile(out(name))
		var st specs.State
		if err != nil || json.Unmarshal(raw, &st) != nil {
			t.Errorf("%s: %v %q", name, err, raw)
			continue
		}
		if st.ID != "h1" || st.Annotations["k"] != "v" {
			t.Errorf("%s: %+v", name, st)
		}
		// A container that ends at once may be stopped after its start.
		if st.Status != status && !(name == "poststart" && st.Status == "stopped") && !(name == "bundle/rootfs/startContainer" && st.Status == "running") {
			t.Errorf("%s: status %s, want %s", name, st.Status, status)
		}
	}
	b.config(nil, func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: probe, Args: []string{"probe", "exit", "1"}}}}
	})
	b.want(1, "error running createRuntime hook #0", "run", "-b", b.bundle, "h2")
	b.want(0, "", "list", "-q")
}

func TestConsoleSocketGetsTheMaster(t *testing.T) {
	b := newBench(t)
	b.config([]string{"wait"}, func(s *specs.Spec) { s.Process.Terminal = true })
	socket := filepath.Join(b.dir, "console")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b.want(1, "console socket", "create", "-b", b.bundle, "t1")
	got := make(chan *os.File, 1)
	go func() {
		defer close(got)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		oob := make([]byte, unix.CmsgSpace(4))
		_, n, _, _, err := c.(*net.UnixConn).ReadMsgUnix(make([]byte, 64), oob)
		if err != nil {
			return
		}
		m, _ := unix.ParseSocketControlMessage(oob[:n])
		fds, _ := unix.ParseUnixRights(&m[0])
		got <- os.NewFile(uintptr(fds[0]), "master")
	}()
	b.want(0, "", "create", "-b", b.bundle, "--console-socket", socket, "t1")
	master := <-got
	if master == nil {
		t.Fatal("no master came")
	}
	defer master.Close()
	b.want(0, "", "start", "t1")
	buf := make([]byte, len("ready\r\n")) // may come in pieces
	if n, err := io.ReadFull(master, buf); err != nil || string(buf) != "ready\r\n" {
		t.Errorf("%q %v", buf[:n], err)
	}
	b.want(0, "", "delete", "--force", "t1")
}

func TestUserNamespaceAndLimits(t *testing.T) {
	b := newBench(t)
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 300000, Size: 65536}}
	b.config([]string{"cat", "/proc/self/uid_map", "/sys/fs/cgroup/pids/pids.max"}, func(s *specs.Spec) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
		limit := int64(77)
		s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}
	})
	// The container's ids have to be able to write mount points.
	filepath.Walk(filepath.Join(b.bundle, "rootfs"), func(p string, _ os.FileInfo, _ error) error { return os.Lchown(p, 300000, 300000) })
	out := b.want(0, "300000", "run", "-b", b.bundle, "u1")
	if _, err := os.Stat("/sys/fs/cgroup/pids"); err == nil && !slices.Contains(strings.Fields(out), "77") {
		t.Errorf("the limit is not seen inside: %q", out)
	}
}

func TestPlanSpecAndFeatures(t *testing.T) {
	b := newBench(t)
	b.config(nil, nil)
	var p struct {
		Clone string
		Steps []struct{ Code, Where, Call, Words, Reason, Man, Without string }
	}
	if err := json.Unmarshal([]byte(b.want(0, "", "plan", "--bundle", b.bundle, "--json")), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Steps) < 20 || p.Steps[len(p.Steps)-1].Code != "execute" || p.Steps[0].Without == "" {
		t.Errorf("%+v", p)
	}
	b.want(0, "pivot_root(\".\", \".\")", "plan", "--bundle", b.bundle)
	dir := t.TempDir()
	b.want(0, "", "spec", "-b", dir)
	b.want(1, "exists", "spec", "-b", dir)
	b.want(0, `"ociVersionMax"`, "features")
	b.want(0, "spec: "+specs.Version, "--version")
	b.want(0, "commands:", "help")
}

func TestOwnersAreToldByName(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skip("this host does not know who we are:", err)
	}
	if got := owner(me.Uid); got != me.Username {
		t.Errorf("%q, want %q", got, me.Username)
	}
	if got := owner("4000000000"); got != "#4000000000" {
		t.Errorf("a user that nobody knows: %q", got)
	}
}
