//go:build linux

// Package container keeps containers that outlive the command that made them:
// their state on disk and their life cycle, as the command line of OCI runtimes
// has it.
//
//	Create ─▶ created ─ Start ─▶ running ─ exits ─▶ stopped ─ Delete ─▶ gone
//	                             │    ▲
//	                             Pause Resume
//
// No process of ours stays behind: the container's parent is whoever called, or
// its subreaper. A folder per container holds what later commands need:
//
//	ROOT/ID/state.json   pid and start time, bundle, config, cgroup
//	ROOT/ID/start        a FIFO; the created process waits for a byte on it. It
//	                     is removed when the container is started
//
// Sources: runtime-spec v1.3 runtime.md; the texts of errors are runc's where
// callers match on them.
package container
