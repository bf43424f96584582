package settings

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

// Join reads how a container is to join a network.
func Join(e *network.EndpointSettings) wire.ConnectNetwork {
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

// Networks reads what a new container is to have of networks. raw is the request
// as it came: what newer types dropped is read there.
func Networks(req *container.CreateRequest, raw []byte) (wire.ContainerNetwork, error) {
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
			want.Join[name] = Join(e)
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

// ShowNetworks is Networks the other way round, as far as a HostConfig has it.
func ShowNetworks(h *container.HostConfig, n *wire.ContainerNetwork) {
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

// NewNetwork reads what a network is to be.
func NewNetwork(req *network.CreateRequest) (wire.CreateNetwork, error) {
	want := wire.CreateNetwork{Name: req.Name, Driver: req.Driver, Internal: req.Internal, Attachable: req.Attachable, Labels: req.Labels, Options: req.Options}
	if req.EnableIPv4 != nil && !*req.EnableIPv4 {
		return want, invalid("IPv4 or IPv6 must be enabled")
	}
	if req.IPAM != nil {
		if len(req.IPAM.Config) > 1 {
			return want, invalid("one subnet for each network is served, not %d", len(req.IPAM.Config))
		}
		for _, config := range req.IPAM.Config {
			want.Subnet, want.Gateway, want.IPRange = text(config.Subnet), text(config.Gateway), text(config.IPRange)
		}
	}
	return want, nil
}

// text is "" for an address that was not given.
func text(v interface {
	IsValid() bool
	String() string
},
) string {
	if !v.IsValid() {
		return ""
	}
	return v.String()
}
