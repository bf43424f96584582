package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/layerlab/layerlab/runtime/network/proxy"
)

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

func dialTo(l net.Listener) proxy.Dialer {
	var d net.Dialer
	return func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", l.Addr().String()) }
}

func connect(t *testing.T, l net.Listener) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn)
}

// A client that has said all may still listen, and so may the server: HTTP/1.0
// and `nc` depend on it.
func TestEachDirectionEndsByItself(t *testing.T) {
	server, front := listen(t), listen(t)
	p := proxy.ServeTCP(front, dialTo(server))
	defer p.Close()
	reached := make(chan struct{})
	go func() {
		c, err := server.Accept()
		if err != nil {
			return
		}
		close(reached)
		all, _ := io.ReadAll(c) // until the client's end
		c.Write(append([]byte("heard "), all...))
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
		c.Close()
	}()
	c := connect(t, front)
	if _, err := c.Write([]byte("a question")); err != nil {
		t.Fatal(err)
	}
	<-reached
	if n := p.Open(); n != 1 {
		t.Errorf("%d connections open, want 1", n)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "heard a question" {
		t.Errorf("%q, %v", got, err)
	}
}

// Who connects to a port that nobody serves must not believe that it was served
// an empty answer.
func TestAClientIsResetWhereNobodyListens(t *testing.T) {
	front := listen(t)
	p := proxy.ServeTCP(front, func(context.Context) (net.Conn, error) { return nil, errors.New("refused") })
	defer p.Close()
	c, err := net.Dial("tcp", front.Addr().String())
	if err == nil {
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
}

func TestCloseEndsConnectionsThatDoNotEnd(t *testing.T) {
	server, front := listen(t), listen(t)
	p := proxy.ServeTCP(front, dialTo(server))
	c := connect(t, front)
	s, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open after Close")
	}
	if n := p.Open(); n != 0 {
		t.Errorf("%d connections open", n)
	}
	if _, err := net.Dial("tcp", front.Addr().String()); err == nil {
		t.Error("the port answers after Close")
	}
}

func udp(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// Each UDP peer gets its own answers, and is forgotten when nothing was said for
// a while: then its next datagram comes from another port.
func TestUDPPeersAreToldApartAndForgotten(t *testing.T) {
	server, front := udp(t), udp(t)
	front.SetDeadline(time.Time{})
	var d net.Dialer
	p := proxy.ServeUDP(front, func(ctx context.Context) (net.Conn, error) {
		return d.DialContext(ctx, "udp", server.LocalAddr().String())
	}, 50*time.Millisecond)
	defer p.Close()
	buf := make([]byte, 100)
	ask := func(c *net.UDPConn, text string) (from string) {
		t.Helper()
		if _, err := c.WriteTo([]byte(text), front.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		n, peer, err := server.ReadFrom(buf)
		if err != nil || string(buf[:n]) != text {
			t.Fatalf("server got %q, %v", buf[:n], err)
		}
		if _, err := server.WriteTo([]byte("re "+text), peer); err != nil {
			t.Fatal(err)
		}
		n, _, err = c.ReadFrom(buf)
		if err != nil || string(buf[:n]) != "re "+text {
			t.Fatalf("client got %q, %v", buf[:n], err)
		}
		return peer.String()
	}
	one, two := udp(t), udp(t)
	first := ask(one, "one")
	if ask(two, "two") == first {
		t.Error("two peers share a socket")
	}
	for late := time.Now().Add(20 * time.Second); ask(one, "again") == first; { // until it was forgotten
		if time.Now().After(late) {
			t.Fatal("an idle peer is remembered for ever")
		}
		time.Sleep(60 * time.Millisecond) // longer than idle: there is no event for it
	}
}
