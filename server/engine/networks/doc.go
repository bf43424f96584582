//go:build linux

// Package networks is the service of container networks: which there are, which
// container has which address and names in them, and what is published.
//
//	Create ─▶ record in meta.db                      the network, nothing runs yet
//	Add    ─▶ record of a container's wishes
//	Prepare ─▶ addresses ─▶ hosts, resolv.conf        before the container exists
//	Attach ─▶ helper (its own process) ─▶ Join        created, not running yet
//	Detach ─▶ addresses free again
//
// meta.db is the truth about networks, wishes and addresses; the helper of a
// network (runtime/network) is the truth about what is plugged in now. It
// outlives the server, and is found again:
//
//	its socket answers             → connections go on; what has ended while
//	                                 nobody looked is unplugged
//	nobody answers, its pin lies   → a new helper takes over the namespace, with
//	                                 wires and addresses as they are
//	neither                        → nothing runs: it is made at the next start
//
// A helper that dies while the server runs is replaced at once: published ports
// answer again, connections through them are lost.
//
// What is decided without the kernel is in pure functions: pool.go (addresses),
// wishes.go (ports), texts.go (hosts, resolv.conf, names).
package networks
