//go:build linux

// Package outside makes sockets in the host's network for a helper that stands
// in another: by entering the host's namespace, or through a clerk.
//
//	helper ─ setns ─▶ socket, bind, listen          (root's)
//	helper ─ request ─▶ clerk ─ socket ─▶ helper    (an ordinary user's)
//
// An ordinary user's helper may not enter the host's namespace, which belongs to
// the first user namespace: setns(2) asks for CAP_SYS_ADMIN there. So a process
// that never left it, the clerk, makes the sockets and hands them over
// (unix(7), SCM_RIGHTS). It ends with the helper.
package outside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/descriptor"
	"github.com/layerlab/layerlab/runtime/network/link"
)

// Host is the host's network. It is safe for concurrent use.
type Host struct {
	ns *os.File // nil with a clerk

	mu    sync.Mutex
	clerk *net.UnixConn
}

// Open takes over a descriptor: a network namespace, or a clerk's socket.
func Open(f *os.File) (*Host, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return &Host{ns: f}, nil
	}
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return &Host{clerk: conn.(*net.UnixConn)}, nil
}

// ListenTCP and ListenUDP bind an address of the host.
func (h *Host) ListenTCP(at netip.AddrPort) (l *net.TCPListener, err error) {
	if h.clerk == nil {
		err = link.In(h.ns, func() (err error) {
			l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
			return err
		})
		return l, err
	}
	f, err := h.ask(request{Listen: true, Network: "tcp", Address: at.String()})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	any, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	return any.(*net.TCPListener), nil
}

func (h *Host) ListenUDP(at netip.AddrPort) (c *net.UDPConn, err error) {
	if h.clerk == nil {
		err = link.In(h.ns, func() (err error) {
			c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
			return err
		})
		return c, err
	}
	f, err := h.ask(request{Listen: true, Network: "udp", Address: at.String()})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	any, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	return any.(*net.UDPConn), nil
}

// Dial connects to an address that the host reaches.
func (h *Host) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	if h.clerk == nil {
		var d net.Dialer
		err = link.In(h.ns, func() (err error) {
			c, err = d.DialContext(ctx, network, address)
			return err
		})
		return c, err
	}
	f, err := h.ask(request{Network: network, Address: address})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return net.FileConn(f)
}

// request is one line of JSON; its answer another, with the socket beside it.
type request struct {
	Listen  bool   `json:"listen,omitempty"`
	Network string `json:"network"`
	Address string `json:"address"`
}

type answer struct {
	Errno   syscall.Errno `json:"errno,omitempty"`
	Message string        `json:"message,omitempty"`
}

// most is the length of a message: an address with its words.
const most = 4096

// ask asks the clerk for a socket.
func (h *Host) ask(r request) (*os.File, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, err := h.clerk.Write(text); err != nil {
		return nil, fmt.Errorf("ask for a socket of the host: %w", err)
	}
	buf, oob := make([]byte, most), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := h.clerk.ReadMsgUnix(buf, oob)
	if err != nil {
		return nil, fmt.Errorf("ask for a socket of the host: %w", err)
	}
	var a answer
	if err := json.Unmarshal(buf[:n], &a); err != nil {
		return nil, fmt.Errorf("ask for a socket of the host: %w", err)
	}
	switch {
	case a.Errno != 0:
		return nil, &net.OpError{Op: "socket", Net: r.Network, Err: a.Errno}
	case a.Message != "":
		return nil, errors.New(a.Message)
	}
	fd, err := descriptor.One(oob[:m])
	if err != nil {
		return nil, fmt.Errorf("ask for a socket of the host: %w", err)
	}
	return os.NewFile(uintptr(fd), r.Address), nil
}
