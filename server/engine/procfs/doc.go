// Package procfs reads what the kernel says about a live container: namespaces,
// id maps, mounts, capabilities, seccomp, cgroup values, processes as seen inside
// and outside, and what it uses of processor and network.
//
//	/proc/PID/{status,ns,uid_map,mountinfo,cgroup,net/dev} → wire.Facts, Traffic
//
// What cannot be read is left out: a process may end while it is looked at.
package procfs
