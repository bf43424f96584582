// Package foreign runs containers by another OCI runtime's command line: runc,
// crun, youki, runsc, or whatever speaks as they do.
//
//	shim ─ root, binds, cgroup, config.json ─▶ stage: a mount namespace of its own ─ execve ─▶ RUNTIME create
//	     ◀─ pid file, console socket, log ─────────────────────────────────────────────────┘
//	shim ─ start, exec, kill, delete ─▶ RUNTIME;  the container is a child of the shim
//
// All else stays the engine's: the detached root file system and bind mounts,
// the cgroup, streams, log and exit record. The runtime is given them as paths,
// in a mount namespace that ends with its command, so that nothing is left on
// the host whoever is killed; and as paths that the container's root may walk,
// which it may not through a private data folder.
//
// The shim is a subreaper (prctl(2)): what a runtime's command leaves behind
// when it ends (runtime-spec, "create", and exec --detach) is its child, whose
// status it takes. A runtime that has the container's processes within a process
// of its own tells the status by its command `wait`.
//
// What the runtime does within is its own: there is neither plan nor trace.
//
// Sources: runtime-spec v1.3 runtime.md; the manual pages runc(8), crun(1);
// gvisor.dev/docs/user_guide; github.com/youki-dev/youki docs.
package foreign
