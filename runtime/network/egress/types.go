//go:build linux

package egress

import (
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/layerlab/layerlab/runtime/network"
)

// Device is the name of the way out in the router's namespace.
const Device = "out0"

// Descriptors that Start hands to the process.
const (
	HandoverFD   = 3 // a socket: Config in, Answer out
	ExecutableFD = 4 // the memfd that it was run from
	TunFD        = 5 // out0; it goes when the last descriptor does
	ListenerFD   = 6 // of RUN/n/ID.out
	HelperFD     = 7 // pidfd of the network's helper
	LockFD       = 8 // held as long as the process lives
)

// Config is what the process is started for.
type Config struct {
	Network string `json:"network"` // id
	MTU     int    `json:"mtu"`     // of out0, bytes
	Policy  Policy `json:"policy"`
	Helper  int    `json:"helper"` // pid of the network's helper
}

// Answer is what the process says when it is ready; Failure is "" then.
type Answer struct {
	Failure string `json:"failure,omitempty"`
}

// State is the first line to whoever connects.
type State struct {
	Config Config `json:"config"`
	Pid    int    `json:"pid"`
	Open   int    `json:"open"` // connections and UDP peers
}

// Event says that something was not let through, each once in a while.
type Event struct {
	From   netip.Addr `json:"from"` // the container's
	To     netip.Addr `json:"to"`
	Port   uint16     `json:"port"`
	Proto  string     `json:"proto"`
	Reason string     `json:"reason"`
}

// files are what belongs to a network's way out in RUN.
func files(n network.Network) (socket, lock string) {
	base := strings.TrimSuffix(n.Pin, filepath.Ext(n.Pin))
	return base + ".out", base + ".out.lock"
}
