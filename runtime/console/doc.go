// Package console is the host's end of one process's standard streams: a pty's
// master, or three pipes. It moves bytes and nothing else; what is done with
// them (log, replay, viewers) is package shim's.
//
//	process ─ pty or pipes ─ Host.Pump ─▶ sink(stream, bytes)
//	        ◀──────────────── Host.Write, Resize, CloseInput
//
// A slow sink holds the process back: nothing is buffered here beyond one read.
package console
