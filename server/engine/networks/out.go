//go:build linux

package networks

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/runtime/network/egress"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// setWay brings the way out of a network whose helper runs to what p says; state
// is nil for a helper that was just started so.
func (s *Service) setWay(ctx context.Context, h Helper, p network.Network, state *network.State) error {
	if state != nil && (state.Network.Out != p.Out || !slices.Equal(state.Network.Servers, p.Servers)) {
		if err := h.SetWay(ctx, p.Out, p.Servers); err != nil {
			return err
		}
	}
	if p.Out {
		return s.o.Egress.Start(ctx, p)
	}
	return s.o.Helpers.CutOff(ctx, p) // of a server that allowed it
}

// again is how long the server waits before it opens a way anew that has closed.
const again = time.Second

// keepOut listens to a network's way out, and opens it anew when it closes while
// the helper lives, until ctx ends.
func (s *Service) keepOut(ctx context.Context, id string, p network.Network) {
	for {
		err := s.o.Egress.Watch(ctx, p, func(e egress.Event) { s.heardOut(id, e) })
		if ctx.Err() != nil {
			return
		}
		s.o.Log.Warn("way out of a network closed: it is opened anew", "network", p.Name, "err", err)
		err = s.o.Egress.Start(ctx, p)
		if errors.Is(err, network.ErrGone) {
			return // whoever replaces the helper opens the way too
		}
		if err != nil && ctx.Err() == nil {
			s.o.Log.Error("no way out of a network", "network", p.Name, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(again):
		}
	}
}

// heardOut tells what a network's way out did not let through.
func (s *Service) heardOut(id string, e egress.Event) {
	container := ""
	s.mu.Lock()
	for _, m := range s.members {
		if p, here := m.rec.Places[id]; here && p.Address == e.From {
			container = m.rec.ID
		}
	}
	s.mu.Unlock()
	s.o.Log.Info("a container's way out was refused", "container", container, "to", e.To.String(), "port", e.Port, "proto", e.Proto, "reason", e.Reason)
	data := map[string]string{
		"address": e.To.String(), "port": strconv.Itoa(int(e.Port)), "proto": e.Proto, "network": id, "reason": e.Reason,
	}
	if err := s.o.Events.Send(wire.EventEgressRefused, container, data); err != nil {
		s.o.Log.Error("event lost", "kind", wire.EventEgressRefused, "err", err)
	}
}

// clean removes what a network without a helper has left.
func (s *Service) clean(ctx context.Context, p network.Network) error {
	return errors.Join(s.o.Helpers.CutOff(ctx, p), s.o.Helpers.Clean(ctx, p))
}
