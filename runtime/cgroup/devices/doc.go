//go:build linux

// Package devices limits which device nodes the processes of a cgroup may use,
// on hosts with cgroup2: there the controller of cgroup v1 is replaced by a
// program that the kernel runs before every open and mknod of a device.
//
//	[]Rule → Program → []Instruction → Limit → bpf(2) load, attach to the cgroup
//
// The program is made of the rules by hand instead of by a library: it has seven
// instructions a rule, and whatever this package imports is loaded at the start
// of every container.
//
// Sources: bpf(2), Documentation/admin-guide/cgroup-v2.rst "Device controller",
// include/uapi/linux/bpf.h struct bpf_cgroup_dev_ctx.
package devices
