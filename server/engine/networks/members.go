//go:build linux

package networks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Container is what Add needs of a container.
type Container struct {
	ID, Name string
	Hostname string // that its creator chose; "" for the one it has by its id
	Want     wire.ContainerNetwork
}

// Kinds of wire.ContainerNetwork.Mode.
const (
	ModeNetworks  = "networks" // one or more networks
	ModeNone      = "none"
	ModeHost      = "host"
	ModeContainer = "container"
)

// Mode tells the kind of a wish, and for ModeContainer which container is meant.
func Mode(w wire.ContainerNetwork) (kind, container string) {
	switch {
	case w.Mode == nameNone, w.Mode == nameHost:
		return w.Mode, ""
	case strings.HasPrefix(w.Mode, "container:"):
		return ModeContainer, strings.TrimPrefix(w.Mode, "container:")
	}
	return ModeNetworks, ""
}

// Add records what a new container wishes. Codes: bad-network, bad-port,
// host-network, publish-address, network-conflict.
func (s *Service) Add(_ context.Context, c Container) error {
	rec := memberRecord{ID: c.ID, Name: c.Name, Host: c.Hostname, Want: c.Want, Joined: map[string]wire.ConnectNetwork{}}
	if err := s.check(c); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind, _ := Mode(c.Want); kind == ModeNetworks {
		if err := s.wish(&rec); err != nil {
			return err
		}
	}
	if err := s.table.putMember(rec); err != nil {
		return fmt.Errorf("record networks of container %s: %w", c.Name, err)
	}
	s.members[c.ID] = &member{rec: rec}
	return nil
}

// check is what needs no look at the networks.
func (s *Service) check(c Container) error {
	if _, err := ports(c.Want, s.o.Publish); err != nil {
		return err
	}
	if err := checkLines(c.Want); err != nil {
		return err
	}
	kind, _ := Mode(c.Want)
	for _, text := range c.Want.DNS {
		if a, err := netip.ParseAddr(text); err == nil && s.o.Egress != nil && !s.o.Egress.Allowed(a) {
			return imagecore.NewError(imagecore.ErrUnsupported, "dns-not-allowed",
				fmt.Sprintf("resolver %s: private and loopback addresses are reached only where serve --egress lists them", a), "address", a.String())
		}
	}
	conflict := func(set bool, what string) error {
		if !set {
			return nil
		}
		return imagecore.NewError(imagecore.ErrInvalid, "network-conflict", "conflicting options: "+what)
	}
	switch kind {
	case ModeHost:
		if !s.o.AllowHost {
			return imagecore.NewError(imagecore.ErrUnsupported, "host-network",
				"network mode host is refused: the container would stand in the host's own network; start the server with --allow-host-network to allow it")
		}
	case ModeContainer:
		return errors.Join(
			conflict(c.Hostname != "", "hostname and the network mode"),
			conflict(len(c.Want.DNS) > 0, "dns and the network mode"),
			conflict(len(c.Want.ExtraHosts) > 0, "custom host-to-IP mapping and the network mode"),
			conflict(len(c.Want.Publish) > 0 || c.Want.PublishAll, "port publishing and the container type network mode"),
		)
	}
	return nil
}

// wish decides which networks a container is to be in; the caller holds mu.
func (s *Service) wish(rec *memberRecord) error {
	mode := rec.Want.Mode
	if mode == "" || mode == "default" {
		mode = nameBridge
	}
	join := map[string]wire.ConnectNetwork{mode: {}}
	for name, c := range rec.Want.Join {
		if name == "default" || name == "" {
			name = nameBridge
		}
		join[name] = c
	}
	for name, c := range join {
		n, err := s.find(name)
		if err != nil { // Docker finds out at the start
			rec.Joined[name] = c
			continue
		}
		if n.Driver != driverBridge {
			return badNetwork("container cannot be connected to multiple networks with one of the networks in %s mode", n.Name)
		}
		if err := checkJoin(n, c); err != nil {
			return err
		}
		if have, twice := rec.Joined[n.ID]; twice && name == mode { // by name and by id
			c = have
		}
		rec.Joined[n.ID] = c
	}
	return nil
}

// checkJoin refuses what a network cannot give.
func checkJoin(n *netRecord, c wire.ConnectNetwork) error {
	if !n.named() && len(c.Aliases) > 0 {
		return badNetwork("network-scoped aliases are only supported for user-defined networks")
	}
	for _, a := range c.Aliases {
		if a == "" || strings.ContainsAny(a, " \t\r\n") {
			return badNetwork("invalid network alias %q", a)
		}
	}
	if c.Address == "" {
		return nil
	}
	a, err := netip.ParseAddr(c.Address)
	switch {
	case err != nil || !a.Is4():
		return badNetwork("invalid IPv4 address: %s", c.Address)
	case n.Builtin:
		return badNetwork("user specified IP address is supported on user defined networks only")
	case !n.Chosen:
		return badNetwork("user specified IP address is supported only when connecting to networks with user configured subnets")
	case !usable(n.Subnet, a):
		return badNetwork("no configured subnet contains IP address %s", a)
	}
	return nil
}

