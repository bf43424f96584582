//go:build linux

// Package link makes the wires of container networks: a network namespace with
// a bridge in it, the router, and a pair of virtual interfaces for each
// container that is plugged in.
//
//	 router's namespace (pinned in RUN)           container's namespace
//	┌──────────────────────────────────┐         ┌───────────────┐
//	│ br0 172.17.0.1/16 ─┬─ v1a2b3c4d5e6f ◀──────▶ eth0 172.17.0.2 │
//	│                    └─ v…         │         └───────────────┘
//	└──────────────────────────────────┘
//
// Nothing is made in the host's namespace: no interface, no route, no rule. A
// namespace lives as long as a process, a descriptor or a mount of it; the mount
// (Pin) is what outlives every process.
//
// Sources: network_namespaces(7), veth(4), rtnetlink(7), setns(2).
package link
