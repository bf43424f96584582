//go:build linux

package confine

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/seccomp"
)

// Rules say what a process keeps.
type Rules struct {
	// Capabilities that stay, by their numbers (unix.CAP_…), effective and
	// permitted; all others go, from the bounding set too.
	Capabilities []uintptr
	// Calls that stay allowed beside those that Go's runtime makes by itself.
	Calls []string
	// Files is how many descriptors may be open, 0 for 1,024.
	Files uint64
	// Memory bounds what is mapped for data, in bytes (RLIMIT_DATA); 0 for 4 GiB.
	Memory uint64
}

// Enter makes the folder the root of this process. Every path then ends there,
// whatever links are on it; what was open before stays reachable by descriptor.
// Self takes CAP_SYS_CHROOT away, without which there is no way back up.
func Enter(folder int) error {
	if err := unix.Fchdir(folder); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	if err := unix.Chroot("."); err != nil {
		return os.NewSyscallError("chroot", err)
	}
	return os.NewSyscallError("chdir", unix.Chdir("/"))
}

// Self takes from all threads of this process what the rules do not name. There
// is no way back.
func Self(r Rules) error {
	// Nobody of the same user may look into this process (ptrace(2)), and its
	// /proc/PID shows nothing.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_DUMPABLE", err)
	}
	if err := limits(r); err != nil {
		return err
	}
	if err := capabilities(r.Capabilities); err != nil {
		return err
	}
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return os.NewSyscallError("prctl PR_SET_NO_NEW_PRIVS", errno)
	}
	return filter(r.Calls)
}

func limits(r Rules) error {
	if r.Files == 0 {
		r.Files = 1024
	}
	if r.Memory == 0 {
		r.Memory = 4 << 30
	}
	for _, l := range []struct {
		name     string
		resource int
		value    uint64
	}{
		{"RLIMIT_CORE", unix.RLIMIT_CORE, 0},
		{"RLIMIT_DATA", unix.RLIMIT_DATA, r.Memory},
		{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE, r.Files},
		{"RLIMIT_MEMLOCK", unix.RLIMIT_MEMLOCK, 0},
	} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("setrlimit %s: %w", l.name, err)
		}
	}
	return nil
}

// lastCapability is the highest number that any kernel of today knows.
const lastCapability = unix.CAP_LAST_CAP

// capabilities leaves those of keep, in all threads.
func capabilities(keep []uintptr) error {
	var set [2]uint32
	for _, c := range keep {
		set[c/32] |= 1 << (c % 32)
	}
	for c := uintptr(0); c <= lastCapability; c++ {
		if set[c/32]&(1<<(c%32)) != 0 {
			continue
		}
		_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0, 0, 0, 0)
		if errno == unix.ENOTSUP {
			return errors.New("this program was built with cgo: Go can't change the capabilities of C's threads")
		}
		if errno != 0 && errno != unix.EINVAL && errno != unix.EPERM { // unknown to this kernel; no SETPCAP: what follows takes it all the same
			return fmt.Errorf("drop capability %d: %w", c, errno)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		data[i] = unix.CapUserData{Effective: set[i], Permitted: set[i]} // inheritable: none (CVE-2022-24769)
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0)
	runtime.KeepAlive(&data)
	if errno != 0 {
		return os.NewSyscallError("capset", errno)
	}
	return nil
}

// own lists the calls that Go's runtime makes once everything is open: memory,
// threads, time, signals, and reads and writes of open descriptors.
func own() []string {
	return []string{
		"read", "pread64", "write", "pwrite64", "readv", "writev", "close", "fstat", "lseek", "fcntl",
		"mmap", "munmap", "mprotect", "madvise", "brk", "mincore",
		"futex", "clone", "clone3", "exit", "exit_group", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity",
		"gettid", "getpid", "tgkill", "membarrier",
		"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall",
		"clock_gettime", "gettimeofday", "nanosleep", "clock_nanosleep",
		"timer_create", "timer_settime", "timer_delete", "setitimer",
		"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd2", "pipe2",
		"getrandom", "getuid", "geteuid",
	}
}

// filter refuses all other calls with EPERM, in all threads. Go's runtime asks
// for more on some kernels and can do without: an error, not a kill.
func filter(calls []string) error {
	refused := uint(unix.EPERM)
	prog, err := seccomp.Compile(&specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, DefaultErrnoRet: &refused,
		Syscalls: []specs.LinuxSyscall{{Names: append(own(), calls...), Action: specs.ActAllow}},
	})
	if err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	code := make([]unix.SockFilter, len(prog))
	for i, in := range prog {
		code[i] = unix.SockFilter{Code: in.Code, Jt: in.JT, Jf: in.JF, K: in.K}
	}
	p := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	const allThreads = 1 // SECCOMP_FILTER_FLAG_TSYNC
	const setFilter = 1  // SECCOMP_SET_MODE_FILTER
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, setFilter, allThreads, uintptr(unsafe.Pointer(&p)))
	runtime.KeepAlive(code)
	switch {
	case errno != 0:
		return os.NewSyscallError("seccomp", errno)
	case r != 0:
		return errors.New("seccomp: a thread could not take over the filter")
	}
	return nil
}
