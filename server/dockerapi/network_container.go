//go:build linux

package dockerapi

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// joinRequest is how a container is to join a network.
func joinRequest(e *network.EndpointSettings) wire.ConnectNetwork {
	var want wire.ConnectNetwork
	if e == nil {
		return want
	}
	want.Aliases, want.MAC = e.Aliases, e.MacAddress.String()
	if e.IPAMConfig != nil {
		want.Address = text(e.IPAMConfig.IPv4Address)
	}
	return want
}

// containerNetwork is what a new container is to have of networks. raw is the
// request as it came: what newer types dropped is read there.
func containerNetwork(req *container.CreateRequest, raw []byte) (wire.ContainerNetwork, error) {
	want := wire.ContainerNetwork{Domainname: req.Config.Domainname, Join: map[string]wire.ConnectNetwork{}}
	for port := range req.Config.ExposedPorts {
		want.Exposed = append(want.Exposed, port.String())
	}
	slices.Sort(want.Exposed)
	if host := req.HostConfig; host != nil {
		want.Mode, want.PublishAll, want.ExtraHosts = string(host.NetworkMode), host.PublishAllPorts, host.ExtraHosts
		want.DNSSearch, want.DNSOptions = host.DNSSearch, host.DNSOptions
		for _, a := range host.DNS {
			want.DNS = append(want.DNS, a.String())
		}
		var err error
		if want.Publish, err = publish(host.PortBindings); err != nil {
			return want, err
		}
	}
	if req.Config.NetworkDisabled {
		want.Mode = "none"
	}
	if req.NetworkingConfig != nil {
		for name, e := range req.NetworkingConfig.EndpointsConfig {
			if name == "none" || name == "host" {
				if e != nil && e.IPAMConfig != nil && e.IPAMConfig.IPv4Address.IsValid() {
					return want, invalid("user specified IP address is supported on user defined networks only")
				}
				if want.Mode == "" || want.Mode == "default" {
					want.Mode = name
				}
				continue
			}
			want.Join[name] = joinRequest(e)
		}
	}
	var old struct{ MacAddress string } // of clients before 1.44
	if json.Unmarshal(raw, &old) == nil && old.MacAddress != "" {
		name := want.Mode
		if name == "" {
			name = "default"
		}
		join := want.Join[name]
		join.MAC = old.MacAddress
		want.Join[name] = join
	}
	return want, nil
}

// publish reads the ports that are to answer on the host.
func publish(bindings network.PortMap) ([]wire.PublishPort, error) {
	var list []wire.PublishPort
	for port, hosts := range bindings {
		if len(hosts) == 0 {
			hosts = []network.PortBinding{{}}
		}
		for _, b := range hosts {
			p := wire.PublishPort{Proto: string(port.Proto()), Port: port.Num(), Host: text(b.HostIP)}
			if b.HostPort != "" {
				from, to, ranged := strings.Cut(b.HostPort, "-")
				if !ranged {
					to = from
				}
				first, err := strconv.ParseUint(from, 10, 16)
				last, err2 := strconv.ParseUint(to, 10, 16)
				if err != nil || err2 != nil || last < first {
					return nil, invalid("invalid port specification: %q", b.HostPort)
				}
				p.First, p.Last = uint16(first), uint16(last)
			}
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b wire.PublishPort) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Host, b.Host), cmp.Compare(a.First, b.First))
	})
	return list, nil
}

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

// networkBack is containerNetwork the other way round.
func networkBack(h *container.HostConfig, n *wire.ContainerNetwork) {
	h.NetworkMode, h.PublishAllPorts, h.ExtraHosts = container.NetworkMode(n.Mode), n.PublishAll, n.ExtraHosts
	h.DNSSearch, h.DNSOptions = n.DNSSearch, n.DNSOptions
	for _, text := range n.DNS {
		if a, err := netip.ParseAddr(text); err == nil {
			h.DNS = append(h.DNS, a)
		}
	}
	for _, p := range n.Publish {
		port, ok := network.PortFrom(p.Port, network.IPProtocol(p.Proto))
		if !ok {
			continue
		}
		b := network.PortBinding{}
		b.HostIP, _ = netip.ParseAddr(p.Host) // "" is none
		switch {
		case p.First != p.Last:
			b.HostPort = strconv.Itoa(int(p.First)) + "-" + strconv.Itoa(int(p.Last))
		case p.First != 0:
			b.HostPort = strconv.Itoa(int(p.First))
		}
		if h.PortBindings == nil {
			h.PortBindings = network.PortMap{}
		}
		h.PortBindings[port] = append(h.PortBindings[port], b)
	}
}
