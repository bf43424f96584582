//go:build linux

// Package descriptor has open files come twice, or from another process.
package descriptor

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Again returns a second descriptor of an open file; the caller closes both.
func Again(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// Received returns the descriptors that came beside a message of a socket, in
// its control data (unix(7), SCM_RIGHTS). They are the caller's, also where there
// is an error, and closed when this process executes another program.
func Received(control []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	for _, m := range messages {
		some, err := unix.ParseUnixRights(&m)
		if err != nil {
			return fds, os.NewSyscallError("recvmsg SCM_RIGHTS", err)
		}
		for _, fd := range some {
			unix.CloseOnExec(fd)
		}
		fds = append(fds, some...)
	}
	return fds, nil
}

// One is Received where one descriptor is to come.
func One(control []byte) (int, error) {
	fds, err := Received(control)
	if err == nil && len(fds) == 1 {
		return fds[0], nil
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	if err == nil {
		err = fmt.Errorf("%d descriptors came, not one", len(fds))
	}
	return -1, err
}
