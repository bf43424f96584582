//go:build linux

package dockerapi

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
)

// networkMode is the container's in Docker's words.
func networkMode(d Container) string {
	switch mode := d.Network.Mode; mode {
	case "", "default":
		return "bridge"
	default:
		return mode
	}
}

// networkSettings is what inspect shows of a container's networks.
func networkSettings(d Container) *container.NetworkSettings {
	v := &container.NetworkSettings{Ports: network.PortMap{}, Networks: endpoints(d, true)}
	running := d.Container.Pid != 0
	for _, text := range d.Network.Exposed {
		if p, err := network.ParsePort(text); err == nil && running {
			v.Ports[p] = nil
		}
	}
	for _, e := range d.Endpoints {
		for _, b := range e.Ports {
			p, ok := network.PortFrom(b.Port, network.IPProtocol(b.Proto))
			if !ok {
				continue
			}
			host, _ := netip.ParseAddr(b.Host)
			v.Ports[p] = append(v.Ports[p], network.PortBinding{HostIP: host, HostPort: strconv.Itoa(int(b.HostPort))})
		}
	}
	return v
}

// endpoints are a container's places by the network's name.
func endpoints(d Container, all bool) map[string]*network.EndpointSettings {
	m := map[string]*network.EndpointSettings{}
	for _, name := range []string{"none", "host"} {
		if d.Network.Mode == name {
			m[name] = &network.EndpointSettings{}
		}
	}
	for _, e := range d.Endpoints {
		s := &network.EndpointSettings{NetworkID: e.Network, EndpointID: e.ID}
		if len(e.Aliases) > 0 {
			s.Aliases = e.Aliases
		}
		if all && len(e.Names) > 0 {
			s.DNSNames = e.Names
		}
		if p, err := netip.ParsePrefix(e.Address); err == nil {
			s.IPAddress, s.IPPrefixLen = p.Addr(), p.Bits()
			s.Gateway, _ = netip.ParseAddr(e.Gateway)
			_ = s.MacAddress.UnmarshalText([]byte(e.MAC)) // made by the service
		}
		if join, ok := d.Network.Join[e.NetworkName]; ok && join.Address != "" {
			if a, err := netip.ParseAddr(join.Address); err == nil {
				s.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: a}
			}
		}
		m[e.NetworkName] = s
	}
	return m
}

// portSummaries are the ports of docker ps: those that are exposed, and those
// that answer on the host.
func portSummaries(d Container) []container.PortSummary {
	list := []container.PortSummary{}
	if d.Container.Pid == 0 {
		return list
	}
	for p, bindings := range networkSettings(d).Ports {
		if len(bindings) == 0 {
			list = append(list, container.PortSummary{PrivatePort: p.Num(), Type: string(p.Proto())})
		}
		for _, b := range bindings {
			n, err := strconv.ParseUint(b.HostPort, 10, 16)
			if err == nil {
				list = append(list, container.PortSummary{IP: b.HostIP, PrivatePort: p.Num(), PublicPort: uint16(n), Type: string(p.Proto())})
			}
		}
	}
	slices.SortFunc(list, func(a, b container.PortSummary) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.PrivatePort, b.PrivatePort), a.IP.Compare(b.IP), cmp.Compare(a.PublicPort, b.PublicPort))
	})
	return list
}

// publishes reads a filter such as 80/tcp or 8000-8010 and says whether one of
// the ports matches; public asks for those of the host.
func publishes(list []container.PortSummary, want string, public bool) bool {
	span, proto, ok := strings.Cut(want, "/")
	if !ok {
		proto = "tcp"
	}
	from, to, ranged := strings.Cut(span, "-")
	if !ranged {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 16)
	last, err2 := strconv.ParseUint(to, 10, 16)
	return err == nil && err2 == nil && slices.ContainsFunc(list, func(p container.PortSummary) bool {
		n := uint64(p.PrivatePort)
		if public {
			n = uint64(p.PublicPort)
		}
		return p.Type == proto && n != 0 && first <= n && n <= last
	})
}

// inNetwork takes a network's name or the beginning of its id.
func inNetwork(s container.Summary, want string) bool {
	for name, e := range s.NetworkSettings.Networks {
		if name == want || len(want) > 0 && strings.HasPrefix(e.NetworkID, want) {
			return true
		}
	}
	return false
}
