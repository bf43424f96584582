// Package shim keeps one container company: a small process of its own that
// creates the container, holds its terminal, writes its log and exit record,
// and outlives the server that started it.
//
//	server ─ Start ─▶ layerlab-runtime shim ─ snapshot.Mount ─ launch.Create ─▶ container
//	server ─ Dial ──▶ Unix socket ─ attach, resize, signal, exec, wait ─▶ the same
//
// It is not a supervisor: it restarts nothing, knows no image and no other
// container. The process that has its own session, is a subreaper and not
// dumpable (CVE-2019-5736); its executable is a sealed memfd.
//
// # Protocol, version 1
//
// One connection is one operation, so that cancelling is closing. Both ends
// speak in frames:
//
//	0      1        2     4            8
//	┌──────┬────────┬─────┬────────────┬─────────────────┐
//	│ type │ stream │ 0 0 │ length, BE │ payload         │
//	└──────┴────────┴─────┴────────────┴─────────────────┘
//
//	client                           shim
//	hello   {"version":1}       ─▶
//	                            ◀─   hello {"version":1}
//	request {"op":"state", …}   ─▶
//	                            ◀─   answer {…}  or  failure {kind, code, args, message}
//	attach goes on:
//	data (input)                ─▶
//	end  (of the input)         ─▶
//	                            ◀─   data, stream 1 or 2: first the replay, then live
//	                            ◀─   exit {…}: the process has ended, nothing follows
//	                            ◀─   slow: this viewer was too slow and is dropped
//
// # Life
//
// The socket listens before the container exists. When the container ends, what
// is left in its cgroup is killed, its output drained, exit.json written (write,
// fsync, rename, fsync of the folder) and only then told to those who wait. The
// shim then stays, with the replay of the terminal, until a client acknowledges
// the exit. Recovery of a server: the socket answers → go on; no socket but
// exit.json → finished; neither → kill the cgroup, record 137.
//
// # Slow viewers
//
// Each viewer has a queue of 1 MiB, of a terminal 64 KiB. While one is full the
// program is held back, which is what a terminal does; after two seconds without
// room that viewer is dropped and may attach again. The log gets everything,
// whoever looks on.
package shim
