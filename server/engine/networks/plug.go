//go:build linux

package networks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/runtime/network/link"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// hardware is the hardware address that goes with an address.
func hardware(a netip.Addr) string { return link.MAC(a).String() }

// Attach plugs a container in that was prepared, and is created and not running
// yet. On an error it has no place left. Codes beside the helper's: port-taken,
// with Docker's words.
func (s *Service) Attach(ctx context.Context, id string, target Target) error {
	m := s.member(id)
	if m == nil {
		return nil
	}
	m.op.Lock()
	defer m.op.Unlock()
	s.mu.Lock()
	places := m.rec.Places
	m.target = target
	s.mu.Unlock()
	if len(places) == 0 {
		return nil
	}
	if err := s.plugAll(ctx, m); err != nil {
		s.unplugAll(context.WithoutCancel(ctx), m)
		return err
	}
	s.spread(ctx, places)
	for net := range places {
		s.tellEndpoint(wire.EventNetworkConnected, m, net)
	}
	return nil
}

// Detach takes a container's places away: it has ended.
func (s *Service) Detach(ctx context.Context, id string) {
	m := s.member(id)
	if m == nil {
		return
	}
	m.op.Lock()
	defer m.op.Unlock()
	s.mu.Lock()
	places := m.rec.Places
	s.mu.Unlock()
	for net := range places {
		s.tellEndpoint(wire.EventNetworkDisconnected, m, net)
	}
	s.unplugAll(ctx, m)
	s.spread(ctx, places)
}

func (s *Service) member(id string) *member {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.members[id]
}

func (s *Service) tellEndpoint(kind string, m *member, net string) {
	s.mu.Lock()
	n := s.nets[net]
	var e wire.Endpoint
	if n != nil {
		e = s.endpoint(&m.rec, n)
	}
	s.mu.Unlock()
	if n != nil {
		s.tell(kind, net, e)
	}
}

// plugAll brings every place of a container to what it should be; the caller
// holds its op. The network that is its home comes last: it may take over what
// another one had.
func (s *Service) plugAll(ctx context.Context, m *member) error {
	s.mu.Lock()
	target, at := m.target, home(&m.rec, s.nets)
	order := s.inOrder(&m.rec)
	s.mu.Unlock()
	if target == nil || len(order) == 0 {
		return nil
	}
	slices.SortStableFunc(order, func(a, b string) int { return boolean(a == at) - boolean(b == at) })
	files, err := target(ctx)
	if err != nil {
		return fmt.Errorf("open the container's network namespace: %w", err)
	}
	defer files.Process.Close()
	defer files.Namespace.Close()
	for _, net := range order {
		if err := s.plug(ctx, m, net, net == at, files); err != nil {
			return err
		}
	}
	return nil
}

// plug does one place.
func (s *Service) plug(ctx context.Context, m *member, net string, isHome bool, files network.Target) error {
	s.mu.Lock()
	n, l, rec := s.nets[net], s.lines[net], m.rec
	s.mu.Unlock()
	if n == nil {
		return notFound(net)
	}
	e, err := s.wanted(&rec, n, isHome)
	if err != nil {
		return err
	}
	var bound []network.Port
	for tries := 0; ; tries++ {
		var h Helper
		if h, err = s.helper(ctx, n, l); err != nil {
			return fmt.Errorf("network %s: %w", n.Name, err)
		}
		bound, err = h.Join(ctx, e, files)
		if errors.Is(err, network.ErrGone) && tries < 2 {
			s.drop(l, h) // it has just ended; the next one is started
			continue
		}
		break
	}
	if err != nil {
		return s.conflict(err, &rec, e)
	}
	if len(bound) == 0 && len(rec.Places[net].Ports) == 0 {
		return nil
	}
	return s.noteports(m, net, bound)
}

// drop forgets a helper that has gone sooner than its watch notices.
func (s *Service) drop(l *line, h Helper) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.helper == h {
		l.helper = nil
		l.hangUp()
	}
}

