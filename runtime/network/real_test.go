//go:build linux

package network_test

import (
	"bytes"
	"context"
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
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/runtime/network/link"
	"github.com/layerlab/layerlab/runtime/network/names"
)

// The test's own program is helper and container, too. Those end by unix.Exit: at
// os.Exit the race detector sleeps for a second.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "network":
			unix.Exit(network.Main(os.Args[2:]))
		case "sit":
			os.Stdout.WriteString("sits\n")
			io.Copy(io.Discard, os.Stdin)
			unix.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// lab is one network under test.
type lab struct {
	t          *testing.T
	executable *os.File
	network    network.Network
}

func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	executable, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { executable.Close() })
	dir, err := os.MkdirTemp("", "net") // short: sun_path holds 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, executable: executable, network: network.Network{
		ID: strings.Repeat("ab", 32), Name: "front", Address: netip.MustParsePrefix("172.29.0.1/16"),
		Socket: filepath.Join(dir, "s"), Pin: filepath.Join(dir, "n"),
	}}
	t.Cleanup(func() {
		if c, _, err := network.Dial(context.Background(), l.network.Socket); err == nil {
			if err := c.End(context.Background()); err != nil && !errors.Is(err, network.ErrGone) {
				t.Error("end:", err)
			}
		}
		if err := network.Clean(context.Background(), l.network); err != nil {
			t.Error("clean:", err)
		}
		if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || bytes.Contains(mounts, []byte(dir)) {
			t.Error("a pin is left behind")
		}
		os.RemoveAll(dir)
	})
	return l
}

// start brings the helper up, and watches it until the test ends or stop.
func (l *lab) start() (c *network.Client, events chan network.Event, stop func()) {
	l.t.Helper()
	c, err := network.Start(l.t.Context(), l.executable, l.network)
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(l.t.Context())
	ready := make(chan struct{})
	events = make(chan network.Event, 100)
	go func() {
		_ = c.Watch(ctx, func() { close(ready) }, func(e network.Event) { events <- e })
		close(events)
	}()
	select {
	case <-ready:
	case <-time.After(20 * time.Second):
		l.t.Fatal("no watch")
	}
	return c, events, stop
}

// box is a container as far as networks go: a process in a network namespace.
type box struct {
	l      *lab
	cmd    *exec.Cmd
	end    io.Closer
	target network.Target
}

func (l *lab) box() *box {
	l.t.Helper()
	cmd := exec.Command("/proc/self/exe", "sit")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	in, err := cmd.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		l.t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	ns, err := link.Of(cmd.Process.Pid)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := link.In(ns, func() error { // as the runtime does in a fresh namespace
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	}); err != nil {
		l.t.Fatal(err)
	}
	b := &box{l: l, cmd: cmd, end: in, target: network.Target{Process: os.NewFile(uintptr(fd), "pidfd"), Namespace: ns}}
	l.t.Cleanup(b.stop)
	return b
}

func (b *box) stop() {
	if b.end == nil {
		return
	}
	b.end.Close()
	b.cmd.Wait()
	b.target.Process.Close()
	b.target.Namespace.Close()
	b.end = nil
}

// listen serves an echo inside the box.
func (b *box) listen(port int) {
	b.l.t.Helper()
	var l net.Listener
	if err := link.In(b.target.Namespace, func() (err error) {
		l, err = net.Listen("tcp4", fmt.Sprintf(":%d", port))
		return err
	}); err != nil {
		b.l.t.Fatal(err)
	}
	b.l.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
}

// dial connects from inside the box.
func (b *box) dial(kind, address string) (c net.Conn, err error) {
	err = link.In(b.target.Namespace, func() (err error) {
		c, err = net.DialTimeout(kind, address, 2*time.Second)
		return err
	})
	return c, err
}

