package cli

import (
	"fmt"

	"github.com/spf13/pflag"
)

// networkFlags are the settings of `layerlab serve` about containers' networks.
type networkFlags struct {
	bridge, publish string
	allowHost       bool
	egress          string
	egressAllow     []string
}

// What --egress takes.
const (
	egressOff   = "off"
	egressAllow = "allow"
)

func addNetwork(flags *pflag.FlagSet, f *networkFlags) {
	flags.StringVar(&f.bridge, "bridge-address", "172.17.0.1/16", "address of the default network's bridge, with the network's length")
	flags.StringVar(&f.publish, "publish-address", "127.0.0.1", "address of this host on which containers publish their ports")
	flags.BoolVar(&f.allowHost, "allow-host-network", false, "allow containers to stand in this host's own network")
	flags.StringVar(&f.egress, "egress", egressOff, "allow: containers reach the world, but no private address and not this host; off: nothing outside of their networks")
	flags.StringSliceVar(&f.egressAllow, "egress-allow", nil, "addresses and networks that containers reach all the same, such as 10.1.2.0/24")
}

// check refuses what --egress does not know.
func (f *networkFlags) check() error {
	if f.egress != egressOff && f.egress != egressAllow {
		return usageError{fmt.Errorf("--egress %q: it is off or allow", f.egress)}
	}
	return nil
}
