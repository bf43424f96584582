//go:build linux

package cgroup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
)

func testGroup(t *testing.T, r *specs.LinuxResources) *Group {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: it makes cgroups")
	}
	g, err := Create("/layerlab-test/"+filepath.Base(filepath.Dir(t.TempDir())), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.Kill(), g.Remove()); err != nil {
			t.Error(err)
		}
	})
	return g
}

// The test binary is the member of a group too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "member" {
		for _, f := range os.Args[2:] {
			if err := os.WriteFile(f, []byte("0"), 0); err != nil {
				os.Stdout.WriteString(err.Error())
				os.Exit(1)
			}
		}
		os.Stdout.WriteString("in\n")
		if n, err := strconv.Atoi(os.Getenv("LAYERLAB_TEST_EAT")); err == nil {
			for i, b := 0, make([]byte, n<<20); i < len(b); i += 4096 {
				b[i] = 1
			}
			return
		}
		os.Stdin.Read(make([]byte, 1))
		return
	}
	os.Exit(m.Run())
}

// member starts a process that joins the group by the files, as a container's
// first process does.
func member(t *testing.T, g *Group) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", append([]string{"member"}, g.Files()...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 200)
	if n, err := out.Read(b); err != nil || string(b[:n]) != "in\n" {
		t.Fatalf("join: %q %v", b[:n], err)
	}
	return cmd
}

func TestFreezeKillAndRemove(t *testing.T) {
	limit := int64(10)
	memory := int64(64 << 20)
	g := testGroup(t, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}, Memory: &specs.LinuxMemory{Limit: &memory}})
	a, b := member(t, g), member(t, g)
	pids, err := g.Pids()
	if err != nil || len(pids) != 2 {
		t.Fatalf("%v %v", pids, err)
	}
	if err := g.Freeze(); err != nil || !g.Frozen() {
		t.Fatalf("frozen %v: %v", g.Frozen(), err)
	}
	if err := g.Thaw(); err != nil || g.Frozen() {
		t.Fatalf("frozen %v: %v", g.Frozen(), err)
	}
	s, err := g.Stats()
	if err != nil || s.Pids.Limit != 10 || s.Memory.Usage.Limit != 64<<20 {
		t.Errorf("%v %+v %+v", err, s.Pids, s.Memory.Usage)
	}
	more := int64(20)
	if err := g.Update(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &more}}); err != nil {
		t.Error(err)
	}
	if s, err = g.Stats(); err != nil || s.Pids.Limit != 20 || s.Memory.Usage.Limit != 64<<20 {
		t.Errorf("an update changed more or less than it names: %v %+v", err, s.Pids)
	}
	other, err := Open(g.Path())
	if err != nil {
		t.Fatal(err)
	}
	// Frozen processes are killed too.
	if err := g.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := other.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := other.Thaw(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*exec.Cmd{a, b} {
		c.Wait()
		if ws := c.ProcessState.Sys().(interface{ Signal() unix.Signal }); ws.Signal() != unix.SIGKILL {
			t.Errorf("ended by %v", ws.Signal())
		}
	}
	if err := other.Remove(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(g.Path())
	if !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("open what is gone: %v", err)
	}
}

func TestFilesAreOfMountedHierarchies(t *testing.T) {
	g := testGroup(t, nil)
	files := g.Files()
	if len(files) == 0 {
		t.Fatal("no files to join by")
	}
	for _, f := range files {
		if base := filepath.Base(f); base != "tasks" && base != "cgroup.procs" {
			t.Error(f)
		}
		if _, err := os.Stat(f); err != nil {
			t.Error(err)
		}
	}
}

func TestDeviceRules(t *testing.T) {
	major, minor := int64(10), int64(229)
	for want, r := range map[string]specs.LinuxDeviceCgroup{
		"a *:* rwm":   {},
		"c 10:229 rw": {Type: "c", Major: &major, Minor: &minor, Access: "rw"},
		"b 10:* rwm":  {Type: "b", Major: &major},
	} {
		if got := deviceLine(deviceRule(r)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if dir, err := os.Stat("/sys/fs/cgroup/devices"); err != nil || !dir.IsDir() {
		t.Skip("no v1 devices controller here; TestLimitsOfCgroup2 has the program of cgroup2")
	}
	g := testGroup(t, &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false}, {Allow: true, Type: "c", Major: &major, Minor: &minor, Access: "rw"}}})
	b, err := os.ReadFile(filepath.Join(g.Dir("devices"), "devices.list"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"c 10:229 rw", "c 1:3 rwm", "c 136:* rwm"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("devices.list lacks %q: %s", want, b)
		}
	}
	if strings.Contains(string(b), "a *:*") {
		t.Errorf("all devices are allowed: %s", b)
	}
}

func TestWhatCannotBeLimitedIsRefused(t *testing.T) {
	n := int64(1)
	//lint:ignore SA1019 deprecated fields are refused, not ignored
	_, err := resources(&specs.LinuxResources{Memory: &specs.LinuxMemory{Kernel: &n}})
	if !errors.Is(err, fault.ErrUnsupported) {
		t.Error(err)
	}
	if _, err := Create("/", nil); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
}
