// Package watch tells when something changes in a container's upper, and who
// changed it. What has changed it does not say: whoever wants to know reads the
// upper, which is the truth (snapshot.Changes).
//
//	inotify on each folder ─┐
//	                        ├─ gathered for 100 ms ─▶ one signal       (Upper)
//	a look at every second ─┘
//	fanotify on a file system of its own ─▶ path → the last process   (Writers)
//
// Inotify alone is not enough. On older kernels overlayfs opens the upper's
// files in a way that raises no events, so that a write to a file that is there
// already goes unnoticed; a write through a mapping never raises one; a folder
// may be filled before it is watched; queues overflow, watches run out. So
// the folders are also looked at again and again, by a fingerprint of names,
// sizes and change times. Inotify makes it quick, looking makes it right.
//
// Fanotify names the process behind a write, but only a mark on a whole file
// system sees what lies in subfolders: that of the data folder would report the
// whole disk, and there is no such thing on the overlay. So writers are known
// where an upper is a file system of its own.
package watch
