//go:build linux

// Package userspace is the process layerlab-egress: a TCP/IP stack (gVisor's)
// on the containers' side of the way out, and ordinary sockets of the host on
// the other.
//
//	out0 ─▶ Parse, Policy ─▶ stack ─▶ SYN: dial, then accept ─▶ two copies
//	   ◀─ prohibited             └─▶ datagram: a socket for each peer
//
// The stack takes every address for its own, so that each packet ends here; what
// the Policy refuses never reaches it. A connection is accepted from the
// container only when the far end has accepted it: one that is refused there is
// refused here.
//
// The process has no privilege: it becomes the user nobody, without a
// capability, before it reads the first packet.
package userspace
