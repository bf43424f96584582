//go:build linux

// Package hangup tells when the other end of a Unix socket has gone.
package hangup

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Watch watches for the moment at which the other end of a connection is
// wholly gone, without reading from it. The end of input says less: docker
// attach --no-stdin shuts its writing side down at once and goes on reading. On
// a Unix socket poll(2) tells the two apart: POLLRDHUP for one direction,
// POLLHUP for both.
//
// It has a descriptor of its own, so that it never waits for who reads: stop
// closes it, and must come before conn is closed for the other end to notice.
func Watch(conn net.Conn) (gone <-chan struct{}, stop func(), err error) {
	of, ok := conn.(syscall.Conn)
	if !ok {
		return nil, nil, fmt.Errorf("watch a %T: not a socket", conn)
	}
	raw, err := of.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	own, failed := -1, error(nil)
	if err := raw.Control(func(fd uintptr) { own, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, nil, err
	}
	if failed != nil {
		return nil, nil, os.NewSyscallError("fcntl", failed)
	}
	f := os.NewFile(uintptr(own), "hangup") // not blocking, as conn: Go's poller takes it
	events, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	left, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		err := events.Read(func(fd uintptr) bool { // again after each event
			p := []unix.PollFd{{Fd: int32(fd)}}
			n, err := unix.Poll(p, 0)
			return err == nil && n == 1 // POLLHUP and POLLERR come unasked
		})
		if err == nil {
			close(left)
		}
	}()
	return left, func() { f.Close(); <-over }, nil
}
