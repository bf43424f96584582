//go:build linux

package networks

import (
	"fmt"
	"net/netip"

	"github.com/layerlab/layerlab/imagecore"
)

// subnets are where networks without a subnet of their own lie, in this order:
// Docker's default pools.
func subnets(yield func(netip.Prefix) bool) {
	for i := 17; i < 32; i++ {
		if !yield(netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(i), 0, 0}), 16)) {
			return
		}
	}
	for i := 0; i < 256; i += 16 {
		if !yield(netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(i), 0}), 20)) {
			return
		}
	}
}

// pickSubnet returns the first of the pools that overlaps none of used.
func pickSubnet(used []netip.Prefix) (netip.Prefix, error) {
	for p := range subnets {
		if !overlapsAny(p, used) {
			return p, nil
		}
	}
	return netip.Prefix{}, imagecore.NewError(imagecore.ErrConflict, "no-subnet",
		"all predefined address pools have been fully subnetted: give the network a subnet, or remove one that is not used")
}

func overlapsAny(p netip.Prefix, used []netip.Prefix) bool {
	for _, u := range used {
		if p.Overlaps(u) {
			return true
		}
	}
	return false
}

// parseSubnet reads a subnet as Docker takes it: a network's address with its
// length, with room for a gateway and a container.
func parseSubnet(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, badNetwork("invalid subnet %s: %v", text, err)
	}
	switch {
	case !p.Addr().Is4():
		return p, badNetwork("invalid subnet %s: only IPv4 is served", text)
	case p.Masked() != p:
		return p, badNetwork("invalid subnet %s: it should be %s", text, p.Masked())
	case p.Bits() > 30 || p.Bits() < 8:
		return p, badNetwork("invalid subnet %s: between /8 and /30", text)
	}
	return p, nil
}

func badNetwork(format string, args ...any) error {
	return imagecore.NewError(imagecore.ErrInvalid, "bad-network", fmt.Sprintf(format, args...))
}

// usable says whether an address of the subnet may be somebody's: neither the
// network's own nor its broadcast address.
func usable(p netip.Prefix, a netip.Addr) bool {
	return p.Contains(a) && a != p.Masked().Addr() && a != last(p)
}

// last is the broadcast address.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(b)
}

// pickAddress returns the first free address of within, which lies in subnet.
func pickAddress(subnet, within netip.Prefix, taken func(netip.Addr) bool) (netip.Addr, error) {
	for a := within.Masked().Addr(); within.Contains(a); a = a.Next() {
		if usable(subnet, a) && !taken(a) {
			return a, nil
		}
	}
	return netip.Addr{}, imagecore.NewError(imagecore.ErrConflict, "no-address", "no available IPv4 addresses on this network's address pools: "+within.String())
}
