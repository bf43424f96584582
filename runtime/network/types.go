//go:build linux

package network

import (
	"net/netip"
	"os"
)

// Version of the protocol.
const Version = 1

// Network is what a helper is started for. Paths are absolute.
type Network struct {
	ID      string       `json:"id"`
	Name    string       `json:"name"`
	Address netip.Prefix `json:"address"` // of the bridge, with the network's length
	MTU     int          `json:"mtu"`     // bytes; 0: the kernel's default
	Socket  string       `json:"socket"`  // at most 107 bytes (unix(7))
	Pin     string       `json:"pin"`     // where the router's namespace is mounted
	// Servers are the host's resolvers, asked for names that are no
	// container's; empty: there is no way out, such names are refused.
	Servers []netip.AddrPort `json:"servers,omitempty"`
	Out     bool             `json:"out"` // there is a way out of this network
}

// Endpoint is one container's place in the network.
type Endpoint struct {
	ID        string       `json:"id"` // 64 hexadecimal digits
	Container string       `json:"container"`
	Interface string       `json:"interface"` // in the container: "eth0"
	Address   netip.Prefix `json:"address"`   // with the network's length
	MAC       string       `json:"mac"`
	Gateway   netip.Addr   `json:"gateway"` // the container's default route; zero: another endpoint has it
	Ports     []Port       `json:"ports,omitempty"`
	Resolve   *Resolve     `json:"resolve,omitempty"` // nil: another endpoint of the container has the resolver
}

// Port is a port of the container that is published on the host.
type Port struct {
	Proto string     `json:"proto"` // tcp or udp
	Port  uint16     `json:"port"`  // the container's
	Host  netip.Addr `json:"host"`  // address on the host
	// First and Last are which ports of the host will do: the first that is
	// free is taken. 0 is any port.
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
	Bound uint16 `json:"bound"` // which was taken; the helper's to say
}

// Resolve says how a container's resolver answers.
type Resolve struct {
	Zones   []string         `json:"zones"`             // ids of networks whose names it knows, the first first
	Servers []netip.AddrPort `json:"servers,omitempty"` // instead of the network's
}

// Names of containers by network id.
type Names map[string]Zone

// Zone is the names of one network's containers.
type Zone struct {
	Forward map[string][]netip.Addr `json:"forward"` // by name, in lower case
	Reverse map[netip.Addr]string   `json:"reverse"`
}

// State is what a helper tells of itself.
type State struct {
	Network   Network    `json:"network"`
	Pid       int        `json:"pid"`
	Endpoints []Endpoint `json:"endpoints"` // sorted by id
	Open      int        `json:"open"`      // TCP connections through published ports
}

// Target is the container that an endpoint is plugged into. Join does not close
// the files.
type Target struct {
	Process   *os.File // pidfd of its first process
	Namespace *os.File // its network namespace
}

// Kinds of events.
const (
	EventLeft    = "left"        // the container has ended; its endpoint is gone
	EventRefused = "dns-refused" // it asked for Name, and there is no way out
)

// Event is what a watch tells.
type Event struct {
	Kind      string `json:"kind"`
	Endpoint  string `json:"endpoint"`
	Container string `json:"container"`
	Name      string `json:"name,omitempty"`
}

// Codes of errors.
const (
	CodePortTaken = "port-taken" // args: address, port, proto, reason
	CodeGone      = "network-helper-gone"
	CodeVersion   = "network-helper-version"
)

// request is what a client asks.
type request struct {
	Version  int              `json:"version"`
	Op       string           `json:"op"` // state, join, leave, names, way, watch, end
	Endpoint *Endpoint        `json:"endpoint,omitempty"`
	ID       string           `json:"id,omitempty"`
	Ended    bool             `json:"ended,omitempty"`
	Names    Names            `json:"names,omitempty"`
	Out      bool             `json:"out,omitempty"`
	Servers  []netip.AddrPort `json:"servers,omitempty"`
}

// answer is what the helper answers.
type answer struct {
	Failure *failure `json:"failure,omitempty"`
	State   *State   `json:"state,omitempty"`
	Ports   []Port   `json:"ports,omitempty"`
}

type failure struct {
	Code    string            `json:"code"`
	Args    map[string]string `json:"args,omitempty"`
	Message string            `json:"message"`
}
