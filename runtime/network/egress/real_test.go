//go:build linux

package egress_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/runtime/network/egress"
	"github.com/layerlab/layerlab/runtime/network/egress/userspace"
	"github.com/layerlab/layerlab/runtime/network/link"
)

// The test's own program is helper, way out and container, too. Those end by
// unix.Exit: at os.Exit the race detector sleeps for a second.
func TestMain(m *testing.M) {
	if os.Args[0] == "layerlab-egress" {
		unix.Exit(userspace.Main())
	}
	if len(os.Args) > 1 && os.Args[1] == "network" {
		unix.Exit(network.Main(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "sit" {
		os.Stdout.WriteString("sits\n")
		io.Copy(io.Discard, os.Stdin)
		unix.Exit(0)
	}
	os.Exit(m.Run())
}

// Addresses of the stand-in world: the host's own and a neighbour's, each once
// of the world's and once private.
const (
	hostWorld, hostPrivate   = "11.0.0.1", "10.5.0.1"
	thereWorld, therePrivate = "11.0.0.2", "10.5.0.2"
)

// lab is a host, a world behind it and a container network on it.
type lab struct {
	t           *testing.T
	executable  *os.File
	host, world *os.File // network namespaces
	network     network.Network
	box         *os.File // a container's network namespace
}

func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("no /dev/net/tun: ", err)
	}
	executable, err := os.Open("/proc/self/exe")
	must(t, err)
	t.Cleanup(func() { executable.Close() })
	dir, err := os.MkdirTemp("", "out") // short: sun_path holds 108 bytes
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := &lab{t: t, executable: executable, network: network.Network{
		ID: strings.Repeat("cd", 32), Name: "front", Address: netip.MustParsePrefix("172.29.0.1/16"),
		Socket: filepath.Join(dir, "s"), Pin: filepath.Join(dir, "n"), Out: true,
	}}
	l.host, l.world = l.namespace(), l.namespace()
	l.wire()
	t.Cleanup(func() {
		ctx := context.Background()
		if c, _, err := network.Dial(ctx, l.network.Socket); err == nil {
			if err := c.End(ctx); err != nil && !errors.Is(err, network.ErrGone) {
				t.Error("end:", err)
			}
		}
		if err := errors.Join(egress.End(ctx, l.network), network.Clean(ctx, l.network)); err != nil {
			t.Error("clean:", err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// namespace makes one that goes with the test.
func (l *lab) namespace() *os.File {
	l.t.Helper()
	cmd := exec.Command("/proc/self/exe", "sit")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	in, err := cmd.StdinPipe()
	must(l.t, err)
	out, err := cmd.StdoutPipe()
	must(l.t, err)
	must(l.t, cmd.Start())
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		l.t.Fatal(err)
	}
	ns, err := link.Of(cmd.Process.Pid)
	must(l.t, err)
	l.t.Cleanup(func() {
		ns.Close()
		in.Close()
		cmd.Wait()
	})
	return ns
}

// wire joins host and world.
func (l *lab) wire() {
	l.t.Helper()
	end := func(ns *os.File, name string, addresses ...string) {
		must(l.t, link.In(ns, func() error {
			h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
			if err != nil {
				return err
			}
			defer h.Close()
			lo, err := h.LinkByName("lo")
			if err != nil {
				return err
			}
			one, err := h.LinkByName(name)
			if err != nil {
				return err
			}
			for _, a := range addresses {
				addr, err := netlink.ParseAddr(a + "/24")
				if err == nil {
					err = h.AddrAdd(one, addr)
				}
				if err != nil {
					return err
				}
			}
			return errors.Join(h.LinkSetUp(lo), h.LinkSetUp(one))
		}))
	}
	must(l.t, link.In(l.host, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "up0"
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "up0", PeerNamespace: netlink.NsFd(l.world.Fd())})
	}))
	end(l.host, "up0", hostWorld, hostPrivate)
	end(l.world, "up0", thereWorld, therePrivate)
}

// start brings helper and way out up, and plugs a container in.
func (l *lab) start(p egress.Policy) {
	l.t.Helper()
	must(l.t, link.In(l.host, func() error {
		c, _, err := network.Dial(l.t.Context(), l.network.Socket)
		if errors.Is(err, network.ErrGone) {
			c, err = network.Start(l.t.Context(), l.executable, l.network)
		}
		if err != nil {
			return err
		}
		if l.box == nil {
			l.box = l.namespace()
		}
		self, err := unix.PidfdOpen(os.Getpid(), 0)
		if err != nil {
			return err
		}
		target := network.Target{Process: os.NewFile(uintptr(self), "pidfd"), Namespace: l.box}
		defer target.Process.Close()
		e := network.Endpoint{
			ID: strings.Repeat("1", 64), Container: "c", Interface: "eth0", Address: netip.MustParsePrefix("172.29.0.2/16"),
			MAC: "02:42:ac:1d:00:02", Gateway: l.network.Address.Addr(),
		}
		if _, err := c.Join(l.t.Context(), e, target); err != nil {
			return err
		}
		return egress.Start(l.t.Context(), l.executable, l.network, p)
	}))
}

// events listens to what is refused.
func (l *lab) events() chan egress.Event {
	l.t.Helper()
	list := make(chan egress.Event, 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = egress.Watch(ctx, l.network, func(e egress.Event) { list <- e })
	}()
	l.t.Cleanup(func() { cancel(); <-done })
	return list
}

// listen serves echo in a namespace: TCP until the client has ended, UDP each
// datagram.
func (l *lab) listen(ns *os.File, port int) {
	l.t.Helper()
	must(l.t, link.In(ns, func() error {
		tcp, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		if err != nil {
			return err
		}
		udp, err := net.ListenPacket("udp4", fmt.Sprintf("0.0.0.0:%d", port))
		if err != nil {
			return err
		}
		l.t.Cleanup(func() { tcp.Close(); udp.Close() })
		go func() {
			for {
				c, err := tcp.Accept()
				if err != nil {
					return
				}
				go func() { io.Copy(c, c); c.Close() }()
			}
		}()
		go func() {
			b := make([]byte, 65536)
			for {
				n, from, err := udp.ReadFrom(b)
				if err != nil {
					return
				}
				udp.WriteTo(b[:n], from)
			}
		}()
		return nil
	}))
}

// dial opens a connection from the container.
func (l *lab) dial(kind, address string) (c net.Conn, err error) {
	err = link.In(l.box, func() (err error) {
		c, err = net.DialTimeout(kind, address, 20*time.Second)
		return err
	})
	return c, err
}

// echoes sends text and wants it back.
func (l *lab) echoes(kind, address string, text []byte) {
	l.t.Helper()
	c, err := l.dial(kind, address)
	if err != nil {
		l.t.Error(err)
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(text)
		if t, ok := c.(*net.TCPConn); ok && err == nil {
			err = t.CloseWrite()
		}
		sent <- err
	}()
	got := make([]byte, len(text))
	if kind == "tcp4" {
		got, err = io.ReadAll(c) // until the far end has ended too: half-close
	} else {
		_, err = io.ReadFull(c, got)
	}
	if err := errors.Join(err, <-sent); err != nil || !bytes.Equal(got, text) {
		l.t.Errorf("%s %s: %d of %d bytes back: %v", kind, address, len(got), len(text), err)
	}
}

// A server that was just started may come after what is refused.
func TestWhatNobodyHeardYetIsTold(t *testing.T) {
	l := newLab(t)
	l.start(egress.Policy{})
	if _, err := l.dial("tcp4", "192.0.2.5:8000"); !errors.Is(err, unix.EHOSTUNREACH) {
		t.Fatal(err)
	}
	select {
	case e := <-l.events():
		if e.To.String() != "192.0.2.5" || e.Reason != egress.ReasonSpecial {
			t.Errorf("told %+v", e)
		}
	case <-time.After(10 * time.Second):
		t.Error("told nothing")
	}
}

func TestTheWorldIsReachedAndTheHostIsNot(t *testing.T) {
	l := newLab(t)
	l.listen(l.world, 8000)
	l.listen(l.host, 8000)
	l.start(egress.Policy{})
	events := l.events()
	big := make([]byte, 3<<20)
	rand.Read(big)
	l.echoes("tcp4", thereWorld+":8000", []byte("hello"))
	l.echoes("tcp4", thereWorld+":8000", big)
	l.echoes("udp4", thereWorld+":8000", []byte("datagram"))
	l.echoes("udp4", thereWorld+":8000", big[:1<<14]) // in fragments
	for _, refused := range [][2]string{
		{hostWorld, egress.ReasonOwn},
		{hostPrivate, egress.ReasonPrivate},
		{therePrivate, egress.ReasonPrivate},
		{"169.254.169.254", egress.ReasonLink},
		{"192.0.2.5", egress.ReasonSpecial},
	} {
		address, reason := refused[0], refused[1]
		_, err := l.dial("tcp4", address+":8000")
		if !errors.Is(err, unix.EHOSTUNREACH) {
			t.Errorf("connect to %s: %v", address, err)
		}
		select {
		case e := <-events:
			if e.To.String() != address || e.Reason != reason || e.Port != 8000 || e.Proto != "tcp" || e.From.String() != "172.29.0.2" {
				t.Errorf("%s: told %+v, want %s", address, e, reason)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("nothing told of %s", address)
		}
	}
	if _, err := l.dial("tcp4", thereWorld+":8001"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("a port where nobody listens: %v", err)
	}
}

func TestListedAddressesAreReached(t *testing.T) {
	l := newLab(t)
	l.listen(l.world, 8000)
	l.start(egress.Policy{Listed: []netip.Prefix{netip.MustParsePrefix(therePrivate + "/32")}})
	l.echoes("tcp4", therePrivate+":8000", []byte("hello"))
	if _, err := l.dial("tcp4", hostPrivate+":8000"); !errors.Is(err, unix.EHOSTUNREACH) {
		t.Errorf("a neighbour of what is listed: %v", err)
	}
}

func TestWithoutAWayOutProgramsFailAtOnce(t *testing.T) {
	l := newLab(t)
	l.start(egress.Policy{})
	must(t, egress.End(t.Context(), l.network))
	if _, err := l.dial("tcp4", thereWorld+":8000"); !errors.Is(err, unix.EHOSTUNREACH) {
		t.Errorf("without a way out: %v", err)
	}
	if _, err := egress.Look(t.Context(), l.network); err == nil {
		t.Error("somebody answers still")
	}
}

func TestTheWayIsNobodysAndItEndsWithTheHelper(t *testing.T) {
	l := newLab(t)
	l.listen(l.world, 8000)
	l.start(egress.Policy{})
	s, err := egress.Look(t.Context(), l.network)
	must(t, err)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid))
	must(t, err)
	for _, want := range []string{"Uid:\t65534\t65534\t65534\t65534", "Gid:\t65534\t65534\t65534\t65534", "Groups:\t \n", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000"} {
		if !bytes.Contains(status, []byte(want)) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	l.start(egress.Policy{}) // the same again: it stays
	if again, err := egress.Look(t.Context(), l.network); err != nil || again.Pid != s.Pid {
		t.Errorf("a way that is open was opened anew: %+v %v", again, err)
	}
	_, helper, err := network.Dial(t.Context(), l.network.Socket)
	must(t, err)
	way, err := unix.PidfdOpen(s.Pid, 0)
	must(t, err)
	defer unix.Close(way)
	must(t, syscall.Kill(helper.Pid, syscall.SIGKILL))
	n, err := 0, error(unix.EINTR)
	for err == unix.EINTR {
		n, err = unix.Poll([]unix.PollFd{{Fd: int32(way), Events: unix.POLLIN}}, 20000)
	}
	if n != 1 {
		t.Fatal("the way outlives the helper", err)
	}
	l.start(egress.Policy{}) // both anew, on the same wires
	l.echoes("tcp4", thereWorld+":8000", []byte("again"))
}
