package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Grace is how long connections may go on after Close, so that the last bytes
// of a container that has ended still arrive.
const Grace = 2 * time.Second

// dialTime is how long a container may take to accept.
const dialTime = 10 * time.Second

// Dialer reaches the container.
type Dialer func(ctx context.Context) (net.Conn, error)

// TCP proxies one listener. It must be closed.
type TCP struct {
	listener net.Listener
	dial     Dialer
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	work     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{} // both ends of what is open; nil once they are to close
}

// ServeTCP proxies from now on what the listener accepts. The listener is the
// TCP's own.
func ServeTCP(l net.Listener, dial Dialer) *TCP {
	p := &TCP{listener: l, dial: dial, conns: map[net.Conn]struct{}{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.work.Go(p.accept)
	return p
}

// Open is the number of connections that are open.
func (p *TCP) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return (len(p.conns) + 1) / 2
}

// Close accepts nothing more at once, gives what is open Grace to end by itself,
// and then closes it. It returns when everything is closed.
func (p *TCP) Close() error {
	err := p.listener.Close()
	p.cancel()
	late := time.AfterFunc(Grace, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for c := range p.conns {
			c.Close()
		}
		p.conns = nil
	})
	defer late.Stop()
	p.work.Wait()
	return err
}

func (p *TCP) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors: those who hold them must end first
			select {
			case <-p.ctx.Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
			continue
		}
		p.work.Go(func() { p.serve(client) })
	}
}

func (p *TCP) serve(client net.Conn) {
	if !p.keep(client) {
		return
	}
	defer p.drop(client)
	ctx, cancel := context.WithTimeout(p.ctx, dialTime)
	defer cancel()
	server, err := p.dial(ctx)
	if err != nil {
		// The client learns that nobody listens, rather than that all was said.
		if t, ok := client.(*net.TCPConn); ok {
			t.SetLinger(0)
		}
		return
	}
	if !p.keep(server) {
		return
	}
	defer p.drop(server)
	Carry(client, server)
}

// Carry copies both ways until both have ended, and closes both: a side that
// has no more to say may still listen (half-close). A broken one breaks the
// other.
func Carry(client, server net.Conn) {
	var back sync.WaitGroup
	back.Go(func() { half(client, server) })
	half(server, client)
	back.Wait()
	client.Close()
	server.Close()
}

// half copies one direction and passes its end on. Between two TCP connections
// io.Copy is splice(2): the bytes do not pass through this process.
func half(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if w, ok := to.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite() // it may be gone
	}
	if err == nil {
		return
	}
	// Broken, not ended: the other direction has nobody to speak with.
	for _, c := range []net.Conn{to, from} {
		if t, ok := c.(*net.TCPConn); ok {
			t.SetLinger(0)
		}
		c.Close()
	}
}

// keep notes a connection, or closes it where all are to be closed.
func (p *TCP) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *TCP) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	c.Close()
}
