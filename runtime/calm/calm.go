//go:build linux

// Package calm keeps Go's monitor from running all the while in a program that
// lives for five milliseconds.
//
// The Go runtime has a thread (sysmon) that looks every 20 µs, later more rarely,
// for goroutines that run too long and for processors that a system call keeps
// from others. In a program with one goroutine it finds nothing: it was half of
// all context switches of a run and a sixth of its processor time. The kernel
// may let a thread sleep longer than it asked for, by its timer slack
// (prctl(2) PR_SET_TIMERSLACK, proc(5) /proc/pid/timerslack_ns).
package calm

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Monitor lets the monitor sleep longer by up to slack; 0 is the kernel's
// default, 50 µs. Without the right to (CAP_SYS_NICE) everything stays as it is.
func Monitor(slack time.Duration) error {
	dir, err := unix.Open("/proc/self/task", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/proc/self/task", Err: err}
	}
	var buf [1024]byte
	n, err := unix.Getdents(dir, buf[:])
	unix.Close(dir)
	if err != nil {
		return os.NewSyscallError("getdents64", err)
	}
	// In the order of their birth; the monitor is the first that Go starts.
	_, _, threads := unix.ParseDirent(buf[:n], 2, nil)
	if len(threads) < 2 {
		return nil
	}
	path := "/proc/" + threads[1] + "/timerslack_ns"
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, strconv.AppendInt(buf[:0], slack.Nanoseconds(), 10)); err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}
