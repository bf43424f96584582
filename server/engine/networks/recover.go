//go:build linux

package networks

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/layerlab/layerlab/runtime/network"
)

// Recover makes records, helpers and the kernel agree once the containers are
// known: living has those that run, known those that are.
func (s *Service) Recover(ctx context.Context, known func(id string) bool, living map[string]Target) {
	s.mu.Lock()
	var members []*member
	for id, m := range s.members {
		if !known(id) {
			s.o.Log.Info("forget the networks of a container that is not there", "container", id)
			if err := s.table.delete("c/" + id); err != nil {
				s.o.Log.Error("networks of a removed container not forgotten", "container", id, "err", err)
			}
			delete(s.members, id)
			continue
		}
		m.target = living[id]
		members = append(members, m)
	}
	s.mu.Unlock()
	for _, m := range members {
		m.op.Lock()
		if m.target == nil {
			s.unplugAll(ctx, m)
		} else if err := s.plugAll(ctx, m); err != nil {
			s.o.Log.Error("container not plugged in again", "container", m.rec.ID, "err", err)
		}
		m.op.Unlock()
	}
	s.mu.Lock()
	nets := make([]*netRecord, 0, len(s.nets))
	for _, n := range s.nets {
		nets = append(nets, n)
	}
	s.mu.Unlock()
	for _, n := range nets {
		if n.Driver == driverBridge {
			s.reconcile(ctx, n)
		}
	}
	s.sweep(ctx)
}

// reconcile unplugs what no record knows, and ends a helper that nobody needs.
func (s *Service) reconcile(ctx context.Context, n *netRecord) {
	s.mu.Lock()
	l, used := s.lines[n.ID], s.inUse(n.ID)
	places := map[string]bool{}
	for _, m := range s.members {
		places[m.rec.Places[n.ID].Endpoint] = true
	}
	s.mu.Unlock()
	if !used {
		if err := s.endHelper(ctx, l, *n); err != nil {
			s.o.Log.Warn("network not cleaned up", "network", n.Name, "err", err)
		}
		return
	}
	h := l.get()
	if h == nil {
		return
	}
	state, err := h.State(ctx)
	if err != nil {
		s.o.Log.Warn("network helper does not answer", "network", n.Name, "err", err)
		return
	}
	for _, e := range state.Endpoints {
		if !places[e.ID] {
			s.leave(ctx, l, place{Endpoint: e.ID}, true)
		}
	}
}

// sweep removes what lies in RUN of networks that are not there any more.
func (s *Service) sweep(ctx context.Context) {
	dir := filepath.Join(s.o.Run, "n")
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.o.Log.Warn("pins of networks", "err", err)
		return
	}
	s.mu.Lock()
	ours := map[string]bool{}
	for id := range s.nets {
		ours[id[:12]] = true
	}
	s.mu.Unlock()
	for _, e := range entries {
		short, _, _ := strings.Cut(e.Name(), ".")
		if ours[short] {
			continue
		}
		p := network.Network{Name: short, Socket: filepath.Join(dir, short+".sock"), Pin: filepath.Join(dir, short+".ns")}
		h, _, err := s.o.Helpers.Dial(ctx, p.Socket)
		if err == nil {
			err = h.End(ctx)
		}
		if err == nil || errors.Is(err, network.ErrGone) {
			err = s.clean(ctx, p)
		}
		if err != nil {
			s.o.Log.Warn("what is left of a network could not be removed; the next start tries again", "network", short, "err", err)
			continue
		}
		s.o.Log.Info("removed what was left of a network", "network", short)
	}
}
