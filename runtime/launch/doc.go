//go:build linux

// Package launch starts a container's process: it executes a plan, call by
// call, and nothing else.
//
//	config.json → plan.For → assemble → host calls → clone ──┬─ parent calls (maps, limits)
//	                                                         └─ child calls … execve
//
// A Go program cannot fork and go on in Go: the child has one thread of many,
// and the runtime needs the others. So the child runs a list of system calls
// that was prepared before (type op): it neither allocates nor grows its stack
// nor takes a lock. That is also the fastest way there is from Go, because no
// second program has to start. Three hooks of the runtime that package syscall
// uses for the same purpose block signals around the fork.
//
// The list lies in memory that parent and child share, with a time and a result
// for each call, so the trace tells what was done and how long it took. A pipe
// that execve closes tells the parent that it happened.
//
//	parent                                child
//	  clone ──────────────────────────────▶ read(go)
//	  uid_map, gid_map, limits              ⋮
//	  write(go) ──────────────────────────▶ mounts, pivot_root, user, …
//	  read(report)  ◀────────────────────── write(report, "c")     created
//	  write(start) ───────────────────────▶ read(start)
//	  read(report) = 0  ◀────────────────── execve                 running
//
// Fork from a small process: the cost of clone grows with the heap (2.9 ms from
// a shim, 10 ms with a heap of 200 MB).
//
// The launcher should not be dumpable (PR_SET_DUMPABLE 0): until execve the
// child is a copy of it inside the container (CVE-2016-9962).
package launch
