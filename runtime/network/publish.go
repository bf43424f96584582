//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/network/link"
	"github.com/layerlab/layerlab/runtime/network/proxy"
)

// published is one port of the host that leads to the container.
type published struct {
	tcp   *proxy.TCP
	udp   *proxy.UDP
	where netip.AddrPort
	stop  func() error // of the front
}

func (p published) bound() uint16 { return p.where.Port() }

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
// an error, those that it had.
func (h *helper) publish(e *endpoint, to Endpoint) error {
	keep := map[Port]bool{}
	fresh := map[Port]published{}
	for _, p := range to.Ports {
		key := asked(p)
		keep[key] = true
		if _, there := e.ports[key]; there {
			continue
		}
		one, err := h.bind(key, to, p)
		if err != nil {
			for _, f := range fresh {
				f.close()
			}
			return err
		}
		fresh[key] = one
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, one := range e.ports {
		if !keep[key] {
			delete(e.ports, key)
			one.refuse()
			h.leaving.Go(one.close)
		}
	}
	for key, one := range fresh {
		e.ports[key] = one
	}
	return nil
}

// bind takes the first of a port's possible host ports that is free.
func (h *helper) bind(key Port, e Endpoint, p Port) (one published, err error) {
	target := netip.AddrPortFrom(e.Address.Addr(), p.Port).String()
	var d net.Dialer
	dial := func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, p.Proto+"4", target) }
	for port := p.First; ; port++ {
		at := netip.AddrPortFrom(p.Host, port)
		err = link.In(h.host, func() error {
			if p.Proto == "udp" {
				front, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
				if err != nil {
					return err
				}
				one = published{udp: proxy.ServeUDP(front, dial, proxy.Idle), where: front.LocalAddr().(*net.UDPAddr).AddrPort()}
				one.stop = one.udp.Close
				return nil
			}
			front, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
			if err != nil {
				return err
			}
			one = published{tcp: proxy.ServeTCP(front, dial), where: front.Addr().(*net.TCPAddr).AddrPort(), stop: front.Close}
			return nil
		})
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
		fmt.Sprintf("publish port %s %s: %s", p.Proto, netip.AddrPortFrom(p.Host, key.First), reason),
		"address", p.Host.String(), "port", strconv.Itoa(int(key.First)), "last", strconv.Itoa(int(key.Last)),
		"proto", p.Proto, "container-port", strconv.Itoa(int(p.Port)), "reason", reason)
	taken.Err = err
	return published{}, taken
}
