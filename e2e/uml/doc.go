// Package uml runs the runtime's tests on another kernel: User-Mode Linux, which
// is Linux 6.1 as an ordinary program. It needs neither a virtual machine nor
// rights, and it has what the host may lack: cgroup2 alone with all its
// controllers, a kernel before the newer mount calls, a disk with ext4.
//
//	go test -c of each package ─▶ a folder ─▶ linux.uml, the folder as its root
//	                                            └▶ init: mounts, runs the tests, powers off
//	results, test by test ◀─ its console ◀──────────┘
//
// The tests have a build tag of their own; "make test-uml" installs and runs.
package uml
