//go:build linux

package networks

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Connect puts a container into one more network: at once where it runs, else
// from its next start on. Codes: network-not-found, container-not-found,
// network-joined, bad-network, network-conflict.
func (s *Service) Connect(ctx context.Context, ref string, req wire.ConnectNetwork) error {
	m, err := s.findMember(req.Container)
	if err != nil {
		return err
	}
	m.op.Lock()
	defer m.op.Unlock()
	s.mu.Lock()
	n, err := s.mayConnect(m, ref, req)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	rec, living := m.rec, m.target != nil
	before := rec
	rec.Joined = maps.Clone(rec.Joined)
	want := req
	want.Container = ""
	rec.Joined[n.ID] = want
	if living {
		p, err := s.place(n, want, s.freeInterface(&rec))
		if err != nil {
			s.mu.Unlock()
			return err
		}
		if rec.Places = maps.Clone(rec.Places); rec.Places == nil {
			rec.Places = map[string]place{}
		}
		rec.Places[n.ID] = p
	}
	if err := s.table.putMember(rec); err != nil {
		s.mu.Unlock()
		return fmt.Errorf("record networks of container %s: %w", rec.Name, err)
	}
	m.rec = rec
	l := s.lines[n.ID]
	s.mu.Unlock()
	if !living {
		return nil
	}
	if err := s.plugAll(ctx, m); err != nil {
		s.leave(ctx, l, rec.Places[n.ID], false)
		s.mu.Lock()
		defer s.mu.Unlock()
		if putErr := s.table.putMember(before); putErr != nil {
			s.o.Log.Error("networks of a container not recorded", "container", rec.ID, "err", putErr)
		}
		m.rec = before
		return err
	}
	s.spread(ctx, rec.Places)
	s.tellEndpoint(wire.EventNetworkConnected, m, n.ID)
	return nil
}

// mayConnect says whether a container can join a network; the caller holds mu.
func (s *Service) mayConnect(m *member, ref string, req wire.ConnectNetwork) (*netRecord, error) {
	n, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	refuse := func(text string) (*netRecord, error) {
		return nil, imagecore.NewError(imagecore.ErrConflict, "network-conflict", text)
	}
	switch kind, _ := Mode(m.rec.Want); {
	case kind == ModeContainer:
		return refuse("container sharing network namespace with another container or host cannot be connected to any other network")
	case kind == ModeHost || n.Driver == driverHost:
		return refuse("cannot connect container to host network: container must be created in host network mode")
	case kind == ModeNone || n.Driver == driverNull:
		return refuse("container cannot be connected to multiple networks with one of the networks in private (none) mode")
	}
	if _, is := m.rec.Joined[n.ID]; is {
		return nil, imagecore.NewError(imagecore.ErrExists, "network-joined",
			fmt.Sprintf("endpoint with name %s already exists in network %s", m.rec.Name, n.Name), "network", n.Name)
	}
	return n, checkJoin(n, req)
}

// freeInterface is the first name that none of a container's places has.
func (s *Service) freeInterface(rec *memberRecord) string {
	for i := 0; ; i++ {
		name, used := fmt.Sprintf("eth%d", i), false
		for _, p := range rec.Places {
			used = used || p.Interface == name
		}
		if !used {
			return name
		}
	}
}

// Disconnect takes a container out of a network. Codes: network-not-found,
// container-not-found, network-not-joined, network-conflict.
func (s *Service) Disconnect(ctx context.Context, ref, container string) error {
	m, err := s.findMember(container)
	if err != nil {
		return err
	}
	m.op.Lock()
	defer m.op.Unlock()
	s.mu.Lock()
	n, err := s.find(ref)
	if err == nil {
		if kind, _ := Mode(m.rec.Want); n.Driver == driverHost && kind == ModeHost {
			err = imagecore.NewError(imagecore.ErrConflict, "network-conflict", "container cannot be disconnected from host network or connected to host network")
		} else if _, is := m.rec.Joined[n.ID]; !is {
			err = imagecore.NewError(imagecore.ErrConflict, "network-not-joined",
				fmt.Sprintf("container %s is not connected to network %s", m.rec.ID, n.Name), "network", n.Name)
		}
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	var told *wire.Endpoint
	rec := m.rec
	was, had := rec.Places[n.ID]
	if had {
		e := s.endpoint(&rec, n)
		told = &e
	}
	rec.Joined, rec.Places = maps.Clone(rec.Joined), maps.Clone(rec.Places)
	delete(rec.Joined, n.ID)
	delete(rec.Places, n.ID)
	if err := s.table.putMember(rec); err != nil {
		s.mu.Unlock()
		return fmt.Errorf("record networks of container %s: %w", rec.Name, err)
	}
	places := map[string]place{n.ID: was}
	maps.Copy(places, rec.Places)
	m.rec = rec
	l := s.lines[n.ID]
	s.mu.Unlock()
	if !had {
		return nil
	}
	s.leave(ctx, l, was, false)
	// What this network had for the container, another one takes over.
	err = s.plugAll(ctx, m)
	s.spread(ctx, places)
	s.tell(wire.EventNetworkDisconnected, n.ID, told)
	return err
}

// findMember takes an id, a name, or a prefix of an id.
func (s *Service) findMember(ref string) (*member, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.members[ref]; m != nil {
		return m, nil
	}
	ref = strings.TrimPrefix(ref, "/")
	var found []*member
	for id, m := range s.members {
		if m.rec.Name == ref {
			return m, nil
		}
		if ref != "" && strings.HasPrefix(id, ref) {
			found = append(found, m)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return nil, imagecore.NewError(imagecore.ErrNotFound, "container-not-found", fmt.Sprintf("container %q: not found", ref), "container", ref)
}
