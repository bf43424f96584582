package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// ports are for scripts that publish one later on: those beneath
// ip_local_port_range (ip(7)), of which the kernel gives none to whoever asks for
// any, and each to one script alone.
var ports atomic.Int32

// freePort finds a port that nobody has: port NAME sets the variable.
func freePort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: port NAME")
	}
	const first, last = 20000, 32000
	ports.CompareAndSwap(0, first+rand.Int32N(last-first)) // others may run the same tests on this host
	for range last - first {
		port := fmt.Sprint(first + (ports.Add(1)-first)%(last-first))
		l, err := net.Listen("tcp4", "127.0.0.1:"+port)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		ts.Check(err)
		ts.Check(l.Close())
		ts.Setenv(args[0], port)
		return
	}
	ts.Fatalf("no port from %d to %d is free", first, last)
}

// hostAddress is an IPv4 address of this host that is not loopback, "" where it
// has none.
func hostAddress() string {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, l := range list {
		if p, err := netip.ParsePrefix(l.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			return p.Addr().String()
		}
	}
	return ""
}

// standIn serves on the host's own address, beside loopback, until the script
// ends: there NAME. It sets NAME to the address and NAME_PORT to the port, and
// sends back what it is told.
func standIn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: there NAME")
	}
	host := hostAddress()
	l, err := net.Listen("tcp4", host+":0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the client
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Setenv(args[0], host)
	ts.Setenv(args[0]+"_PORT", port)
}

// heldKey is where a script keeps its open connection.
type heldKey struct{}

// holdConnection opens a connection to an echo server and keeps it, or says more
// on the one that it has: hold [NETWORK ADDRESS] TEXT. The answer must be the
// same.
func holdConnection(ts *testscript.TestScript, neg bool, args []string) {
	conn := ts.Value(heldKey{}).(*net.Conn)
	if neg || len(args) != 3 && (len(args) != 1 || *conn == nil) {
		ts.Fatalf("usage: hold [NETWORK ADDRESS] TEXT")
	}
	if len(args) == 3 {
		c, err := net.DialTimeout(args[0], args[1], 10*time.Second)
		ts.Check(err)
		ts.Defer(func() { c.Close() })
		*conn = c
	}
	text := []byte(args[len(args)-1])
	ts.Check((*conn).SetDeadline(time.Now().Add(30 * time.Second)))
	for tries := 0; ; tries++ {
		_, err := (*conn).Write(text)
		ts.Check(err)
		answer := make([]byte, len(text))
		if (*conn).RemoteAddr().Network() == "udp" {
			ts.Check((*conn).SetDeadline(time.Now().Add(time.Second)))
		}
		_, err = io.ReadFull(*conn, answer)
		if late, ok := err.(net.Error); ok && late.Timeout() && tries < 20 && (*conn).RemoteAddr().Network() == "udp" {
			continue // a datagram may be lost, and nobody may listen yet
		}
		ts.Check(err)
		if string(answer) != string(text) {
			ts.Fatalf("%s answered as %q", text, answer)
		}
		ts.Logf("%s came back", text)
		return
	}
}
