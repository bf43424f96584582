// Package snapshot is the file system side of a container: it unpacks a layer
// into the form that overlayfs stacks, mounts stack and upper as one root, and
// reads back what the container wrote.
//
//	tree.Changeset → Unpack → layers/<chainID>/ ─┐
//	                                             ├─ Mount → fd of a detached overlay → launch
//	                          upper/, work/ ─────┘
//	upper/ + lower *tree.Tree → Changes (the page)  → Upper (commit) → pack
//
// It is not a store: it knows no image, no name and no lease, only folders.
// Everything on disk is reached by descriptors below the folder that the caller
// names; no symbolic link that a layer or a container made is ever followed.
//
// Layers lie on disk as the image has them, owned by the image's ids. A
// container with its own range of ids sees them through idmapped mounts; its
// upper is not idmapped and holds the container's own ids, because an upper
// that is idmapped silently becomes read-only when mounted by root.
//
// Sources: Documentation/filesystems/overlayfs.rst, mount_setattr(2),
// openat2(2), image-spec v1.1 layer.md.
package snapshot
