//go:build linux

package shim

import (
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/firstproc"
)

// patience is how long a first process may take to run its command: on a machine
// that is busy with a hundred others, some 200 ms.
const patience = 10 * time.Second

// hasFirstProcess says that the command runs as the child of a small first
// process (docker run --init).
func hasFirstProcess(p *specs.Process) bool {
	return filepath.Base(p.Args[0]) == firstproc.Name
}

// awaitCommand waits until a first process has a child, its command, or has
// ended, which pidfd tells. A signal that came before would find nobody to be
// handed to: it would end the first process itself (a Go program as pid 1 exits
// with code 2), or be lost. The kernel has no event for a child's birth.
func awaitCommand(pid, pidfd int) {
	ended := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for until := time.Now().Add(patience); time.Now().Before(until); {
		if hasChild(pid) {
			return
		}
		if n, err := unix.Poll(ended, 1); n > 0 || err != nil && err != unix.EINTR {
			return
		}
	}
}

// hasChild looks at all threads of a process: a child is that of one of them.
// Where the kernel keeps no such lists (CONFIG_PROC_CHILDREN), it says yes.
func hasChild(pid int) bool {
	lists, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/[0-9]*/children") // the pattern is none that fails
	for _, l := range lists {
		if b, err := os.ReadFile(l); err == nil && len(b) > 0 {
			return true
		}
	}
	return len(lists) == 0
}
