//go:build linux

// Package engine is the containers service: it makes containers of the store's
// images, has them run by shims, and knows their state.
//
//	Create → record in meta.db, folder containers/ID → Start → shim (its own
//	process) → monitor → Exited → record, event
//
// meta.db is the truth about which containers there are and what became of
// them. The shim is the truth about what runs now; it outlives the server, and
// Open finds it again:
//
//	its socket answers            → attach, the container runs on
//	no socket, but exit.json      → it ended while nobody looked: record that
//	neither                       → it was killed with its shim: kill what is
//	                                left in its cgroup, record 137
//	the socket answers strangely  → leave it alone, say so in the log
//
// What a container's config.json says is decided by package bundle, which ids
// it gets by idrange. The engine speaks no HTTP: labapi, terminal and others
// declare what they need of a Service.
//
// A folder containers/ID holds
//
//	config.json             what the shim executes
//	hosts hostname resolv.conf   bound over those of the image
//	init/                   lowermost paths that mounts need and the image lacks
//	upper/ work/            the container's layer; with a size in rw.img, mounted on rw/
//	log exit.json           written by the shim
package engine
