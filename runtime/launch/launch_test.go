//go:build linux

package launch

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/seccomp"
)

// The test binary is the container's program too: it does whatever a test asks
// of it by the first argument.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "inside:") {
		os.Exit(inside(strings.TrimPrefix(os.Args[1], "inside:"), os.Args[2:]))
	}
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	code := m.Run()
	if p, err := static(); err == nil && p != selfExe {
		os.RemoveAll(filepath.Dir(p))
	}
	os.Exit(code)
}

const selfExe = "/proc/self/exe"

// static returns a statically linked build of this test: ours, if it is one,
// for a root file system has no dynamic linker. With cgo or the race detector
// a second one is built.
var static = sync.OnceValues(func() (string, error) {
	f, err := elf.Open(selfExe)
	if err != nil {
		return "", err
	}
	defer f.Close()
	dynamic := false
	for _, p := range f.Progs {
		dynamic = dynamic || p.Type == elf.PT_INTERP
	}
	if !dynamic {
		return selfExe, nil
	}
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return "", err
	}
	cmd := osexec.Command("go", "test", "-c", "-trimpath", "-o", filepath.Join(dir, "probe"), ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build a static probe: %w: %s", err, out)
	}
	return filepath.Join(dir, "probe"), nil
})

func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: it makes namespaces with a range of ids")
	}
}

// rootfs makes a root that holds this program as /bin/probe.
func rootfs(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	os.Chmod(dir, 0o755)
	os.Chmod(filepath.Dir(dir), 0o755)
	root := filepath.Join(dir, "rootfs")
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := static()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin/probe"), self, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin/data"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	filepath.Walk(root, func(p string, _ os.FileInfo, _ error) error { return os.Lchown(p, base, base) })
	return root
}

// base is where the test containers' ids begin on the host.
const base = 200000

var dockerCaps = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
}

// serverSpec is a config as the server writes it.
func serverSpec(t testing.TB, root string, args ...string) *specs.Spec {
	t.Helper()
	filter, err := seccomp.Default(dockerCaps)
	if err != nil {
		t.Fatal(err)
	}
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: base, Size: 65536}}
	env := []string{"PATH=/usr/bin:/bin", "A=b"}
	if v, ok := os.LookupEnv("GODEBUG"); ok {
		// User-Mode Linux loses the newer registers of a process; it says so here.
		env = append(env, "GODEBUG="+v)
	}
	return &specs.Spec{
		Version:  "1.2.0",
		Root:     &specs.Root{Path: root},
		Hostname: "probe",
		Process: &specs.Process{
			Args: append([]string{"/bin/probe"}, args...), Cwd: "/work",
			Env:             env,
			Capabilities:    &specs.LinuxCapabilities{Bounding: dockerCaps, Effective: dockerCaps, Permitted: dockerCaps},
			NoNewPrivileges: true,
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
			{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.UserNamespace},
				{Type: specs.MountNamespace},
				{Type: specs.PIDNamespace},
				{Type: specs.NetworkNamespace},
				{Type: specs.UTSNamespace},
				{Type: specs.IPCNamespace},
				{Type: specs.CgroupNamespace},
			},
			UIDMappings: ids, GIDMappings: ids,
			Seccomp: filter,
			MaskedPaths: []string{
				"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
				"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
			},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
}

// result is what a container did.
type result struct {
	out    string
	status unix.WaitStatus
}

// runSpec runs a container to its end.
func runSpec(t testing.TB, s *specs.Spec) result {
	t.Helper()
	return runConfig(t, Config{Spec: s})
}

// runConfig is runSpec with more than a spec.
func runConfig(t testing.TB, c Config) result {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c.Rootfs, c.Stdio = -1, [3]int{-1, int(w.Fd()), int(w.Fd())}
	p, err := Create(context.Background(), c)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Start(); err != nil {
		p.Wait()
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	ws, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if c := p.Cgroup(); c != nil {
		if err := c.Remove(); err != nil {
			t.Error(err)
		}
	}
	return result{string(out), ws}
}

func TestHello(t *testing.T) {
	needRoot(t)
	s := serverSpec(t, rootfs(t), "inside:hello")
	r := runSpec(t, s)
	if r.out != "hello\n" || r.status.ExitStatus() != 7 {
		t.Fatalf("%+v", r)
	}
}

func TestMissingCommandFailsAtCreate(t *testing.T) {
	needRoot(t)
	root := rootfs(t)
	for _, c := range []struct{ command, code, message string }{
		{"nothing", "command-not-found", `exec: "nothing": executable file not found in $PATH`},
		{"/bin/nothing", "command-not-found", `exec: "/bin/nothing": stat /bin/nothing: no such file or directory`},
		{"/bin/data", "command-not-executable", `exec: "/bin/data": permission denied`},
		{"/bin", "command-not-executable", `exec: "/bin": is a directory`},
	} {
		s := serverSpec(t, root)
		s.Process.Args = []string{c.command}
		_, err := Create(context.Background(), Config{Spec: s, Rootfs: -1, Stdio: [3]int{-1, -1, -1}})
		var e *fault.Error
		if !errors.As(err, &e) || e.Code != c.code || e.Message != c.message {
			t.Errorf("%s: %v", c.command, err)
		}
	}
}

func TestOddWorkingFolders(t *testing.T) {
	needRoot(t)
	root := rootfs(t)
	for cwd, message := range map[string]string{
		"/bin/probe":   `chdir to cwd ("/bin/probe") set in config.json failed: not a directory`,
		"/bin/probe/x": "mkdir /bin/probe/x: not a directory",
	} {
		s := serverSpec(t, root, "inside:hello")
		s.Process.Cwd = cwd
		_, err := Create(context.Background(), Config{Spec: s, Rootfs: -1, Stdio: [3]int{-1, -1, -1}})
		var e *fault.Error
		if !errors.As(err, &e) || e.Code != "bad-cwd" || err.Error() != message {
			t.Errorf("%s: %v", cwd, err)
		}
	}
	// What is missing is made, and works.
	s := serverSpec(t, root, "inside:hello")
	s.Process.Cwd = "/made/on/the/way"
	if r := runSpec(t, s); r.out != "hello\n" {
		t.Errorf("%q", r.out)
	}
}
