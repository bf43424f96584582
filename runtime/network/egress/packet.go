//go:build linux

package egress

import (
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers.
const (
	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17
)

// Packet is what Policy and events need of an IPv4 packet.
type Packet struct {
	From, To netip.Addr
	Proto    string // tcp, udp, icmp; "" for others
	Port     uint16 // To's; 0 where there is none, in a later fragment for one
	// Answerable says that RFC 1122 allows an ICMP error in answer: no error
	// itself, and the first fragment.
	Answerable bool
}

// Parse reads a packet; ok is false for what is no whole IPv4 header.
func Parse(b []byte) (p Packet, ok bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return p, false
	}
	head := int(b[0]&0xf) * 4
	if head < 20 || len(b) < head {
		return p, false
	}
	p.From, p.To = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	first := binary.BigEndian.Uint16(b[6:8])&0x1fff == 0
	rest := b[head:]
	p.Answerable = first
	switch b[9] {
	case protoTCP, protoUDP:
		p.Proto = map[byte]string{protoTCP: "tcp", protoUDP: "udp"}[b[9]]
		if first && len(rest) >= 4 {
			p.Port = binary.BigEndian.Uint16(rest[2:4])
		}
	case protoICMP:
		p.Proto = "icmp"
		// Only questions are answered: echo, timestamp.
		p.Answerable = first && len(rest) > 0 && (rest[0] == 8 || rest[0] == 13)
	}
	return p, true
}

// Prohibited is the ICMP answer to a packet that must not pass: destination
// unreachable, "communication administratively prohibited" (RFC 1812, 5.2.7.1).
// It comes from where the packet was to go, since the router would take one from
// itself for a forgery, and quotes the packet's header and 8 bytes (RFC 792).
func Prohibited(packet []byte) []byte {
	quote := packet[:min(len(packet), int(packet[0]&0xf)*4+8)]
	b := make([]byte, 28, 28+len(quote))
	b[0], b[8], b[9] = 0x45, 64, protoICMP
	copy(b[12:16], packet[16:20])
	copy(b[16:20], packet[12:16])
	b[20], b[21] = 3, 13
	b = append(b, quote...)
	binary.BigEndian.PutUint16(b[2:4], uint16(len(b)))
	binary.BigEndian.PutUint16(b[10:12], checksum(b[:20]))
	binary.BigEndian.PutUint16(b[22:24], checksum(b[20:]))
	return b
}

// checksum is the Internet's (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for len(b) >= 2 {
		sum += uint32(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