// ask asks the resolver inside the box.
func (b *box) ask(name string) (dnsmessage.Message, error) {
	builder := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 9})
	builder.StartQuestions()
	builder.Question(dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET})
	q, err := builder.Finish()
	if err != nil {
		return dnsmessage.Message{}, err
	}
	var m dnsmessage.Message
	reply, err := names.Ask(b.l.t.Context(), []netip.AddrPort{names.Address()}, q, false, func(_ context.Context, kind, address string) (net.Conn, error) {
		return b.dial(kind, address)
	})
	if err == nil {
		err = m.Unpack(reply)
	}
	return m, err
}

func endpoint(n byte, ports ...network.Port) network.Endpoint {
	a := netip.AddrFrom4([4]byte{172, 29, 0, n})
	return network.Endpoint{
		ID: strings.Repeat(fmt.Sprintf("%02x", n), 32), Container: fmt.Sprintf("box%d", n), Interface: "eth0",
		Address: netip.PrefixFrom(a, 16), Gateway: netip.MustParseAddr("172.29.0.1"), MAC: link.MAC(a).String(),
		Ports: ports, Resolve: &network.Resolve{Zones: []string{"front"}},
	}
}

func tcp(port uint16) network.Port {
	return network.Port{Proto: "tcp", Port: port, Host: netip.MustParseAddr("127.0.0.1")}
}

// through sends a line through a port of the host and expects it back.
func through(t *testing.T, c net.Conn, text string) {
	t.Helper()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, len(text))
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != text {
		t.Fatalf("%q, %v", buf, err)
	}
}

func connect(t *testing.T, port uint16) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestPublishedPortSurvivesWhoeverAskedForIt(t *testing.T) {
	l := newLab(t)
	c, _, stop := l.start()
	b := l.box()
	b.listen(8000)
	ports, err := c.Join(t.Context(), endpoint(2, tcp(8000)), b.target)
	if err != nil {
		t.Fatal(err)
	}
	conn := connect(t, ports[0].Bound)
	through(t, conn, "one")

	stop() // the server is killed
	through(t, conn, "two")
	through(t, connect(t, ports[0].Bound), "three")

	again, state, err := network.Dial(t.Context(), l.network.Socket)
	if err != nil || len(state.Endpoints) != 1 || state.Endpoints[0].Ports[0].Bound != ports[0].Bound || state.Open == 0 {
		t.Fatalf("state %+v, %v", state, err)
	}
	// The next server asks for the same: nothing changes.
	fixed := tcp(8000)
	fixed.First, fixed.Last = ports[0].Bound, ports[0].Bound
	if same, err := again.Join(t.Context(), endpoint(2, fixed), b.target); err != nil || same[0].Bound != ports[0].Bound {
		t.Fatalf("join again: %v, %v", same, err)
	}
	through(t, conn, "four")
}

func TestHelperThatIsKilledIsReplacedOnTheSameWires(t *testing.T) {
	l := newLab(t)
	c, events, _ := l.start()
	b := l.box()
	b.listen(8000)
	ports, err := c.Join(t.Context(), endpoint(2, tcp(8000)), b.target)
	if err != nil {
		t.Fatal(err)
	}
	state, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(state.Pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for range events { // until the watch ends
	}
	if _, err := c.State(t.Context()); !errors.Is(err, network.ErrGone) {
		t.Errorf("a killed helper: %v", err)
	}
	// What is the kernel's stays: the container still has its interface.
	if conn, err := b.dial("tcp", "172.29.0.2:8000"); err != nil {
		t.Errorf("the container lost its address: %v", err)
	} else {
		conn.Close()
	}
	c, _, _ = l.start()
	fixed := tcp(8000)
	fixed.First, fixed.Last = ports[0].Bound, ports[0].Bound
	if _, err := c.Join(t.Context(), endpoint(2, fixed), b.target); err != nil {
		t.Fatal(err)
	}
	through(t, connect(t, ports[0].Bound), "again")
	if m, err := b.ask("nobody."); err != nil || m.RCode != dnsmessage.RCodeNameError {
		t.Errorf("resolver: %+v, %v", m.Header, err)
	}
}

func TestContainerThatEndsIsUnpluggedWithoutAServer(t *testing.T) {
	l := newLab(t)
	c, events, stop := l.start()
	b := l.box()
	ports, err := c.Join(t.Context(), endpoint(2, tcp(8000)), b.target)
	if err != nil {
		t.Fatal(err)
	}
	b.stop()
	select {
	case e := <-events:
		if e.Kind != network.EventLeft || e.Container != "box2" {
			t.Errorf("event %+v", e)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no word of the container's end")
	}
	if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[0].Bound)); err == nil {
		conn.Close()
		t.Error("the port answers after the container's end")
	}
	// Nobody watches and nothing is plugged in: the helper goes, namespace and all.
	stop()
	for late := time.Now().Add(20 * time.Second); ; {
		_, err := link.Pinned(l.network.Pin)
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if time.Now().After(late) {
			t.Fatal("the namespace outlives its use")
		}
		time.Sleep(5 * time.Millisecond) // an unmounted pin gives no event
	}
}

