//go:build linux

// Package terminal shows the output of a container's process in a page, and
// takes what is typed there, over a WebSocket (RFC 6455).
//
//	shim ─ Stream.Next ─▶ binary frames ─▶ page        at most Window bytes ahead
//	shim ◀ Stream.Write ─ input queue ◀─── page        of the page's acks
//
// Binary frames are bytes of the terminal, both ways, in no particular
// portions: a character may be cut in two. Text frames are wire.Control. A
// connection begins with "ready", which says how many bytes of earlier output
// follow, and ends with "exit" or "error"; a connection that breaks without
// either can simply be made again.
//
// A page that takes its time holds the program back only shortly: the shim
// then lets the program run and drops this viewer, which gets a new "ready"
// with a new replay once it has caught up, and clears its screen for it.
//
// Who may connect has been decided before (package access).
package terminal
