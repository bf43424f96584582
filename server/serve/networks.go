//go:build linux

package serve

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/engine/networks"
)

// NetworkOptions are the settings of containers' networks.
type NetworkOptions struct {
	// Bridge is the address of the default network's bridge with its length;
	// "" is 172.17.0.1/16.
	Bridge string
	// Publish is where ports are published that name no address; "" is
	// 127.0.0.1.
	Publish string
	// AllowHost lets containers stand in the host's own network.
	AllowHost bool
}

// openNetworks opens the networks; what runs is found with the containers.
func (s *server) openNetworks(ctx context.Context, executable *os.File) error {
	o := networks.Options{
		Run: s.o.RunDir, Bucket: s.store.Bucket("networks"), Events: noted{s.bus, s.activity}, Helpers: networks.Processes(executable),
		AllowHost: s.o.Network.AllowHost, Now: time.Now, Log: s.log,
	}
	var err error
	if o.Bridge, err = bridgeAddress(s.o.Network.Bridge); err != nil {
		return err
	}
	if o.Publish, err = publishAddress(s.o.Network.Publish); err != nil {
		return err
	}
	if s.networks, err = networks.Open(ctx, o); err != nil {
		return err
	}
	s.onClose(s.networks.Close)
	return nil
}

func bridgeAddress(text string) (netip.Prefix, error) {
	if text == "" {
		text = "172.17.0.1/16"
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() || p.Bits() < 8 || p.Bits() > 30 || p.Masked().Addr() == p.Addr() {
		return p, badSetting("--bridge-address %q: give the bridge's IPv4 address with the network's length, such as 172.17.0.1/16", text)
	}
	return p, nil
}

func publishAddress(text string) (netip.Addr, error) {
	if text == "" {
		text = "127.0.0.1"
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return a, badSetting("--publish-address %q: give an address of this host", text)
	}
	return a.Unmap(), nil
}

func badSetting(format string, args ...any) error {
	return imagecore.NewError(imagecore.ErrInvalid, "bad-setting", fmt.Sprintf(format, args...))
}
