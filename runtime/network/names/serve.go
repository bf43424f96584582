package names

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Address is where containers ask: Docker's embedded resolver has it too, in
// each container's own network namespace.
func Address() netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 11}), 53) }

const (
	atOnce      = 64               // queries of one container that may wait for others' answers
	patience    = 10 * time.Second // with one of them
	quietOnTCP  = 15 * time.Second // before a TCP connection is closed
	connections = 16               // TCP, of one container
)

// Resolver answers one container.
type Resolver struct {
	Table Table
	// Out says whether there is a way out now; Forward asks further then.
	Out     func() bool
	Forward func(ctx context.Context, query []byte, tcp bool) ([]byte, error)
	// Refused is told what was asked and not answered for want of a way out.
	Refused func(name string)
}

// reply is nil for what is not to be answered.
func (r *Resolver) reply(ctx context.Context, query []byte, tcp bool) []byte {
	out := r.Out()
	reply, q, refused := Answer(query, r.Table, out)
	if refused && r.Refused != nil {
		r.Refused(q.Name)
	}
	if reply != nil || q.Name == "" && q.Type == 0 || !out {
		return reply
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	reply, err := r.Forward(ctx, query, tcp)
	if err != nil {
		return Failed(query, "layerlab: "+err.Error())
	}
	return reply
}

// Server is a resolver at work. It must be closed.
type Server struct {
	r       *Resolver
	udp     *net.UDPConn
	tcp     net.Listener
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	work    sync.WaitGroup
	waiting chan struct{}

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// Serve answers from now on; socket and listener are the Server's own.
func Serve(r *Resolver, udp *net.UDPConn, tcp net.Listener) *Server {
	s := &Server{r: r, udp: udp, tcp: tcp, waiting: make(chan struct{}, atOnce), conns: map[net.Conn]struct{}{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.work.Go(s.datagrams)
	s.work.Go(s.accept)
	return s
}

// Close returns when all sockets are closed: they would keep the container's
// namespace.
func (s *Server) Close() error {
	s.cancel()
	err := errors.Join(s.udp.Close(), s.tcp.Close())
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.work.Wait()
	return err
}

func (s *Server) datagrams() {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		query := append([]byte(nil), buf[:n]...)
		select {
		case s.waiting <- struct{}{}:
		default:
			continue // a container that asks faster than the world answers asks again
		}
		s.work.Go(func() {
			defer func() { <-s.waiting }()
			if reply := s.r.reply(s.ctx, query, false); reply != nil {
				_, _ = s.udp.WriteToUDPAddrPort(reply, from)
			}
		})
	}
}

func (s *Server) accept() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || s.ctx.Err() != nil {
				return
			}
			continue
		}
		s.mu.Lock()
		if s.conns == nil || len(s.conns) >= connections {
			s.mu.Unlock()
			c.Close()
			continue
		}
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		s.work.Go(func() {
			s.stream(c)
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
			c.Close()
		})
	}
}

// stream answers the queries of a TCP connection, each with its length before
// it (RFC 1035, 4.2.2).
func (s *Server) stream(c net.Conn) {
	for {
		c.SetDeadline(time.Now().Add(quietOnTCP))
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		reply := s.r.reply(s.ctx, query, true)
		if reply == nil || len(reply) > 65535 {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// Ask sends a query to the servers, one after the other until one answers. dial
// is net.Dialer's DialContext, or one that stands elsewhere.
func Ask(ctx context.Context, servers []netip.AddrPort, query []byte, tcp bool, dial func(ctx context.Context, network, address string) (net.Conn, error)) ([]byte, error) {
	if len(servers) == 0 {
		return nil, errors.New("the host names no resolver (/etc/resolv.conf)")
	}
	var errs []error
	for _, server := range servers {
		reply, err := ask(ctx, server, query, tcp, dial)
		if err == nil {
			return reply, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func ask(ctx context.Context, server netip.AddrPort, query []byte, tcp bool, dial func(ctx context.Context, network, address string) (net.Conn, error)) ([]byte, error) {
	network := "udp"
	if tcp {
		network = "tcp"
	}
	ctx, cancel := context.WithTimeout(ctx, patience/3)
	defer cancel()
	c, err := dial(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if !tcp {
		if _, err := c.Write(query); err != nil {
			return nil, err
		}
		buf := make([]byte, 64<<10)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return nil, err
			}
			if n >= 12 && buf[0] == query[0] && buf[1] == query[1] { // the query's id
				return buf[:n], nil
			}
		}
	}
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	reply := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err = io.ReadFull(c, reply)
	return reply, err
}
