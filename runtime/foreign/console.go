//go:build linux

package foreign

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a socket on which a runtime hands over the master of the terminal
// that it made (runc, docs/terminals.md).
type terminal struct {
	path string
	l    *net.UnixListener
}

func listen(path string) (*terminal, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("console socket: %w", err)
	}
	return &terminal{path, l}, nil
}

func (t *terminal) close() { t.l.Close() }

// take returns what the runtime has sent by the time that its command ended.
func (t *terminal) take() (*os.File, error) {
	if err := t.l.SetDeadline(time.Now().Add(within)); err != nil {
		return nil, err
	}
	conn, err := t.l.AcceptUnix()
	if err != nil {
		return nil, fmt.Errorf("console socket: %w", err)
	}
	defer conn.Close()
	oob, name := make([]byte, unix.CmsgSpace(4)), make([]byte, 4096)
	_, n, _, _, err := conn.ReadMsgUnix(name, oob)
	if err != nil {
		return nil, fmt.Errorf("console socket: %w", err)
	}
	messages, err := syscall.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return nil, errors.Join(errors.New("console socket: no descriptor came"), err)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.Join(errors.New("console socket: no descriptor came"), err)
	}
	unix.CloseOnExec(fds[0])
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		return nil, os.NewSyscallError("fcntl O_NONBLOCK", err)
	}
	return os.NewFile(uintptr(fds[0]), "/dev/ptmx"), nil
}
