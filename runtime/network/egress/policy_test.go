//go:build linux

package egress_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/layerlab/layerlab/runtime/network/egress"
)

func TestOnlyTheWorldIsReachedUnlessListed(t *testing.T) {
	p := egress.Policy{Listed: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16"), netip.MustParsePrefix("127.0.0.9/32")}}
	own := func(a netip.Addr) bool { return a == netip.MustParseAddr("9.9.9.1") }
	for address, want := range map[string]string{
		"1.1.1.1": "", "9.9.9.9": "", "172.32.0.1": "", "172.15.255.255": "", "11.0.0.1": "", "192.169.0.1": "", "223.255.255.255": "",
		"0.0.0.0": egress.ReasonSpecial, "0.1.2.3": egress.ReasonSpecial,
		"10.0.0.1": egress.ReasonPrivate, "10.8.255.255": egress.ReasonPrivate, "10.9.1.2": "",
		"100.64.0.1": egress.ReasonPrivate, "100.128.0.1": "",
		"127.0.0.1": egress.ReasonLoopback, "127.255.255.255": egress.ReasonLoopback, "127.0.0.9": "",
		"169.254.169.254": egress.ReasonLink, "172.16.0.1": egress.ReasonPrivate, "172.31.255.255": egress.ReasonPrivate,
		"192.168.1.1": egress.ReasonPrivate, "198.18.0.1": egress.ReasonSpecial, "198.51.100.7": egress.ReasonSpecial,
		"192.0.2.1": egress.ReasonSpecial, "203.0.113.1": egress.ReasonSpecial,
		"224.0.0.1": egress.ReasonSpecial, "239.1.1.1": egress.ReasonSpecial, "240.0.0.1": egress.ReasonSpecial, "255.255.255.255": egress.ReasonSpecial,
		"9.9.9.1": egress.ReasonOwn,
		"::1":     egress.ReasonLoopback, "::ffff:127.0.0.1": egress.ReasonLoopback, "::ffff:10.0.0.1": egress.ReasonPrivate,
		"fd00::1": egress.ReasonPrivate, "fe80::1": egress.ReasonLink, "ff02::1": egress.ReasonSpecial, "2606:4700::1": "",
	} {
		if got := p.Refuses(netip.MustParseAddr(address), own); got != want {
			t.Errorf("%s: refused as %q, want %q", address, got, want)
		}
	}
}

// packet is an IPv4 packet with a payload that begins with what is given.
func packet(proto byte, fragment uint16, rest ...byte) []byte {
	b := make([]byte, 20, 40)
	b[0], b[8], b[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(b[6:], fragment)
	copy(b[12:], []byte{172, 17, 0, 2})
	copy(b[16:], []byte{10, 0, 0, 1})
	return append(b, rest...)
}

func TestPacketsAreReadForThePolicy(t *testing.T) {
	for name, c := range map[string]struct {
		b          []byte
		proto      string
		port       uint16
		answerable bool
	}{
		"tcp":            {packet(6, 0, 1, 2, 0, 80), "tcp", 80, true},
		"udp":            {packet(17, 0, 1, 2, 0, 53), "udp", 53, true},
		"later fragment": {packet(17, 100, 1, 2, 0, 53), "udp", 0, false},
		"cut short":      {packet(6, 0, 1, 2), "tcp", 0, true},
		"ping":           {packet(1, 0, 8, 0), "icmp", 0, true},
		"icmp error":     {packet(1, 0, 3, 1), "icmp", 0, false},
		"gre":            {packet(47, 0), "", 0, true},
	} {
		p, ok := egress.Parse(c.b)
		if !ok || p.Proto != c.proto || p.Port != c.port || p.Answerable != c.answerable ||
			p.From != netip.MustParseAddr("172.17.0.2") || p.To != netip.MustParseAddr("10.0.0.1") {
			t.Errorf("%s: %+v %v", name, p, ok)
		}
	}
}

func FuzzPacketsNeverPanicAndAnswersGoBack(f *testing.F) {
	f.Add(packet(6, 0, 1, 2, 0, 80))
	f.Add(packet(1, 0, 8, 0))
	f.Add([]byte{0x4f, 1, 2})
	f.Add(append([]byte{0x4f}, bytes.Repeat([]byte{7}, 70)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := egress.Parse(b)
		if !ok {
			return
		}
		back, ok := egress.Parse(egress.Prohibited(b))
		if !ok || back.From != p.To || back.To != p.From || back.Answerable {
			t.Errorf("%x answered as %+v", b, back)
		}
	})
}
