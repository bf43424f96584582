//go:build linux

package foreign

import (
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/descriptor"
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
	fd, err := descriptor.One(oob[:n])
	if err != nil {
		return nil, fmt.Errorf("console socket: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl O_NONBLOCK", err)
	}
	return os.NewFile(uintptr(fd), "/dev/ptmx"), nil
}
