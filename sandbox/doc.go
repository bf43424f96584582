// Package sandbox reads an untrusted archive where reading it can do no harm:
// imagecore, compiled to WebAssembly, runs under wazero in a child process that
// lives for this one job.
//
//	Survey → child process (Child): module → compile, cached → lock down → guest → frames → Survey → Sink
//
// Run does the same for a whole command (package command): only what it prints
// comes out of the child.
//
// Three walls stand between the archive's bytes and the host. The guest's
// memory and imports: it can read the archive, hand results out, and nothing
// else. The child's limits: no file, no socket and no program can be opened or
// started once the guest runs (seccomp), memory and processor time are bounded
// (setrlimit(2)), and the descriptors it has are the archive, to read, one pipe
// each way and, for commands, a nameless file to unpack layers into. The parent's clock: who overstays is asked to stop at the
// guest's next tick, then killed. Machine code made of WebAssembly cannot be
// preempted within a process, and would stop the garbage collector of the
// whole server with it; hence a process.
//
// The report and the indexes are the bytes that imagecore/survey gives natively.
//
// It needs Linux.
package sandbox
