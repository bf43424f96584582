// Package watch tells when something changes in a container's upper. What has
// changed it does not say: whoever wants to know reads the upper, which is the
// truth (snapshot.Changes).
//
//	inotify on each folder ─┐
//	                        ├─ gathered for 100 ms ─▶ one signal
//	a look at every second ─┘
//
// Inotify alone is not enough. On older kernels overlayfs opens the upper's
// files in a way that raises no events, so that a write to a file that is there
// already goes unnoticed; a write through a mapping never raises one; a folder
// may be filled before it is watched; queues overflow, watches run out. So
// the folders are also looked at again and again, by a fingerprint of names,
// sizes and change times. Inotify makes it quick, looking makes it right.
//
// fanotify would name every write, but a mark on the file system of the data
// folder reports the whole disk, and there is no such thing on the overlay.
package watch
