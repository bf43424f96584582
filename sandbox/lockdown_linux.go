package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// confine sets what the parent can: the child dies with the thread that
// started it at the latest, and is in no terminal's foreground.
func confine(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// lockDown takes from this process what the guest must not reach. memory is
// the guest's in bytes, seconds the processor time, spool the bytes that may be
// written to the one file that is open for it.
func lockDown(memory, seconds, spool int64) error {
	data := uint64(2*memory + 1<<30) // the guest's memory moves when it grows, and Go's own heap is beside it
	for _, l := range []struct {
		name     string
		resource int
		value    uint64
	}{
		{"RLIMIT_CORE", unix.RLIMIT_CORE, 0},
		{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE, uint64(spool)},
		{"RLIMIT_DATA", unix.RLIMIT_DATA, data},
		// Several threads may run; the wall clock is the parent's.
		{"RLIMIT_CPU", unix.RLIMIT_CPU, uint64(2*seconds + 5)},
	} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("setrlimit %s: %w", l.name, err)
		}
	}
	info, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	names := slices.DeleteFunc(allowed(), func(name string) bool {
		_, known := info.SyscallNames[name]
		return !known // older calls that a newer processor never had
	})
	filter := seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync, // all threads, not only this one
		Policy: seccomp.Policy{
			// Go's runtime asks for more on some kernels and can do without:
			// an error, not a kill.
			DefaultAction: seccomp.ActionErrno,
			Syscalls:      []seccomp.SyscallGroup{{Names: names, Action: seccomp.ActionAllow}},
		},
	}
	if err := seccomp.LoadFilter(filter); err != nil {
		return os.NewSyscallError("seccomp", err)
	}
	return nil
}

// allowed lists the calls that Go's runtime makes once everything is open:
// memory, threads, time, signals, and reads and writes of open descriptors.
// Nothing that opens, connects, executes, signals others or changes limits.
func allowed() []string {
	return []string{
		"read", "pread64", "write", "pwrite64", "close",
		"mmap", "munmap", "mprotect", "madvise", "brk", "mincore",
		"futex", "clone", "clone3", "exit", "exit_group", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity",
		"gettid", "getpid", "tgkill", "membarrier",
		"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall",
		"clock_gettime", "gettimeofday", "nanosleep", "clock_nanosleep",
		"timer_create", "timer_settime", "timer_delete", "setitimer",
		"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd2", "pipe2", "fcntl",
		"getrandom", "fstat", "lseek",
	}
}
