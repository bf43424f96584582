//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/network/proxy"
)

// published is one port of the host that leads to the container.
type published struct {
	tcp  *proxy.TCP
	udp  *proxy.UDP
	port Port         // with Bound
	stop func() error // of the front
}

// serves says whether a published port is what want asks for.
func (p published) serves(want Port) bool {
	return p.port.Proto == want.Proto && p.port.Port == want.Port && p.port.Host == want.Host &&
		(want.First == 0 || want.First <= p.port.Bound && p.port.Bound <= want.Last)
}

func (p published) same(q published) bool {
	return p.port.Proto == q.port.Proto && p.port.Host == q.port.Host && p.port.Bound == q.port.Bound
}

func (p published) open() int {
	if p.tcp == nil {
		return 0
	}
	return p.tcp.Open()
}

// refuse takes nothing new.
func (p published) refuse() { _ = p.stop() }

func (p published) close() {
	if p.tcp != nil {
		p.tcp.Close()
	} else {
		p.udp.Close()
	}
}

// publish brings an endpoint's ports to what it is to be: all of them or, with
// an error, those that it had. One that is bound to a port which will do stays.
func (h *helper) publish(e *endpoint, to Endpoint) error {
	var keep, fresh []published
	for _, p := range to.Ports {
		at := slices.IndexFunc(e.ports, func(is published) bool {
			return is.serves(p) && !slices.ContainsFunc(keep, is.same)
		})
		if at >= 0 {
			keep = append(keep, e.ports[at])
			continue
		}
		one, err := h.bind(to, p)
		if err != nil {
			for _, f := range fresh {
				f.close()
			}
			return err
		}
		fresh = append(fresh, one)
	}
	for _, is := range e.ports {
		if !slices.ContainsFunc(keep, is.same) {
			is.refuse()
			h.leaving.Go(is.close)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	e.ports = append(keep, fresh...)
	return nil
}

// bind takes the first of a port's possible host ports that is free.
func (h *helper) bind(e Endpoint, p Port) (one published, err error) {
	target := netip.AddrPortFrom(e.Address.Addr(), p.Port).String()
	var d net.Dialer
	dial := func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, p.Proto+"4", target) }
	for port := p.First; ; port++ {
		at := netip.AddrPortFrom(p.Host, port)
		if p.Proto == "udp" {
			var front *net.UDPConn
			if front, err = h.host.ListenUDP(at); err == nil {
				one = published{udp: proxy.ServeUDP(front, dial, proxy.Idle), port: p}
				one.port.Bound = front.LocalAddr().(*net.UDPAddr).AddrPort().Port()
				one.stop = one.udp.Close
			}
		} else {
			var front *net.TCPListener
			if front, err = h.host.ListenTCP(at); err == nil {
				one = published{tcp: proxy.ServeTCP(front, dial), port: p, stop: front.Close}
				one.port.Bound = front.Addr().(*net.TCPAddr).AddrPort().Port()
			}
		}
		if err == nil || port >= p.Last {
			break
		}
	}
	if err == nil {
		return one, nil
	}
	reason := err.Error()
	var number syscall.Errno
	if errors.As(err, &number) {
		reason = number.Error()
	}
	taken := imagecore.NewError(imagecore.ErrConflict, CodePortTaken,
		fmt.Sprintf("publish port %s %s: %s", p.Proto, netip.AddrPortFrom(p.Host, p.First), reason),
		"address", p.Host.String(), "port", strconv.Itoa(int(p.First)), "last", strconv.Itoa(int(p.Last)),
		"proto", p.Proto, "container-port", strconv.Itoa(int(p.Port)), "reason", reason)
	taken.Err = err
	return published{}, taken
}
