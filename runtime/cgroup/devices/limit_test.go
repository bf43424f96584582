//go:build linux

package devices

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The test binary is also the program that tries devices inside a cgroup.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "inside" {
		inside(os.Args[2:])
		return
	}
	os.Exit(m.Run())
}

// inside joins the cgroup of its first argument and tells what it may open.
func inside(args []string) {
	if err := os.WriteFile(filepath.Join(args[0], "cgroup.procs"), []byte("0"), 0); err != nil {
		os.Stdout.WriteString(err.Error())
		return
	}
	for _, a := range args[1:] {
		mode, path, _ := strings.Cut(a, ":")
		var err error
		if mode == "m" {
			err = unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5)))
		} else {
			var fd int
			fd, err = unix.Open(path, map[string]int{"r": unix.O_RDONLY, "w": unix.O_WRONLY, "rw": unix.O_RDWR}[mode], 0)
			unix.Close(fd)
		}
		os.Stdout.WriteString(a + "=")
		if err != nil {
			os.Stdout.WriteString(unix.ErrnoName(err.(unix.Errno)))
		}
		os.Stdout.WriteString(" ")
	}
}

// unified is where a cgroup2 is mounted.
func unified(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: it makes a cgroup and loads a program into the kernel")
	}
	for _, d := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if unix.Statfs(d, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return d
		}
	}
	t.Skip("no cgroup2 is mounted here")
	return ""
}

func TestKernelEnforcesTheRules(t *testing.T) {
	dir := filepath.Join(unified(t), "layerlab-devices-"+filepath.Base(filepath.Dir(t.TempDir())))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	node := filepath.Join(t.TempDir(), "zero")
	try := func() string {
		t.Helper()
		out, err := exec.Command("/proc/self/exe", "inside", dir, "rw:/dev/null", "r:/dev/zero", "w:/dev/zero", "rw:/dev/zero", "r:/dev/full", "m:"+node).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		os.Remove(node)
		return strings.ReplaceAll(string(out), "m:"+node, "m")
	}
	if got, want := try(), "rw:/dev/null= r:/dev/zero= w:/dev/zero= rw:/dev/zero= r:/dev/full= m= "; got != want {
		t.Fatalf("without rules: %q", got)
	}
	rules := []Rule{
		{Major: -1, Minor: -1},
		{Allow: true, Type: "c", Major: 1, Minor: 3},
		{Allow: true, Type: "c", Major: 1, Minor: 5, Access: "r"},
	}
	err := Limit(dir, rules)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		t.Skip("this host lets nobody load such programs:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	const limited = "rw:/dev/null= r:/dev/zero= w:/dev/zero=EPERM rw:/dev/zero=EPERM r:/dev/full=EPERM m=EPERM "
	if got := try(); got != limited {
		t.Errorf("%q, want %q", got, limited)
	}
	// New rules replace the old ones.
	if err := Limit(dir, append(rules, Rule{Allow: true, Type: "c", Major: 1, Minor: -1})); err != nil {
		t.Fatal(err)
	}
	if got, want := try(), "rw:/dev/null= r:/dev/zero= w:/dev/zero= rw:/dev/zero= r:/dev/full= m= "; got != want {
		t.Errorf("replaced: %q, want %q", got, want)
	}
}
