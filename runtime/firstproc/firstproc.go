//go:build linux

// Package firstproc is the small first process that --init puts into a
// container: it runs the command as its child, hands every signal on to it, and
// takes in what others leave behind.
//
//	kernel ─ SIGTERM ─▶ first process ─ SIGTERM ─▶ command
//	orphans ─ SIGCHLD ─▶ wait4; the command's end → exit with its code
//
// A command that is pid 1 itself gets no signal whose action it has not set, and
// collects zombies that it never made (pid_namespaces(7)).
package firstproc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"
)

// Name is the last element of the path under which the program is this one.
const Name = "docker-init"

// Main runs `docker-init -- COMMAND ARGUMENTS` and returns the command's exit
// code, 128+n for signal n, 126 or 127 where it could not be run.
func Main(args []string) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "docker-init: no command")
		return 1
	}
	debug.SetGCPercent(-1) // it allocates next to nothing
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	path, err := exec.LookPath(args[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return failed(args[0], err)
	}
	child, err := os.StartProcess(path, args, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		// Its own group in the foreground, so that Ctrl-C reaches it once.
		Sys: group(),
	})
	if err != nil {
		return failed(args[0], err)
	}
	for s := range signals {
		sig := s.(syscall.Signal)
		switch sig {
		case unix.SIGCHLD:
			if code, ended := reap(child.Pid); ended {
				return code
			}
		case unix.SIGURG: // Go's runtime sends it to itself
		default:
			_ = unix.Kill(child.Pid, sig) // it may have ended: SIGCHLD is on its way
		}
	}
	return 0
}

// group puts the command into a process group of its own, which gets the
// terminal where there is one.
func group() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		attr.Foreground, attr.Ctty = true, 0
	}
	return attr
}

// reap takes the status of all that have ended; ended says that the command is
// among them.
func reap(command int) (code int, ended bool) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return code, ended
		}
		if pid == command && ws.Exited() {
			code, ended = ws.ExitStatus(), true
		} else if pid == command && ws.Signaled() {
			code, ended = 128+int(ws.Signal()), true
		}
	}
}

func failed(command string, err error) int {
	fmt.Fprintf(os.Stderr, "docker-init: %s: %v\n", command, err)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return 127
	}
	return 126
}
