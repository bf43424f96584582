//go:build linux

package hangup

import (
	"net"
	"path/filepath"
	"testing"
)

// pair is two ends of a Unix socket.
func pair(t *testing.T) (server, client *net.UnixConn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return s.(*net.UnixConn), c.(*net.UnixConn)
}

func TestHangupIsTheEndOfBothDirections(t *testing.T) {
	server, client := pair(t)
	gone, stop, err := Watch(server)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if _, err := client.Write([]byte("typed")); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	// Reading goes on beside the watch, up to the end of input.
	buf := make([]byte, 16)
	if n, err := server.Read(buf); err != nil || string(buf[:n]) != "typed" {
		t.Fatalf("%q %v", buf[:n], err)
	}
	if n, err := server.Read(buf); n != 0 || err == nil {
		t.Fatalf("%q %v", buf[:n], err)
	}
	// What the client still reads reaches it, and it is there.
	if _, err := server.Write([]byte("written")); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Read(buf); err != nil || string(buf[:n]) != "written" {
		t.Fatalf("%q %v", buf[:n], err)
	}
	select {
	case <-gone:
		t.Fatal("gone with the end of its input")
	default:
	}
	client.Close()
	<-gone
}

func TestHangupStops(t *testing.T) {
	server, client := pair(t)
	gone, stop, err := Watch(server)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	server.Close()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the client does not see the end: a descriptor is left")
	}
	select {
	case <-gone:
		t.Error("gone, though it was not")
	default:
	}
}
