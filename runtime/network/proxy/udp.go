package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Idle is how long a UDP peer is remembered without a datagram either way.
const Idle = 90 * time.Second

// peers is how many UDP peers one port remembers at once; a flood of forged
// addresses would otherwise take all descriptors.
const peers = 1024

// UDP proxies one socket. It must be closed.
type UDP struct {
	front *net.UDPConn
	dial  Dialer
	idle  time.Duration
	work  sync.WaitGroup

	mu    sync.Mutex
	known map[netip.AddrPort]net.Conn // nil once closed
}

// ServeUDP proxies from now on what the socket receives: each peer gets a socket
// of its own towards the container, so that answers find back. The socket is the
// UDP's own.
func ServeUDP(front *net.UDPConn, dial Dialer, idle time.Duration) *UDP {
	p := &UDP{front: front, dial: dial, idle: idle, known: map[netip.AddrPort]net.Conn{}}
	p.work.Go(p.receive)
	return p
}

// Close forgets all peers. It returns when everything is closed.
func (p *UDP) Close() error {
	err := p.front.Close()
	p.mu.Lock()
	for _, c := range p.known {
		c.Close()
	}
	p.known = nil
	p.mu.Unlock()
	p.work.Wait()
	return err
}

func (p *UDP) receive() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := p.front.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier answer
		}
		if back := p.peer(from); back != nil {
			back.SetDeadline(time.Now().Add(p.idle))
			_, _ = back.Write(buf[:n]) // a datagram may be lost
		}
	}
}

// peer is the socket towards the container for one client.
func (p *UDP) peer(from netip.AddrPort) net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.known[from]; ok {
		return c
	}
	if p.known == nil || len(p.known) >= peers {
		return nil
	}
	c, err := p.dial(context.Background())
	if err != nil {
		return nil
	}
	p.known[from] = c
	p.work.Go(func() { p.answer(from, c) })
	return c
}

// answer carries what the container says back, until neither has spoken for
// p.idle.
func (p *UDP) answer(to netip.AddrPort, c net.Conn) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.known != nil {
			delete(p.known, to)
		}
		c.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		var late net.Error
		switch {
		case errors.Is(err, net.ErrClosed), errors.As(err, &late) && late.Timeout():
			return
		case errors.Is(err, syscall.ECONNREFUSED):
			continue // nobody listens yet: the kernel tells by ICMP, once a datagram
		case err != nil:
			return
		}
		c.SetDeadline(time.Now().Add(p.idle))
		_, _ = p.front.WriteToUDPAddrPort(buf[:n], to)
	}
}
