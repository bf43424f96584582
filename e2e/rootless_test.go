//go:build linux

package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/layerlab/layerlab/runtime/network/link"
)

// TestAnOrdinaryUsersServer runs a server as an ordinary user, from what is
// missing for that to a container's whole life.
func TestAnOrdinaryUsersServer(t *testing.T) {
	cmd := ordinary(t, "life.sh")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestAnOrdinaryUsersWayOut runs one with --egress allow, on a host whose only
// interface stands in for the world.
func TestAnOrdinaryUsersWayOut(t *testing.T) {
	if _, err := os.Stat(link.TunPath); err != nil {
		t.Skipf("%v (the kernel's module tun)", err)
	}
	cmd := ordinary(t, "out.sh")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	pin := filepath.Join(t.TempDir(), "host")
	host, _, err := link.Pin(pin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(host.Close(), link.Unpin(pin)); err != nil {
			t.Error(err)
		}
	}()
	if err := link.In(host, func() error { return errors.Join(world(t), cmd.Start()) }); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
}

// ordinary is the command that runs a script of testdata/rootless.
func ordinary(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	if !canDocker() {
		t.Skip("needs root, to make the user, and the docker command line")
	}
	for tool, pack := range map[string]string{"newuidmap": "uidmap", "newgidmap": "uidmap", "setpriv": "util-linux", "unshare": "util-linux", "ps": "procps"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%v (Debian package %s)", err, pack)
		}
	}
	if b, err := os.ReadFile("/proc/sys/kernel/unprivileged_userns_clone"); err == nil && b[0] == '0' {
		t.Skip("sysctl kernel.unprivileged_userns_clone is 0")
	}
	if b, err := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"); err == nil && b[0] == '1' {
		t.Skip("sysctl kernel.apparmor_restrict_unprivileged_userns is 1")
	}
	samples := t.TempDir()
	if out, err := exec.Command(filepath.Join(bin, "layerlab-sample"), "-userland", filepath.Join(bin, "layerlab-userland"), "-o", samples).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	script, err := filepath.Abs(filepath.Join("testdata", "rootless", name))
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), "unshare", "-m", "sh", script, bin, filepath.Join(samples, "sample.tar"))
}

// world is what lies outside, in the network in which the caller stands: at
// 11.0.0.1 a web server, and a resolver that knows all names by that address; at
// 10.5.0.1, which is private, nobody.
func world(t *testing.T) error {
	if err := link.Loopback(); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	for _, a := range []string{"11.0.0.1/32", "10.5.0.1/32"} {
		addr, err := netlink.ParseAddr(a)
		if err == nil {
			err = netlink.AddrAdd(lo, addr)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
	}
	web, err := net.Listen("tcp4", "11.0.0.1:8000")
	if err != nil {
		return err
	}
	names, err := net.ListenPacket("udp4", "11.0.0.1:53")
	if err != nil {
		return errors.Join(err, web.Close())
	}
	t.Cleanup(func() { web.Close(); names.Close() })
	go http.Serve(web, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "of the world") }))
	go func() {
		query := make([]byte, 1500)
		for {
			n, from, err := names.ReadFrom(query)
			if err != nil {
				return
			}
			if reply := resolved(query[:n]); reply != nil {
				_, _ = names.WriteTo(reply, from) // a datagram may be lost
			}
		}
	}()
	return nil
}

// resolved answers a question for an IPv4 address; others have no answer.
func resolved(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.Additionals = true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: [4]byte{11, 0, 0, 1}},
		}}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}
