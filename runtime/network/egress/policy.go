//go:build linux

package egress

import (
	"net/netip"
	"slices"
)

// Reasons for which an address is not reached; they are codes, worded by who
// shows them.
const (
	ReasonLoopback = "loopback"  // the host itself
	ReasonOwn      = "own"       // an address of the host
	ReasonPrivate  = "private"   // RFC 1918, RFC 6598, RFC 4193
	ReasonLink     = "link"      // link-local: RFC 3927, cloud metadata among it
	ReasonSpecial  = "special"   // this network, multicast, reserved, for documentation
	ReasonProtocol = "protocol"  // neither TCP nor UDP
	ReasonMany     = "too-many"  // connections of the container
	ReasonFailed   = "not-there" // nobody answered
)

// Policy says which addresses may be reached.
type Policy struct {
	// Listed addresses are reached although they are not the world's.
	Listed []netip.Prefix `json:"listed,omitempty"`
}

// special are the IPv4 addresses that are not the world's, with the reason: the
// registry of RFC 6890 and its successors, where "globally reachable" is false.
func special() []struct {
	prefix netip.Prefix
	reason string
} {
	list := []struct {
		prefix netip.Prefix
		reason string
	}{
		{netip.MustParsePrefix("0.0.0.0/8"), ReasonSpecial},
		{netip.MustParsePrefix("10.0.0.0/8"), ReasonPrivate},
		{netip.MustParsePrefix("100.64.0.0/10"), ReasonPrivate},
		{netip.MustParsePrefix("127.0.0.0/8"), ReasonLoopback},
		{netip.MustParsePrefix("169.254.0.0/16"), ReasonLink},
		{netip.MustParsePrefix("172.16.0.0/12"), ReasonPrivate},
		{netip.MustParsePrefix("192.0.0.0/24"), ReasonSpecial},
		{netip.MustParsePrefix("192.0.2.0/24"), ReasonSpecial},
		{netip.MustParsePrefix("192.88.99.0/24"), ReasonSpecial},
		{netip.MustParsePrefix("192.168.0.0/16"), ReasonPrivate},
		{netip.MustParsePrefix("198.18.0.0/15"), ReasonSpecial},
		{netip.MustParsePrefix("198.51.100.0/24"), ReasonSpecial},
		{netip.MustParsePrefix("203.0.113.0/24"), ReasonSpecial},
		{netip.MustParsePrefix("224.0.0.0/3"), ReasonSpecial}, // multicast, reserved, broadcast
	}
	return list
}

// Refuses returns why an address must not be reached, "" where it may. own says
// whether it is one of the host's.
func (p Policy) Refuses(a netip.Addr, own func(netip.Addr) bool) string {
	a = a.Unmap()
	if slices.ContainsFunc(p.Listed, func(l netip.Prefix) bool { return l.Contains(a) }) {
		return ""
	}
	if !a.Is4() {
		switch {
		case a.IsLoopback():
			return ReasonLoopback
		case a.IsPrivate():
			return ReasonPrivate
		case a.IsLinkLocalUnicast():
			return ReasonLink
		case !a.IsGlobalUnicast():
			return ReasonSpecial
		}
	}
	for _, s := range special() {
		if s.prefix.Contains(a) {
			return s.reason
		}
	}
	if own != nil && own(a) {
		return ReasonOwn
	}
	return ""
}
