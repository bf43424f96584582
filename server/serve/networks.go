//go:build linux

package serve

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/network/egress"
	"github.com/layerlab/layerlab/runtime/sealed"
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
	// Egress is the program layerlab-egress; nil: no network has a way out.
	Egress []byte
	// EgressAllow are networks and addresses that containers reach although
	// they are private or the host's own.
	EgressAllow []string
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
	if o.Egress, err = s.openEgress(); err != nil {
		return err
	}
	if s.networks, err = networks.Open(ctx, o); err != nil {
		return err
	}
	s.onClose(s.networks.Close)
	return nil
}

// openEgress makes the way out of networks, nil where there is none. Codes beside
// bad-setting: those of egress.Ready.
func (s *server) openEgress() (networks.Egress, error) {
	var listed []netip.Prefix
	for _, text := range s.o.Network.EgressAllow {
		p, err := netip.ParsePrefix(text)
		if a, aerr := netip.ParseAddr(text); aerr == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil || !p.Addr().Is4() {
			return nil, badSetting("--egress-allow %q: give an IPv4 address, or a network such as 10.0.0.0/8", text)
		}
		listed = append(listed, p.Masked())
	}
	if s.o.Network.Egress == nil {
		if len(listed) > 0 {
			return nil, badSetting("--egress-allow without --egress allow")
		}
		return nil, nil
	}
	if err := egress.Ready(); err != nil {
		return nil, err
	}
	program, err := sealed.Copy("layerlab-egress", bytes.NewReader(s.o.Network.Egress))
	if err != nil {
		return nil, fmt.Errorf("seal the way out: %w", err)
	}
	s.onClose(program.Close)
	return networks.Ways(program, listed), nil
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
