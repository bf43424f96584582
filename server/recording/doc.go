//go:build linux

// Package recording keeps what a terminal showed, and what happened in its
// container's layer meanwhile, in one file and on one clock.
//
//	shim ─ Stream.Next ─▶ "o" events ┐
//	page's resize ───────▶ "r" events ├─▶ session.cast ─▶ page, asciinema
//	container.changes ───▶ "m" events ┘
//
// The file is asciicast v2 (https://docs.asciinema.org/manual/asciicast/v2/), so
// that any of its players shows it: what happened in the layer stands in
// markers, which players offer as places to go to. Happening says how such a
// marker reads. What is typed is not kept: programs that hide a password do not
// write it, and so it is in no recording.
//
// The server records, not a page: it does not matter who looks, from how many
// places, and whether the connection lasts. A recording begins with the replay
// of what was written before, since what comes next may only make sense on top
// of it.
package recording
