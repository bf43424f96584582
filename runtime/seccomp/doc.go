//go:build linux

// Package seccomp compiles a filter of system calls, as config.json describes
// it, into the program that the kernel runs before every call.
//
//	Default(capabilities) → *specs.LinuxSeccomp → Compile → []Instruction → Bytes → seccomp(2)
//
// The program looks at the architecture, then finds the number of the call by
// binary search over ranges that are treated alike, then compares arguments:
// about nine instructions for any of 400 calls, where a list would take 400.
// It is written in Go instead of linking libseccomp, which would need cgo.
//
// Where config.json is silent it does what runc does with libseccomp, with one
// exception: the x32 interface is answered ENOSYS even if it is listed, for no
// distribution's kernel has it enabled and its numbers have been a way around
// filters.
//
// Sources: seccomp(2), Documentation/userspace-api/seccomp_filter.rst,
// runtime-spec config-linux.md "Seccomp".
package seccomp
