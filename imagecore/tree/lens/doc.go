// Package lens unpacks layers in memory as three engines do on disk, system
// call by system call, so that their trees and their refusals can be shown
// without them.
//
//	[]imagecore.Entry → Unpacker.Layer → Folder → package tree stacks it
//
// Docker's overlay2 driver and containerd's overlayfs snapshotter unpack each
// layer alone, into a folder of its own, and let the kernel stack the folders;
// umoci unpacks one layer over the other in one folder. Almost every difference
// between their trees follows from that, and from the order in which they do
// things: neither has a rule for a name that passes through a symbolic link, a
// whiteout beside its own name, a folder that was replaced by a file before its
// times were set. What comes of it is what the kernel answers. So this package
// has no such rules either: it has the kernel's answers (fs), and what each
// engine asks of it.
//
// The engines' behaviour is that of Docker 20.10.24 (pkg/archive, overlay2,
// tar-split), containerd 1.6.20 (archive, diff/apply) and umoci 0.4.7
// (oci/layer), run as root on a file system with extended attributes. "make
// test-engines" holds it against the programs themselves.
package lens
