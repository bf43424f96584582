//go:build linux

package userspace

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/layerlab/layerlab/runtime/network/egress"
	"github.com/layerlab/layerlab/runtime/network/proxy"
)

const (
	dialTime = 20 * time.Second // for the far end to accept
	alive    = time.Minute      // between two questions whether a silent container is still there
)

// flow is who speaks with whom.
type flow struct{ from, to netip.AddrPort }

func flowOf(id stack.TransportEndpointID) flow {
	return flow{
		from: netip.AddrPortFrom(address(id.RemoteAddress), id.RemotePort),
		to:   netip.AddrPortFrom(address(id.LocalAddress), id.LocalPort),
	}
}

func address(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr
}

func (f flow) event(proto, reason string) egress.Event {
	return egress.Event{From: f.from.Addr(), To: f.to.Addr(), Port: f.to.Port(), Proto: proto, Reason: reason}
}

// connect serves one connection of a container; it runs in a goroutine of its
// own.
func (w *way) connect(r *tcp.ForwarderRequest) {
	f := flowOf(r.ID())
	who := user{f.from.Addr(), "tcp"}
	if !w.take(who) {
		w.refused(f.event("tcp", egress.ReasonMany))
		r.Complete(true)
		return
	}
	defer w.give(who)
	// Asked again: a packet passes by what the host's addresses were a second ago.
	if reason := w.config.Policy.Refuses(f.to.Addr(), w.isOwn); reason != "" {
		w.refused(f.event("tcp", reason))
		r.Complete(true)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	var d net.Dialer
	far, err := d.DialContext(ctx, "tcp4", f.to.String())
	if err != nil {
		if !errors.Is(err, syscall.ECONNREFUSED) {
			w.refused(f.event("tcp", egress.ReasonFailed))
		}
		r.Complete(true)
		return
	}
	var wq waiter.Queue
	ep, terr := r.CreateEndpoint(&wq)
	if terr != nil { // the container has lost interest
		far.Close()
		r.Complete(true)
		return
	}
	r.Complete(false)
	ep.SocketOptions().SetKeepAlive(true)
	idle := tcpip.KeepaliveIdleOption(alive)
	_ = ep.SetSockOpt(&idle) // a default of two hours otherwise
	proxy.Carry(gonet.NewTCPConn(&wq, ep), far)
}

// datagram serves a new UDP peer. It must not wait: the stack does.
func (w *way) datagram(r *udp.ForwarderRequest) bool {
	f := flowOf(r.ID())
	who := user{f.from.Addr(), "udp"}
	if !w.take(who) {
		w.refused(f.event("udp", egress.ReasonMany))
		return false // the stack answers "port unreachable"
	}
	if reason := w.config.Policy.Refuses(f.to.Addr(), w.isOwn); reason != "" {
		w.refused(f.event("udp", reason))
		w.give(who)
		return false
	}
	far, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(f.to)) // sends nothing
	if err != nil {
		w.give(who)
		return false
	}
	var wq waiter.Queue
	ep, terr := r.CreateEndpoint(&wq)
	if terr != nil {
		far.Close()
		w.give(who)
		return true
	}
	near := gonet.NewUDPConn(&wq, ep)
	go func() {
		defer w.give(who)
		proxy.Exchange(near, far, proxy.Idle)
	}()
	return true
}
