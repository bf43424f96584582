//go:build linux

package outlast_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/outlast"
)

// The test's own program is an ordinary user's server, too.
func TestMain(m *testing.M) {
	if len(os.Args) != 2 || os.Args[1] != "start" {
		os.Exit(m.Run())
	}
	cmd := exec.Command("true")
	if err := errors.Join(outlast.Start(cmd), cmd.Wait()); err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

// where is what /proc/PID/cgroup says, by hierarchy.
func where(t *testing.T, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		all[f[1]] = f[2]
	}
	return all
}

func TestHelpersAreBornOutsideOfAServicesCgroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("moving between cgroups needs root")
	}
	hierarchies := map[string]string{"": "/sys/fs/cgroup", "name=systemd": "/sys/fs/cgroup/systemd"}
	if _, err := os.Stat("/sys/fs/cgroup/unified/cgroup.procs"); err == nil {
		hierarchies[""] = "/sys/fs/cgroup/unified"
	}
	home := where(t, os.Getpid())
	moved := 0
	for name, root := range hierarchies {
		at, there := home[name]
		if !there {
			continue
		}
		service := filepath.Join(root, fmt.Sprintf("layerlab-test-%d.service", os.Getpid()))
		if err := os.Mkdir(service, 0o755); err != nil {
			t.Logf("%s: no cgroup can be made there: %v", root, err)
			continue
		}
		self := []byte(strconv.Itoa(os.Getpid()))
		if err := os.WriteFile(filepath.Join(service, "cgroup.procs"), self, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.WriteFile(filepath.Join(root, at, "cgroup.procs"), self, 0); err != nil {
				t.Error(err)
			}
			if err := unix.Rmdir(service); err != nil {
				t.Error(service, err)
			}
		})
		moved++
	}
	if moved == 0 {
		t.Skip("no cgroup hierarchy of a service manager is writable here")
	}
	before := where(t, os.Getpid())
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = io.Discard
	if err := outlast.Start(cmd); err != nil {
		t.Fatal(err)
	}
	child := where(t, cmd.Process.Pid)
	session, err := unix.Getsid(cmd.Process.Pid)
	if err != nil || session != cmd.Process.Pid {
		t.Errorf("session %d of process %d: %v", session, cmd.Process.Pid, err)
	}
	for name, at := range before {
		want := at
		if strings.Contains(at, "layerlab-test-") {
			want = outlast.Cgroup
		}
		if child[name] != want {
			t.Errorf("hierarchy %q: the helper is in %s, want %s", name, child[name], want)
		}
	}
	if after := where(t, os.Getpid()); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the server moved from %v to %v", before, after)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	// The cgroup is there now, and not an ordinary user's to enter.
	user := exec.Command("/proc/self/exe", "start")
	user.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321}}
	if out, err := user.CombinedOutput(); err != nil {
		t.Errorf("an ordinary user's: %v: %s", err, out)
	}
}
