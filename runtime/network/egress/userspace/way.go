//go:build linux

package userspace

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/layerlab/layerlab/runtime/network/egress"
)

const (
	nic      = 1
	inFlight = 1024 // connections that are being opened
	queue    = 1024 // packets to out0
	// eachTCP and eachUDP are how many connections and UDP peers one container
	// may have at once; a peer costs 128 KiB.
	eachTCP, eachUDP = 2048, 256
	// told is how many refusals are remembered, untold how long the same one is
	// not told again.
	told   = 256
	untold = 10 * time.Second
)

// way is the process's state.
type way struct {
	config   egress.Config
	tun      *os.File
	helper   *os.File
	listener net.Listener
	stack    *stack.Stack
	link     *channel.Endpoint

	mu       sync.Mutex
	open     map[user]int
	watchers map[chan egress.Event]struct{}
	told     map[egress.Event]time.Time

	ownMu sync.Mutex
	own   map[netip.Addr]bool
	ownAt time.Time
}

func newWay(c egress.Config, tun, helper *os.File, l net.Listener) (*way, error) {
	w := &way{
		config: c, tun: tun, helper: helper, listener: l,
		open: map[user]int{}, watchers: map[chan egress.Event]struct{}{}, told: map[egress.Event]time.Time{},
	}
	w.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	w.link = channel.New(queue, uint32(c.MTU), "")
	sack, moderate := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true)
	for _, err := range []tcpip.Error{
		w.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack),
		w.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &moderate),
		w.stack.CreateNIC(nic, w.link),
		w.stack.SetPromiscuousMode(nic, true), // every address is ours
		w.stack.SetSpoofing(nic, true),        // and answers
	} {
		if err != nil {
			return nil, errors.New("network stack: " + err.String())
		}
	}
	w.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}})
	w.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(w.stack, 0, inFlight, w.connect).HandlePacket)
	w.stack.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(w.stack, w.datagram).HandlePacket)
	return w, nil
}

// run passes packets until the network's helper has gone or somebody ends it.
func (w *way) run() {
	ctx, end := context.WithCancel(context.Background())
	go w.serve(end)
	go w.helperGone(end)
	go w.outwards(end)
	go w.inwards(ctx)
	<-ctx.Done()
	// The process ends, and all that it has open.
}

// helperGone ends the way with the network's helper.
func (w *way) helperGone(end func()) {
	raw, err := w.helper.SyscallConn()
	if err == nil {
		err = raw.Read(func(fd uintptr) bool {
			// Readable once the process has ended (pidfd_open(2)).
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0
		})
	}
	_ = err // without it nobody would ever end this process
	end()
}

// outwards reads what containers send.
func (w *way) outwards(end func()) {
	defer end()
	b := make([]byte, 65536)
	for {
		n, err := w.tun.Read(b)
		if err != nil {
			return // out0 is gone
		}
		p, ok := egress.Parse(b[:n])
		if !ok {
			continue // IPv6, which containers don't have
		}
		reason := w.config.Policy.Refuses(p.To, w.isOwn)
		if reason == "" && p.Proto != "tcp" && p.Proto != "udp" {
			reason = egress.ReasonProtocol
		}
		if reason != "" {
			w.refused(egress.Event{From: p.From, To: p.To, Port: p.Port, Proto: p.Proto, Reason: reason})
			if p.Answerable {
				_, _ = w.tun.Write(egress.Prohibited(b[:n])) // a packet may be lost
			}
			continue
		}
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b[:n])})
		w.link.InjectInbound(ipv4.ProtocolNumber, pkt)
		pkt.DecRef()
	}
}

// inwards writes what the stack sends to containers.
func (w *way) inwards(ctx context.Context) {
	for {
		pkt := w.link.ReadContext(ctx)
		if pkt == nil {
			return
		}
		view := pkt.ToView()
		_, _ = w.tun.Write(view.AsSlice()) // a packet may be lost
		view.Release()
		pkt.DecRef()
	}
}

// ownFor is how long the host's addresses are taken for granted.
const ownFor = time.Second

// isOwn says whether an address is one of the host's interfaces now.
func (w *way) isOwn(a netip.Addr) bool {
	w.ownMu.Lock()
	defer w.ownMu.Unlock()
	if now := time.Now(); w.own == nil || now.Sub(w.ownAt) > ownFor {
		list, err := net.InterfaceAddrs()
		if err != nil {
			return true // rather too little than too much
		}
		w.own, w.ownAt = map[netip.Addr]bool{}, now
		for _, l := range list {
			if p, err := netip.ParsePrefix(l.String()); err == nil {
				w.own[p.Addr().Unmap()] = true
			}
		}
	}
	return w.own[a]
}

// user is a container with what it uses.
type user struct {
	from  netip.Addr
	proto string
}

// take counts one more connection of a container; false says that it has too
// many.
func (w *way) take(u user) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open[u] >= map[string]int{"tcp": eachTCP, "udp": eachUDP}[u.proto] {
		return false
	}
	w.open[u]++
	return true
}

func (w *way) give(u user) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open[u]--; w.open[u] <= 0 {
		delete(w.open, u)
	}
}

// refused tells watchers, each refusal once in a while.
func (w *way) refused(e egress.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if at, known := w.told[e]; known && now.Sub(at) < untold {
		return
	}
	for k, at := range w.told {
		if now.Sub(at) >= untold {
			delete(w.told, k)
		}
	}
	if len(w.told) >= told {
		return
	}
	w.told[e] = now
	for c := range w.watchers {
		select {
		case c <- e:
		default: // far behind: it misses one
		}
	}
}

// serve answers whoever connects: the server, whose the socket's folder is.
func (w *way) serve(end func()) {
	for {
		conn, err := w.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors: those who hold them must end first
			time.Sleep(20 * time.Millisecond)
			continue
		}
		go w.watch(conn, end)
	}
}

func (w *way) watch(conn net.Conn, end func()) {
	defer conn.Close()
	events, over := make(chan egress.Event, told), make(chan struct{})
	w.mu.Lock()
	w.watchers[events] = struct{}{}
	// What was refused while a server was on its way here: the one before may
	// have told of it, too.
	for e, at := range w.told {
		if time.Since(at) < untold {
			events <- e // there is room for all
		}
	}
	state := egress.State{Config: w.config, Pid: os.Getpid()}
	for _, n := range w.open {
		state.Open += n
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.watchers, events)
	}()
	go func() {
		defer close(over)
		if n, _ := conn.Read(make([]byte, 1)); n == 1 {
			end()
		}
	}()
	out := json.NewEncoder(conn)
	err := out.Encode(state)
	for err == nil {
		select {
		case e := <-events:
			err = out.Encode(e)
		case <-over:
			return
		}
	}
}
