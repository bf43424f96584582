package policy

import (
	"reflect"

	"github.com/moby/moby/api/types/network"
)

// networkHostFields are the fields of container.HostConfig that say how a
// container stands in networks. Which values of NetworkMode are allowed decides
// the engine, which knows the server's flags.
func networkHostFields() map[string]verdict {
	yes := verdict{honoured: true}
	return map[string]verdict{
		"NetworkMode":     yes,
		"PortBindings":    yes,
		"PublishAllPorts": yes,
		"DNS":             yes,
		"DNSOptions":      yes,
		"DNSSearch":       yes,
		"ExtraHosts":      yes,
	}
}

// endpointFields is the same for network.EndpointSettings. What the server
// writes there itself is taken back without a word: clients send what inspect
// gave them.
func endpointFields() map[string]verdict {
	yes := verdict{honoured: true}
	return map[string]verdict{
		"IPAMConfig": yes, // but for IPv6 and link-local addresses, see CheckEndpoint
		"Aliases":    yes,
		"MacAddress": yes,
		"NetworkID":  yes, "EndpointID": yes, "Gateway": yes, "IPAddress": yes, "IPPrefixLen": yes,
		"IPv6Gateway": yes, "GlobalIPv6Address": yes, "GlobalIPv6PrefixLen": yes, "DNSNames": yes,
	}
}

// ipamFields is the same for network.EndpointIPAMConfig.
func ipamFields() map[string]verdict {
	return map[string]verdict{"IPv4Address": {honoured: true}}
}

// createFields is the same for network.CreateRequest.
func createFields() map[string]verdict {
	yes := verdict{honoured: true}
	return map[string]verdict{
		"Name": yes, "Driver": yes, "Internal": yes, "Attachable": yes, "IPAM": yes, "Options": yes, "Labels": yes,
		"EnableIPv4": yes, // false is refused by the caller
		"Scope":      {defaults: []any{"local"}},
	}
}

// CheckEndpoint returns the first setting of a container's place in a network
// that is not served.
func CheckEndpoint(name string, e *network.EndpointSettings) error {
	if e == nil {
		return nil
	}
	found := walk("NetworkingConfig."+name, reflect.ValueOf(*e), endpointFields())
	if e.IPAMConfig != nil {
		found = append(found, walk("NetworkingConfig."+name+".IPAMConfig", reflect.ValueOf(*e.IPAMConfig), ipamFields())...)
	}
	return first(found)
}

// CheckNetwork is the same for a network that is to be made.
func CheckNetwork(req *network.CreateRequest) error {
	found := walk("Network", reflect.ValueOf(*req), createFields())
	if req.IPAM != nil {
		if req.IPAM.Driver != "" && req.IPAM.Driver != "default" {
			found = append(found, &Refusal{"Network.IPAM.Driver", req.IPAM.Driver})
		}
		if len(req.IPAM.Options) > 0 {
			found = append(found, &Refusal{"Network.IPAM.Options", text(reflect.ValueOf(req.IPAM.Options))})
		}
		for _, c := range req.IPAM.Config {
			if len(c.AuxAddress) > 0 {
				found = append(found, &Refusal{"Network.IPAM.Config.AuxAddress", text(reflect.ValueOf(c.AuxAddress))})
			}
		}
	}
	for name, value := range req.Options {
		if !harmless(name, value) {
			found = append(found, &Refusal{"Network.Options." + name, value})
		}
	}
	return first(found)
}

// harmless says whether an option of the bridge driver asks for what happens
// anyway.
func harmless(name, value string) bool {
	switch name {
	case "com.docker.network.bridge.enable_icc":
		return value == "true"
	case "com.docker.network.bridge.enable_ip_masquerade", "com.docker.network.enable_ipv4":
		return true // there is no masquerading: who gets out gets out by a process of ours
	}
	return false
}
