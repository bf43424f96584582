//go:build linux

package snapshot

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/userns"
)

// Mapping makes mounts of folders of the host for one container: what root owns
// on disk the container's root owns, and what it writes is root's on disk, 1
// is 1 and so on. Close it when all are made; the mounts keep what they need.
type Mapping struct {
	ids IDs
	ns  *os.File // nil until needed
}

// OpenMapping returns the mapping of a container's ids.
func OpenMapping(ids IDs) *Mapping { return &Mapping{ids: ids} }

// Close lets go of the user namespace that holds the mapping.
func (m *Mapping) Close() error {
	if m.ns == nil {
		return nil
	}
	return m.ns.Close()
}

// Bind returns a detached mount of an open file or folder, with what is mounted
// beneath it if recursive. Plain leaves the owners as they are on disk. Devices
// do not work through it. name is for errors, whose codes are
// bind-not-idmappable (args path, filesystem) and bind-failed.
func (m *Mapping) Bind(source *os.File, name string, recursive, plain bool) (*os.File, error) {
	flags, at := uint(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH), uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
		at |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(int(source.Fd()), "", flags)
	if err != nil {
		return nil, bindFailed(name, os.NewSyscallError("open_tree", err))
	}
	f := os.NewFile(uintptr(fd), name)
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NODEV}
	if !plain && !m.ids.identity() {
		if m.ns == nil {
			if m.ns, err = userns.Open(m.ids.UIDs, m.ids.GIDs); err != nil {
				f.Close()
				return nil, bindFailed(name, err)
			}
		}
		attr.Attr_set |= unix.MOUNT_ATTR_IDMAP
		attr.Userns_fd = uint64(m.ns.Fd())
	}
	err = unix.MountSetattr(fd, "", at, &attr)
	if err == nil {
		return f, nil
	}
	f.Close()
	// EINVAL: the file system has no idmapped mounts; EPERM: the mount is
	// idmapped already, or the file system belongs to another user namespace
	// (mount_setattr(2)).
	if attr.Attr_set&unix.MOUNT_ATTR_IDMAP != 0 && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM)) {
		kind := filesystem(int(source.Fd()))
		what := "its file system (" + kind + ")"
		if recursive {
			what += ", or one mounted beneath it,"
		}
		e := imagecore.NewError(imagecore.ErrUnsupported, "bind-not-idmappable",
			fmt.Sprintf("bind %s: %s cannot show the host's owners as the container's (no idmapped mounts): choose a folder of ext4, xfs, btrfs or tmpfs, or a named volume", name, what),
			"path", name, "filesystem", kind)
		e.Err = os.NewSyscallError("mount_setattr", err)
		return nil, e
	}
	return nil, bindFailed(name, os.NewSyscallError("mount_setattr", err))
}

func bindFailed(name string, err error) error {
	e := imagecore.NewError(imagecore.ErrHost, "bind-failed", "bind "+name, "path", name)
	e.Err = err
	return e
}

// filesystem names the kind of file system that a descriptor lies on, by its
// magic (statfs(2)) where nothing better is known.
func filesystem(fd int) string {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return "unknown"
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.FUSE_SUPER_MAGIC:
		return "fuse"
	case unix.PROC_SUPER_MAGIC:
		return "proc"
	case unix.SYSFS_MAGIC:
		return "sysfs"
	case unix.V9FS_MAGIC:
		return "9p"
	}
	return fmt.Sprintf("%#x", uint32(st.Type))
}
