//go:build linux

package outside

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Word is the argument by which layerlab-helper is asked to be Main.
const Word = "network-clerk"

// dialTime is how long a connection may take: a resolver is asked.
const dialTime = 5 * time.Second

// Pair returns the two ends of a clerk's socket; its own is descriptor 3 of Main.
func Pair() (helper, clerk *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0) // a message is a request
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "clerk"), os.NewFile(uintptr(fds[1]), "clerk"), nil
}

// Main is the clerk: it answers until the helper has gone.
func Main() int {
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGPIPE)
	err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	f := os.NewFile(3, "clerk")
	any, connErr := net.FileConn(f)
	if err := errors.Join(err, connErr, f.Close()); err != nil {
		fmt.Fprintln(os.Stderr, "layerlab-helper: network-clerk is started by the server, not by hand")
		return 2
	}
	unix.Close(4) // the program
	serve(any.(*net.UnixConn))
	return 0
}

func serve(conn *net.UnixConn) {
	buf := make([]byte, most)
	for {
		n, err := conn.Read(buf)
		if err != nil || n == 0 {
			return
		}
		if err := respond(conn, buf[:n]); err != nil {
			return
		}
	}
}

// respond answers one request; the error is the connection's.
func respond(conn *net.UnixConn, text []byte) error {
	var r request
	var a answer
	var rights []byte
	err := json.Unmarshal(text, &r)
	if err == nil {
		var f *os.File
		if f, err = r.make(); err == nil {
			defer f.Close()
			rights = unix.UnixRights(int(f.Fd()))
		}
	}
	if err != nil {
		a = refusal(err)
	}
	if text, err = json.Marshal(a); err != nil {
		return err
	}
	_, _, err = conn.WriteMsgUnix(text, rights, nil)
	return err
}

func refusal(err error) answer {
	if number := syscall.Errno(0); errors.As(err, &number) {
		return answer{Errno: number}
	}
	return answer{Message: err.Error()}
}

// make makes a socket.
func (r request) make() (*os.File, error) {
	file := func(s interface {
		File() (*os.File, error)
		Close() error
	},
	) (*os.File, error) {
		defer s.Close()
		return s.File()
	}
	switch {
	case r.Listen && r.Network == "tcp":
		l, err := net.Listen("tcp", r.Address)
		if err != nil {
			return nil, err
		}
		return file(l.(*net.TCPListener))
	case r.Listen:
		c, err := net.ListenPacket("udp", r.Address)
		if err != nil {
			return nil, err
		}
		return file(c.(*net.UDPConn))
	}
	c, err := net.DialTimeout(r.Network, r.Address, dialTime)
	if err != nil {
		return nil, err
	}
	if tcp, is := c.(*net.TCPConn); is {
		return file(tcp)
	}
	return file(c.(*net.UDPConn))
}
