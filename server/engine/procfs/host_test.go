//go:build linux

package procfs

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestTheFirstOfAPidNamespaceIsKnown is what finds the processes of a container
// without a cgroup.
func TestTheFirstOfAPidNamespaceIsKnown(t *testing.T) {
	began := time.Now()
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if err := cmd.Start(); err != nil {
		t.Skipf("needs the right to make a pid namespace: %v", err)
	}
	pid := cmd.Process.Pid
	// btime is in whole seconds, and moves with the clock that is set.
	if at, first := Began(pid); !first || at.Sub(began).Abs() > 2*time.Second {
		t.Errorf("began at %v, first %v; was started at %v", at, first, began)
	}
	if got := Neighbours("/proc", pid); !slices.Equal(got, []int{pid}) {
		t.Errorf("neighbours of %d: %v", pid, got)
	}
	if _, first := Began(os.Getpid()); first {
		t.Error("the test is the first of a pid namespace beneath its own")
	}
	if got := Neighbours("/proc", os.Getpid()); !slices.Contains(got, os.Getpid()) || slices.Contains(got, pid) {
		t.Errorf("beside the test there is %v", got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if at, first := Began(pid); first || !at.IsZero() || Neighbours("/proc", pid) != nil {
		t.Errorf("it has ended, and began at %v", at)
	}
}
