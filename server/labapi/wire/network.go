package wire

import "time"

// Network is a network of containers.
type Network struct {
	ID         string            `json:"id"` // 64 hexadecimal digits
	Name       string            `json:"name"`
	Driver     string            `json:"driver"` // bridge; host and null for the two that are none
	CreatedAt  time.Time         `json:"createdAt"`
	Subnet     string            `json:"subnet"`  // "172.17.0.0/16"; "" without addresses
	Gateway    string            `json:"gateway"` // the bridge's address
	IPRange    string            `json:"ipRange,omitempty"`
	Internal   bool              `json:"internal"`             // no way out, whatever the server allows
	Attachable bool              `json:"attachable,omitempty"` // as its creator said; any container may join
	Egress     bool              `json:"egress"`               // there is a way out
	Builtin    bool              `json:"builtin"`              // cannot be removed
	Labels     map[string]string `json:"labels"`
	Options    map[string]string `json:"options"`
	Endpoints  []Endpoint        `json:"endpoints"` // of running containers, by address
}

// NetworkList answers GET /networks, by name.
type NetworkList struct {
	Networks []Network `json:"networks"`
}

// CreateNetwork is the body of POST /networks. Without a subnet one is chosen.
type CreateNetwork struct {
	Name       string            `json:"name"`
	Driver     string            `json:"driver,omitempty"` // bridge
	Subnet     string            `json:"subnet,omitempty"`
	Gateway    string            `json:"gateway,omitempty"` // default: the subnet's first address
	IPRange    string            `json:"ipRange,omitempty"` // addresses are chosen within it
	Internal   bool              `json:"internal,omitempty"`
	Attachable bool              `json:"attachable,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Options    map[string]string `json:"options,omitempty"`
}

// Endpoint is a container's place in a network.
type Endpoint struct {
	ID            string          `json:"id"`      // 64 hexadecimal digits
	Network       string          `json:"network"` // id
	NetworkName   string          `json:"networkName"`
	Container     string          `json:"container"` // id
	ContainerName string          `json:"containerName"`
	Interface     string          `json:"interface"` // in the container: "eth0"
	Address       string          `json:"address"`   // "172.17.0.2/16"; "" unless the container runs
	Gateway       string          `json:"gateway"`
	MAC           string          `json:"mac"`
	Names         []string        `json:"names"` // under which the network's containers find it
	Aliases       []string        `json:"aliases"`
	Ports         []PublishedPort `json:"ports"`
}

// PublishedPort is a port of a running container that answers on the host.
type PublishedPort struct {
	Proto    string `json:"proto"` // tcp or udp
	Port     uint16 `json:"port"`  // the container's
	Host     string `json:"host"`  // address on the host
	HostPort uint16 `json:"hostPort"`
}

// ConnectNetwork is how a container joins a network.
type ConnectNetwork struct {
	Container string   `json:"container,omitempty"` // id or name
	Address   string   `json:"address,omitempty"`   // chosen where empty
	Aliases   []string `json:"aliases,omitempty"`   // further names in the network
	MAC       string   `json:"mac,omitempty"`       // made of the address where empty
}

// DisconnectNetwork is the body of POST /networks/{id}/disconnect.
type DisconnectNetwork struct {
	Container string `json:"container"`
}

// ContainerNetwork is what a container is to have of networks.
type ContainerNetwork struct {
	// Mode is "" or "default" (the default network), "none", "host",
	// "container:ID", or a network.
	Mode string `json:"mode,omitempty"`
	// Join says how it joins networks, by name or id; the one of Mode need not
	// be among them.
	Join map[string]ConnectNetwork `json:"join,omitempty"`
	// Publish are ports for the host; PublishAll adds those of Exposed that
	// are not in Publish, "80/tcp" or "53-60/udp", at any port.
	Publish    []PublishPort `json:"publish,omitempty"`
	PublishAll bool          `json:"publishAll,omitempty"`
	Exposed    []string      `json:"exposed,omitempty"`
	DNS        []string      `json:"dns,omitempty"` // resolvers to ask further
	DNSSearch  []string      `json:"dnsSearch,omitempty"`
	DNSOptions []string      `json:"dnsOptions,omitempty"`
	ExtraHosts []string      `json:"extraHosts,omitempty"` // "name:address"
	Domainname string        `json:"domainname,omitempty"`
}

// PublishPort is a port that is to be published.
type PublishPort struct {
	Proto string `json:"proto"`          // tcp or udp
	Port  uint16 `json:"port"`           // the container's
	Host  string `json:"host,omitempty"` // address; "" is the server's --publish-address
	// First and Last are the ports of the host of which the first free one is
	// taken; 0 is any.
	First uint16 `json:"first,omitempty"`
	Last  uint16 `json:"last,omitempty"`
}

// Event kinds of networks. Data is the Network or Endpoint concerned, but for
// those noted; the id is the network's.
const (
	EventNetworkCreated      = "network.created"
	EventNetworkDeleted      = "network.deleted" // data {"name"}
	EventNetworkConnected    = "network.connected"
	EventNetworkDisconnected = "network.disconnected"
	// EventDNSRefused: a container asked for a name outside of its networks,
	// and there is no way out. The id is the container's, data {"name",
	// "network"}; never replayed.
	EventDNSRefused = "network.dns-refused"
	// EventEgressRefused: a container wanted to reach an address and was not
	// let, or nobody answered there. The id is the container's, data {"address",
	// "port", "proto", "network", "reason"}; never replayed. reason is loopback,
	// own, private, link, special, protocol, too-many or not-there.
	EventEgressRefused = "network.egress-refused"
)
