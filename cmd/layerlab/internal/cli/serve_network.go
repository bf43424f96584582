package cli

import "github.com/spf13/pflag"

// networkFlags are the settings of `layerlab serve` about containers' networks.
type networkFlags struct {
	bridge, publish string
	allowHost       bool
}

func addNetwork(flags *pflag.FlagSet, f *networkFlags) {
	flags.StringVar(&f.bridge, "bridge-address", "172.17.0.1/16", "address of the default network's bridge, with the network's length")
	flags.StringVar(&f.publish, "publish-address", "127.0.0.1", "address of this host on which containers publish their ports")
	flags.BoolVar(&f.allowHost, "allow-host-network", false, "allow containers to stand in this host's own network")
}
