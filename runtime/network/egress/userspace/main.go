//go:build linux

package userspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/network/egress"
)

// nobody is the user and group that own nothing (kernel's overflow id).
const nobody = 65534

// Main is the process. It is run by egress.Start and by nobody else. It returns
// the exit code.
func Main() int {
	handover := os.NewFile(egress.HandoverFD, "handover")
	for fd := uintptr(egress.HandoverFD); fd <= egress.LockFD; fd++ {
		if _, err := unix.FcntlInt(fd, unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			fmt.Fprintln(os.Stderr, "layerlab-egress: layerlab serve starts this program; nobody else has use for it")
			return 2
		}
	}
	unix.Close(egress.ExecutableFD)
	w, err := begin(handover)
	answer := egress.Answer{}
	if err != nil {
		answer.Failure = err.Error()
	}
	_ = json.NewEncoder(handover).Encode(answer) // who asked may have gone; the next one finds the socket
	handover.Close()
	if err != nil {
		return 1
	}
	debug.FreeOSMemory()
	w.run()
	return 0
}

// begin gives the privileges away and sets the stack up.
func begin(handover *os.File) (*way, error) {
	if err := settle(); err != nil {
		return nil, err
	}
	var c egress.Config
	if err := json.NewDecoder(handover).Decode(&c); err != nil {
		return nil, fmt.Errorf("what to do: %w", err)
	}
	l, err := net.FileListener(os.NewFile(egress.ListenerFD, "listener"))
	if err != nil {
		return nil, err
	}
	unix.Close(egress.ListenerFD) // FileListener has its own
	for _, fd := range []int{egress.TunFD, egress.HelperFD} {
		if err := unix.SetNonblock(fd, true); err != nil { // or os.NewFile does not poll it
			return nil, os.NewSyscallError("fcntl O_NONBLOCK", err)
		}
	}
	tun, helper := os.NewFile(egress.TunFD, "out0"), os.NewFile(egress.HelperFD, "pidfd")
	return newWay(c, tun, helper, l)
}

// settle makes the process what it is to be: nobody's, without a capability,
// and no terminal ends it.
func settle() error {
	if os.Geteuid() == 0 {
		// All threads change (package syscall), and with the last id 0 goes the
		// last capability (capabilities(7)).
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			return fmt.Errorf("become nobody: %w", err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_DUMPABLE", err)
	}
	if _, _, no := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); no != 0 && no != unix.ENOTSUP { // with cgo, in tests, Go does not know all threads
		return os.NewSyscallError("prctl PR_SET_NO_NEW_PRIVS", no)
	}
	// The terminal of a server that runs in the foreground is not ours.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGPIPE)
	debug.SetGCPercent(50)
	return os.Chdir("/")
}
