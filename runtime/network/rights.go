//go:build linux

package network

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// kept are the capabilities of a helper: interfaces and routes in router and
// containers, entering a container's namespace (and unmounting its own pin),
// ports below 1024.
func kept() []uintptr {
	return []uintptr{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN, unix.CAP_NET_BIND_SERVICE}
}

// confined is the argument of the helper's second stage.
const confined = "confined"

// confine executes the program anew with the capabilities that it keeps. They
// are a thread's, and Go has several before main: execve(2) makes one of them,
// and gives root what is in its bounding set and no more (capabilities(7)).
func confine() error {
	runtime.LockOSThread()
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		keep := false
		for _, k := range kept() {
			keep = keep || k == c
		}
		if keep {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL { // a kernel that has fewer
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_NO_NEW_PRIVS", err)
	}
	path := fmt.Sprintf("/proc/self/fd/%d", executableFD)
	return os.NewSyscallError("execve", unix.Exec(path, []string{"layerlab-runtime", "network", confined}, []string{}))
}
