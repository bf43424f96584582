//go:build linux

package network

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kept are the capabilities of a helper: interfaces and routes in router and
// containers, entering a container's namespace (and unmounting its own pin),
// ports below 1024.
func kept() []uintptr {
	return []uintptr{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN, unix.CAP_NET_BIND_SERVICE}
}

// dropRights leaves the process with kept, on all of its threads, and nothing
// to gain by another program.
func dropRights() error {
	var want [2]uint32
	for _, c := range kept() {
		want[c/32] |= 1 << (c % 32)
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if want[c/32]&(1<<(c%32)) != 0 {
			continue
		}
		_, _, e := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0, 0, 0, 0)
		if e != 0 && e != unix.EINVAL { // a kernel that has fewer
			return fmt.Errorf("drop capability %d: %w", c, e)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData
	if err := unix.Capget(&header, &have[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	for i := range have {
		have[i].Permitted &= want[i]
		have[i].Effective, have[i].Inheritable = have[i].Permitted, 0
	}
	return setCapabilities(&header, &have)
}

// setCapabilities is capset(2) on every thread: capabilities are a thread's, and
// Go moves goroutines between threads.
func setCapabilities(header *unix.CapUserHeader, data *[2]unix.CapUserData) error {
	_, _, e := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(data)), 0)
	if e != 0 {
		return fmt.Errorf("capset: %w", e)
	}
	return nil
}