// wanted is what the helper is to make of a place.
func (s *Service) wanted(rec *memberRecord, n *netRecord, isHome bool) (network.Endpoint, error) {
	p := rec.Places[n.ID]
	e := network.Endpoint{
		ID: p.Endpoint, Container: rec.ID, Interface: p.Interface, MAC: p.MAC,
		Address: netip.PrefixFrom(p.Address, n.Subnet.Bits()),
	}
	if !isHome {
		return e, nil
	}
	e.Gateway = n.Gateway
	list, err := ports(rec.Want, s.o.Publish)
	if err != nil {
		return e, err
	}
	// A port that was chosen stays chosen: another helper takes it again.
	for i, want := range list {
		for _, had := range p.Ports {
			if had.Proto == want.Proto && had.Port == want.Port && had.Host == want.Host.String() &&
				(want.First == 0 || want.First <= had.HostPort && had.HostPort <= want.Last) {
				list[i].First, list[i].Last = had.HostPort, had.HostPort
			}
		}
	}
	e.Ports = list
	e.Resolve = &network.Resolve{}
	e.Resolve.Zones = s.inOrder(rec)
	for _, text := range rec.Want.DNS {
		// Asked again: it may have been allowed by another server's settings.
		if a, err := netip.ParseAddr(text); err == nil && (s.o.Egress == nil || s.o.Egress.Allowed(a)) {
			e.Resolve.Servers = append(e.Resolve.Servers, netip.AddrPortFrom(a, 53))
		}
	}
	return e, nil
}

// noteports records which ports of the host were taken.
func (s *Service) noteports(m *member, net string, bound []network.Port) error {
	list := make([]wire.PublishedPort, 0, len(bound))
	for _, b := range bound {
		list = append(list, wire.PublishedPort{Proto: b.Proto, Port: b.Port, Host: b.Host.String(), HostPort: b.Bound})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := m.rec
	p, here := rec.Places[net]
	if !here || slices.Equal(p.Ports, list) {
		return nil
	}
	p.Ports = list
	rec.Places = maps.Clone(rec.Places)
	rec.Places[net] = p
	if err := s.table.putMember(rec); err != nil {
		return fmt.Errorf("record ports: %w", err)
	}
	m.rec = rec
	return nil
}

// conflict gives a port that is taken Docker's words, which scripts match.
func (s *Service) conflict(err error, rec *memberRecord, e network.Endpoint) error {
	taken, ok := errors.AsType[*imagecore.Error](err)
	if !ok || taken.Code != network.CodePortTaken {
		return err
	}
	a := taken.Args
	reason := fmt.Sprintf("failed to bind host port for %s:%s:%s:%s/%s: %s",
		a["address"], a["port"], e.Address.Addr(), a["container-port"], a["proto"], a["reason"])
	if s.allocated(a["proto"], a["address"], a["port"]) {
		reason = fmt.Sprintf("Bind for %s:%s failed: port is already allocated", a["address"], a["port"])
	}
	out := imagecore.NewError(imagecore.ErrConflict, network.CodePortTaken,
		fmt.Sprintf("driver failed programming external connectivity on endpoint %s (%s): %s", rec.Name, e.ID, reason))
	out.Args = a
	return out
}

// allocated says whether one of our containers publishes a port.
func (s *Service) allocated(proto, address, port string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.members {
		for _, p := range m.rec.Places {
			for _, b := range p.Ports {
				same := b.Host == address || b.Host == "0.0.0.0" || address == "0.0.0.0"
				if b.Proto == proto && same && fmt.Sprint(b.HostPort) == port {
					return true
				}
			}
		}
	}
	return false
}

// unplugAll takes all places away; the caller holds the member's op. What a
// helper cannot be told it finds out by itself: its endpoint's process ends.
func (s *Service) unplugAll(ctx context.Context, m *member) {
	s.mu.Lock()
	rec := m.rec
	lines := map[string]*line{}
	for net := range rec.Places {
		lines[net] = s.lines[net]
	}
	s.mu.Unlock()
	for net, p := range rec.Places {
		if l := lines[net]; l != nil {
			s.leave(ctx, l, p, true)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m.target = nil
	if len(m.rec.Places) == 0 {
		return
	}
	next := m.rec
	next.Places = nil
	if err := s.table.putMember(next); err != nil { // the next start of the server finds it out
		s.o.Log.Error("addresses not given back on disk", "container", rec.ID, "err", err)
	}
	m.rec = next
}

func (s *Service) leave(ctx context.Context, l *line, p place, ended bool) {
	h := l.get()
	if h == nil {
		return
	}
	if err := h.Leave(ctx, p.Endpoint, ended); err != nil && !errors.Is(err, network.ErrGone) && s.ctx.Err() == nil {
		s.o.Log.Warn("endpoint not unplugged", "endpoint", p.Endpoint, "err", err)
	}
}