func TestPortsConflictAndRangesGoOn(t *testing.T) {
	l := newLab(t)
	c, _, _ := l.start()
	one, two := l.box(), l.box()
	first, err := c.Join(t.Context(), endpoint(2, tcp(80)), one.target)
	if err != nil {
		t.Fatal(err)
	}
	taken := tcp(80)
	taken.First, taken.Last = first[0].Bound, first[0].Bound
	_, err = c.Join(t.Context(), endpoint(3, taken), two.target)
	e, ok := errors.AsType[*imagecore.Error](err)
	if !ok || e.Code != network.CodePortTaken || e.Args["reason"] != "address already in use" || e.Args["port"] != fmt.Sprint(first[0].Bound) {
		t.Fatalf("a taken port: %v", err)
	}
	// Nothing is left of the one that failed: it may come back.
	taken.Last = first[0].Bound + 50
	second, err := c.Join(t.Context(), endpoint(3, taken), two.target)
	if err != nil || second[0].Bound <= first[0].Bound || second[0].Bound > taken.Last {
		t.Fatalf("a range: %v, %v", second, err)
	}
	// An endpoint that loses its port lets go of it.
	if _, err := c.Join(t.Context(), endpoint(2), one.target); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", first[0].Bound)); err == nil {
		conn.Close()
		t.Error("a port that was taken back answers")
	}
}

