//go:build linux

package outside

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// clerks is a Host with a clerk, and a channel that is closed when that has ended.
func clerks(t *testing.T) (*Host, chan struct{}) {
	t.Helper()
	ours, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.FileConn(theirs)
	if err := errors.Join(err, theirs.Close()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer conn.Close()
		serve(conn.(*net.UnixConn))
	}()
	h, err := Open(ours)
	if err != nil {
		t.Fatal(err)
	}
	return h, ended
}

func TestAClerkMakesSocketsAndEndsWithTheHelper(t *testing.T) {
	h, ended := clerks(t)
	anyPort := netip.MustParseAddrPort("127.0.0.1:0")
	tcp, err := h.ListenTCP(anyPort)
	if err != nil {
		t.Fatal(err)
	}
	udp, err := h.ListenUDP(anyPort)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if c, err := tcp.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	go func() {
		b := make([]byte, 100)
		if n, from, err := udp.ReadFrom(b); err == nil {
			udp.WriteTo(b[:n], from)
		}
	}()
	for _, at := range []net.Addr{tcp.Addr(), udp.LocalAddr()} {
		c, err := h.Dial(t.Context(), at.Network(), at.String())
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 5)
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
			t.Errorf("%s: %q came back: %v", at.Network(), b, err)
		}
		c.Close()
	}

	// The kernel's numbers come through: by them a conflict gets its words.
	if _, err := h.ListenTCP(netip.MustParseAddrPort(tcp.Addr().String())); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a port that is taken: %v", err)
	}
	if _, err := h.ListenUDP(netip.MustParseAddrPort(udp.LocalAddr().String())); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a UDP port that is taken: %v", err)
	}
	tcp.Close()
	udp.Close()
	if _, err := h.Dial(t.Context(), "tcp", tcp.Addr().String()); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("where nobody listens: %v", err)
	}
	h.clerk.Close()
	<-ended
}
