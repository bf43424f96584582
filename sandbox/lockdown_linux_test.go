package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLockedProcessReachesNothing locks the test binary down in a child and
// tries there what a guest that broke out of the module would try.
func TestLockedProcessReachesNothing(t *testing.T) {
	const key = "LAYERLAB_TEST_LOCKED"
	if os.Getenv(key) == "" {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe, "-test.run=^TestLockedProcessReachesNothing$")
		cmd.Env = append(os.Environ(), key+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "nothing was reached") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := lockDown(64<<20, 60, 0); err != nil {
		t.Fatal(err)
	}
	tries := map[string]func() error{
		"open a file":       func() error { _, err := os.Open("/etc/passwd"); return err },
		"create a file":     func() error { _, err := os.Create("/tmp/layerlab-locked"); return err },
		"list a folder":     func() error { _, err := os.ReadDir("/"); return err },
		"connect":           func() error { _, err := net.Dial("tcp", "127.0.0.1:1"); return err },
		"listen":            func() error { _, err := net.Listen("tcp", "127.0.0.1:0"); return err },
		"start a program":   func() error { return exec.Command("/bin/true").Run() },
		"execve":            func() error { return unix.Exec("/proc/self/exe", nil, nil) },
		"signal another":    func() error { return unix.Kill(os.Getppid(), 0) },
		"raise a limit":     func() error { return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: 1}) },
		"trace another":     func() error { return unix.PtraceAttach(os.Getppid()) },
		"a new namespace":   func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"memory of another": func() error { _, err := unix.ProcessVMReadv(os.Getppid(), nil, nil, 0); return err },
	}
	for what, try := range tries {
		err := try()
		if err == nil {
			t.Errorf("could %s", what)
		} else if what == "connect" && errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("could reach the network: %v", err)
		}
	}
	if !t.Failed() {
		fmt.Println("nothing was reached")
	}
}