func TestNamesAreKnownAndOthersRefusedAloud(t *testing.T) {
	l := newLab(t)
	c, events, _ := l.start()
	b := l.box()
	if _, err := c.Join(t.Context(), endpoint(2), b.target); err != nil {
		t.Fatal(err)
	}
	zone := network.Zone{
		Forward: map[string][]netip.Addr{"web": {netip.MustParseAddr("172.29.0.2"), netip.MustParseAddr("172.29.0.3")}},
		Reverse: map[netip.Addr]string{netip.MustParseAddr("172.29.0.2"): "web.front"},
	}
	// Large tables come in more than one piece.
	for i := range 5000 {
		zone.Forward[fmt.Sprintf("other%d", i)] = []netip.Addr{netip.AddrFrom4([4]byte{172, 29, byte(i >> 8), byte(i)})}
	}
	if err := c.SetNames(t.Context(), network.Names{"front": zone, "back": {Forward: map[string][]netip.Addr{"db": {netip.MustParseAddr("10.0.0.1")}}}}); err != nil {
		t.Fatal(err)
	}
	m, err := b.ask("web.")
	if err != nil || len(m.Answers) != 2 {
		t.Fatalf("%+v, %v", m, err)
	}
	again, err := b.ask("web.")
	if err != nil || m.Answers[0].Body.GoString() == again.Answers[0].Body.GoString() {
		t.Error("two containers of one name take no turns")
	}
	if m, err := b.ask("db."); err != nil || m.RCode != dnsmessage.RCodeNameError {
		t.Errorf("a name of a network that the container is not in: %+v, %v", m.Header, err)
	}
	if m, err := b.ask("example.com."); err != nil || m.RCode != dnsmessage.RCodeRefused {
		t.Errorf("a name of the world: %+v, %v", m.Header, err)
	}
	select {
	case e := <-events:
		if e.Kind != network.EventRefused || e.Name != "example.com" || e.Container != "box2" {
			t.Errorf("event %+v", e)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody was told")
	}
}

// TestAContainerReachesItsNetworkOnly tries what it should not reach: the host's
// loopback, by every address that leads to the router; the host's published
// ports; a neighbour network; the helper's sockets.
func TestAContainerReachesItsNetworkOnly(t *testing.T) {
	l := newLab(t)
	c, _, _ := l.start()
	b, friend := l.box(), l.box()
	friend.listen(9000)
	ports, err := c.Join(t.Context(), endpoint(2, tcp(8000)), b.target)
	if err != nil {
		t.Fatal(err)
	}
	b.listen(8000)
	if _, err := c.Join(t.Context(), endpoint(3), friend.target); err != nil {
		t.Fatal(err)
	}
	if conn, err := b.dial("tcp", "172.29.0.3:9000"); err != nil {
		t.Errorf("a container of its own network: %v", err)
	} else {
		conn.Close()
	}
	secret, err := net.Listen("tcp", "0.0.0.0:0") // on the host, on all its addresses
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	port := secret.Addr().(*net.TCPAddr).Port

	other := newLab(t)
	other.network.Address = netip.MustParsePrefix("172.30.0.1/16")
	theirs, _, _ := other.start()
	neighbour := other.box()
	neighbour.listen(9000)
	e := endpoint(2)
	e.Address, e.Gateway = netip.MustParsePrefix("172.30.0.2/16"), netip.MustParseAddr("172.30.0.1")
	if _, err := theirs.Join(t.Context(), e, neighbour.target); err != nil {
		t.Fatal(err)
	}

	tries := []string{
		fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.11:%d", port), fmt.Sprintf("172.29.0.1:%d", port),
		fmt.Sprintf("127.0.0.1:%d", ports[0].Bound), fmt.Sprintf("172.29.0.1:%d", ports[0].Bound),
		"172.30.0.1:80", "172.30.0.2:9000", "172.29.0.1:53", "8.8.8.8:53",
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			tries = append(tries, fmt.Sprintf("%s:%d", p.Addr(), port))
		}
	}
	for _, at := range tries {
		if conn, err := b.dial("tcp", at); err == nil {
			conn.Close()
			t.Errorf("a container reaches %s", at)
		}
	}
	// Abstract sockets belong to a network namespace: neither the helper's nor
	// the host's are seen from inside.
	if err := link.In(b.target.Namespace, func() error {
		list, err := os.ReadFile("/proc/thread-self/net/unix")
		if bytes.Contains(list, []byte(" @")) || bytes.Contains(list, []byte(l.network.Socket)) {
			t.Errorf("sockets seen from inside:\n%s", list)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestHelperKeepsThreeCapabilitiesAndNoSecrets(t *testing.T) {
	l := newLab(t)
	c, _, _ := l.start()
	state, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const want = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_BIND_SERVICE
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", state.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", state.Pid, task.Name()))
		if err != nil {
			continue // ended meanwhile
		}
		for _, set := range []string{"CapPrm", "CapEff", "CapBnd"} {
			if !bytes.Contains(status, fmt.Appendf(nil, "%s:\t%016x\n", set, want)) {
				t.Errorf("thread %s: %s is not %016x:\n%s", task.Name(), set, want, status)
			}
		}
		if !bytes.Contains(status, []byte("NoNewPrivs:\t1\n")) {
			t.Error("the helper may gain privileges by execve")
		}
	}
	if st, err := os.Stat(l.network.Socket); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("socket %v, %v", st.Mode(), err)
	}
}
