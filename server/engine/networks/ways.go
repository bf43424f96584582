//go:build linux

package networks

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/runtime/network/egress"
)

// Ways returns the Egress that is real: processes of executable, a sealed copy
// of layerlab-egress, that reach the world and what is listed.
func Ways(executable *os.File, listed []netip.Prefix) Egress {
	return ways{executable, egress.Policy{Listed: listed}}
}

type ways struct {
	executable *os.File
	policy     egress.Policy
}

func (w ways) Start(ctx context.Context, n network.Network) error {
	return egress.Start(ctx, w.executable, n, w.policy)
}

func (w ways) Watch(ctx context.Context, n network.Network, tell func(egress.Event)) error {
	return egress.Watch(ctx, n, tell)
}

func (w ways) Allowed(a netip.Addr) bool { return w.policy.Refuses(a, isOwn) == "" }

func isOwn(a netip.Addr) bool {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, l := range list {
		if p, err := netip.ParsePrefix(l.String()); err == nil && p.Addr().Unmap() == a {
			return true
		}
	}
	return false
}

// Servers reads /etc/resolv.conf.
func (w ways) Servers() []netip.AddrPort {
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return nil // the resolver says so where it is asked
	}
	return nameservers(string(text))
}

// nameservers reads resolv.conf(5).
func nameservers(text string) (list []netip.AddrPort) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(words[1]); err == nil {
			list = append(list, netip.AddrPortFrom(a, 53))
		}
	}
	return list
}
