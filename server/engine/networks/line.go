//go:build linux

package networks

import (
	"context"
	"errors"
	"path/filepath"
	"sync"

	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// line is the connection with one network's helper.
type line struct {
	op sync.Mutex // held while a helper is looked for or ended

	mu     sync.Mutex
	helper Helper             // nil: none that is watched
	hangUp context.CancelFunc // ends the watch

	names sync.Mutex // one SetNames after the other, each with the newest
}

func (l *line) get() Helper {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.helper
}

// plan is what a network's helper is started with.
func (s *Service) plan(n *netRecord) network.Network {
	short := n.ID[:12]
	p := network.Network{
		ID: n.ID, Name: n.Name, Address: n.address(), Out: s.out(n),
		Socket: filepath.Join(s.o.Run, "n", short+".sock"), Pin: filepath.Join(s.o.Run, "n", short+".ns"),
	}
	if p.Out {
		p.Servers = s.o.Egress.Servers()
	}
	return p
}

// helper returns the network's helper; it is looked for, and else started, where
// none is watched.
func (s *Service) helper(ctx context.Context, n *netRecord, l *line) (Helper, error) {
	if h := l.get(); h != nil {
		return h, nil
	}
	l.op.Lock()
	defer l.op.Unlock()
	if h := l.get(); h != nil {
		return h, nil
	}
	h, err := s.connect(ctx, n, l)
	if err != nil {
		return nil, err
	}
	return h, s.pushNames(ctx, n.ID, l, h)
}

// connect finds or starts a helper and watches it.
func (s *Service) connect(ctx context.Context, n *netRecord, l *line) (Helper, error) {
	p := s.plan(n)
	h, state, err := s.o.Helpers.Dial(ctx, p.Socket)
	if err == nil && (state.Network.Address != p.Address || state.Network.Out != p.Out) && len(state.Endpoints) == 0 {
		// One of a server with other settings, and nobody needs it.
		if err := h.End(ctx); err != nil {
			return nil, err
		}
		err = network.ErrGone
	}
	if errors.Is(err, network.ErrGone) {
		state = nil
		h, err = s.o.Helpers.Start(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	if err := s.setWay(ctx, h, p, state); err != nil {
		return nil, err
	}
	watch, hangUp := context.WithCancel(s.ctx)
	ready := make(chan struct{})
	over := make(chan error, 1)
	s.work.Go(func() {
		defer hangUp()
		over <- h.Watch(watch, func() { close(ready) }, func(e network.Event) { s.heard(n.ID, e) })
		s.lost(n.ID, l, h, watch)
	})
	select {
	case <-ready:
	case err := <-over:
		return nil, err
	case <-ctx.Done():
		hangUp()
		return nil, ctx.Err()
	}
	if p.Out {
		s.work.Go(func() { s.keepOut(watch, n.ID, p) })
	}
	l.mu.Lock()
	l.helper, l.hangUp = h, hangUp
	l.mu.Unlock()
	return h, nil
}

// heard is what a helper tells.
func (s *Service) heard(net string, e network.Event) {
	switch e.Kind {
	case network.EventRefused:
		s.o.Log.Info("a container's question for a name was refused: its network has no way out (serve --egress allow)",
			"container", e.Container, "name", e.Name, "network", net)
		data := map[string]string{"name": e.Name, "network": net}
		if err := s.o.Events.Send(wire.EventDNSRefused, e.Container, data); err != nil {
			s.o.Log.Error("event lost", "kind", wire.EventDNSRefused, "err", err)
		}
	case network.EventLeft:
		// The engine learns of the container's end by itself and calls Detach.
	}
}

// lost replaces a helper that has gone while containers need it.
func (s *Service) lost(id string, l *line, h Helper, watch context.Context) {
	l.mu.Lock()
	was := l.helper == h
	if was {
		l.helper = nil
	}
	l.mu.Unlock()
	if watch.Err() != nil || !was { // hung up on purpose
		return
	}
	s.mu.Lock()
	n := s.nets[id]
	var living []*member
	for _, m := range s.members {
		if _, here := m.rec.Places[id]; here && m.target != nil {
			living = append(living, m)
		}
	}
	s.mu.Unlock()
	if n == nil || len(living) == 0 {
		return
	}
	s.o.Log.Warn("network helper lost: another one takes over", "network", n.Name, "containers", len(living))
	for _, m := range living {
		m.op.Lock()
		if err := s.plugAll(s.ctx, m); err != nil && s.ctx.Err() == nil {
			s.o.Log.Error("container not plugged in again", "network", n.Name, "container", m.rec.ID, "err", err)
		}
		m.op.Unlock()
	}
}

// endHelper ends the helper of a network that is removed, if one runs, and
// removes what is left of it.
func (s *Service) endHelper(ctx context.Context, l *line, n netRecord) error {
	if n.Driver != driverBridge {
		return nil
	}
	l.op.Lock()
	defer l.op.Unlock()
	p := s.plan(&n)
	h := l.get()
	l.mu.Lock()
	l.helper = nil
	if l.hangUp != nil {
		defer l.hangUp()
	}
	l.mu.Unlock()
	if h == nil {
		found, _, err := s.o.Helpers.Dial(ctx, p.Socket)
		if errors.Is(err, network.ErrGone) {
			return s.clean(ctx, p)
		}
		if err != nil {
			return err
		}
		h = found
	}
	if err := h.End(ctx); err != nil && !errors.Is(err, network.ErrGone) {
		return err
	}
	return s.clean(ctx, p)
}

// pushNames tells a network's helper the names that its resolvers know.
func (s *Service) pushNames(ctx context.Context, id string, l *line, h Helper) error {
	l.names.Lock()
	defer l.names.Unlock()
	s.mu.Lock()
	list := make([]*memberRecord, 0, len(s.members))
	for _, m := range s.members {
		rec := m.rec // what Places and Joined hold is never changed in place
		list = append(list, &rec)
	}
	nets := map[string]*netRecord{}
	for k, v := range s.nets {
		nets[k] = v
	}
	s.mu.Unlock()
	all := zones(id, nets, list, func(m *memberRecord) string { return home(m, nets) })
	if len(all) == 0 {
		return nil // the default network has no names
	}
	return h.SetNames(ctx, all)
}

// spread tells all helpers that run the names, where a container with a place in
// one of nets could have them.
func (s *Service) spread(ctx context.Context, nets map[string]place) {
	s.mu.Lock()
	lines := map[string]*line{}
	for id := range nets {
		if n := s.nets[id]; n == nil || !n.named() {
			continue
		}
		lines[id] = s.lines[id]
		for _, m := range s.members {
			if _, here := m.rec.Places[id]; here {
				at := home(&m.rec, s.nets)
				if s.lines[at] != nil {
					lines[at] = s.lines[at]
				}
			}
		}
	}
	s.mu.Unlock()
	for id, l := range lines {
		if h := l.get(); h != nil {
			if err := s.pushNames(ctx, id, l, h); err != nil && s.ctx.Err() == nil {
				s.o.Log.Warn("names not told", "network", id, "err", err)
			}
		}
	}
}