// home is the network whose helper has a container's resolver, published ports
// and default route: the one that its creator named, or else the first by name.
func home(m *memberRecord, nets map[string]*netRecord) string {
	best := ""
	for id := range m.Places {
		n := nets[id]
		if n == nil {
			continue
		}
		if n.Name == m.Want.Mode || id == m.Want.Mode || n.Builtin && (m.Want.Mode == "" || m.Want.Mode == "default") {
			return id
		}
		if best == "" || n.Name < nets[best].Name {
			best = id
		}
	}
	return best
}

// Prepare gives a container that is about to start its addresses, and returns
// what its /etc is to hold. Codes: network-not-found, no-address, address-taken.
func (s *Service) Prepare(_ context.Context, id, hostname string) (Files, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.members[id]
	if m == nil {
		return Files{Hosts: hosts(nil, nil, hostname, ""), Resolv: noResolv}, nil
	}
	rec := m.rec
	rec.Places = map[string]place{}
	rec.Joined = maps.Clone(rec.Joined)
	var order []*netRecord
	for ref, c := range m.rec.Joined {
		n, err := s.find(ref)
		if err != nil {
			return Files{}, err
		}
		if ref != n.ID {
			if err := checkJoin(n, c); err != nil {
				return Files{}, err
			}
			delete(rec.Joined, ref)
			rec.Joined[n.ID] = c
		}
		order = append(order, n)
	}
	sort.Slice(order, func(i, j int) bool { return order[i].Name < order[j].Name })
	for _, n := range order {
		rec.Places[n.ID] = place{}
	}
	if first := home(&rec, s.nets); first != "" {
		slices.SortStableFunc(order, func(a, b *netRecord) int { return boolean(a.ID != first) - boolean(b.ID != first) })
	}
	clear(rec.Places)
	for i, n := range order {
		p, err := s.place(n, rec.Joined[n.ID], fmt.Sprintf("eth%d", i))
		if err != nil {
			return Files{}, err
		}
		rec.Places[n.ID] = p
	}
	if len(rec.Places) > 0 || len(m.rec.Places) > 0 {
		if err := s.table.putMember(rec); err != nil {
			return Files{}, fmt.Errorf("record addresses: %w", err)
		}
	}
	m.rec = rec
	return s.files(&rec, hostname), nil
}

// files are those of a container with its places; the caller holds mu.
func (s *Service) files(rec *memberRecord, hostname string) Files {
	var own []netip.Addr
	for _, id := range s.inOrder(rec) {
		own = append(own, rec.Places[id].Address)
	}
	f := Files{Hosts: hosts(rec.Want.ExtraHosts, own, hostname, rec.Want.Domainname), Resolv: noResolv}
	if len(own) > 0 {
		f.Resolv = resolv(rec.Want.DNSSearch, rec.Want.DNSOptions)
	}
	return f
}

// inOrder lists the networks of a container's places, by interface.
func (s *Service) inOrder(rec *memberRecord) []string {
	ids := slices.Collect(maps.Keys(rec.Places))
	sort.Slice(ids, func(i, j int) bool {
		a, b := rec.Places[ids[i]].Interface, rec.Places[ids[j]].Interface
		return len(a) < len(b) || len(a) == len(b) && a < b
	})
	return ids
}

// place chooses an address; the caller holds mu.
func (s *Service) place(n *netRecord, c wire.ConnectNetwork, device string) (place, error) {
	taken := map[netip.Addr]bool{n.Gateway: true}
	for _, m := range s.members {
		if p, here := m.rec.Places[n.ID]; here {
			taken[p.Address] = true
		}
	}
	p := place{Endpoint: newID(), Interface: device}
	if c.Address != "" {
		a, err := netip.ParseAddr(c.Address)
		if err != nil {
			return p, err
		}
		if taken[a] {
			return p, imagecore.NewError(imagecore.ErrConflict, "address-taken", "Address already in use", "address", c.Address)
		}
		p.Address = a
	} else {
		// An address that a stopped container wished for is left to it.
		for _, m := range s.members {
			if a, err := netip.ParseAddr(m.rec.Joined[n.ID].Address); err == nil {
				taken[a] = true
			}
		}
		var err error
		if p.Address, err = pickAddress(n.Subnet, n.within(), func(a netip.Addr) bool { return taken[a] }); err != nil {
			return p, err
		}
	}
	p.MAC = c.MAC
	if p.MAC == "" {
		p.MAC = hardware(p.Address)
	}
	return p, nil
}

// Rename tells the container's new name.
func (s *Service) Rename(ctx context.Context, id, name string) {
	s.mu.Lock()
	m := s.members[id]
	if m == nil {
		s.mu.Unlock()
		return
	}
	rec := m.rec
	rec.Name = name
	if err := s.table.putMember(rec); err != nil {
		s.o.Log.Error("container's new name not recorded", "container", id, "err", err)
	}
	m.rec = rec
	s.mu.Unlock()
	s.spread(ctx, rec.Places)
}

// Forget drops a container that is removed; it has no places any more.
func (s *Service) Forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members[id] == nil {
		return
	}
	if err := s.table.delete("c/" + id); err != nil { // the next start sweeps it
		s.o.Log.Error("networks of a removed container not forgotten", "container", id, "err", err)
	}
	delete(s.members, id)
}
