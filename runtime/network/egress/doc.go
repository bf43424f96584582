//go:build linux

// Package egress is the way out of one container network: a process of its own
// that answers for the world to the containers, in user space, and opens each
// connection anew from the host.
//
//	container ─▶ br0 ─▶ out0 (TUN) ─▶ layerlab-egress ─ Policy ─▶ TCP, UDP from the host
//	  router's namespace                 user nobody, no capability
//
// Nothing of the host is changed: no forwarding, no address translation, no rule
// of a firewall. What comes from a container never is a packet of the host; it
// becomes one connection or datagram to an address that the Policy lets pass.
// The host's loopback and own addresses, private, link-local and all other
// addresses that are not the world's are refused unless they are listed, with
// an ICMP answer that says so, so that programs fail at once.
//
// Only IPv4, TCP and UDP pass; an echo request (ping) is answered by the ICMP
// message "prohibited", since only a raw socket could pass it on.
//
// Package userspace is the process; this one, which starts it and speaks with
// it, knows nothing of its network stack.
//
// # Life
//
// It ends with the network's helper, whose pidfd it holds, and takes out0 along.
// It outlives the server: connections through it go on. RUN/n/ID.out.lock is
// locked as long as it lives, and it listens on RUN/n/ID.out: each connection
// gets one line, the State, and then one for each Event, those of the last ten
// seconds too. A byte sent back ends the process.
package egress
