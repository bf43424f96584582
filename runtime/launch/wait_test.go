//go:build linux

package launch

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAStopIsNoEnd: a process that makes its parent its tracer is told of when
// it stops. It has not ended then, and its end comes with its true status.
func TestAStopIsNoEnd(t *testing.T) {
	runtime.LockOSThread() // the tracer is this thread
	defer runtime.UnlockOSThread()
	child, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{Sys: &syscall.SysProcAttr{Ptrace: true}}) // stops as it begins
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{pid: child.Pid, pidfd: -1, report: -1, start: -1, devpts: -1}
	ended := make(chan unix.WaitStatus, 1)
	go func() {
		ws, err := p.Wait()
		if err != nil {
			t.Error(err)
		}
		ended <- ws
	}()
	for late := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) { // a stop that another thread waits for gives us no event
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
		if err != nil {
			t.Fatal(err)
		}
		if _, after, _ := bytes.Cut(stat, []byte(") ")); len(after) > 0 && after[0] == 't' {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("it does not stop: %s", stat)
		}
	}
	if err := unix.Kill(p.pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if ws := <-ended; !ws.Signaled() || ws.Signal() != unix.SIGKILL {
		t.Errorf("it ended with %#x", ws)
	}
}
