//go:build linux

package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// makeUpper makes the folders of a container's layer unless they are there.
// The upper's root is the root that the container sees, so it takes over owner,
// mode, times and extended attributes of the topmost layer's root, shifted into
// the container's ids.
func makeUpper(upper, work string, top *os.File, ids IDs, shifted bool) error {
	if err := os.Mkdir(work, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	// Made beside and renamed: a half-made upper would pass for a made one.
	part := filepath.Join(filepath.Dir(upper), ".upper.partial")
	if _, err := os.Lstat(upper); err == nil {
		return nil
	}
	if err := os.Mkdir(part, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	dir, err := os.OpenFile(part, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := copyMeta(dir, top, ids, shifted); err != nil {
		return fmt.Errorf("upper %s: %w", upper, err)
	}
	return os.Rename(part, upper)
}

// copyMeta gives the folder dst the metadata of src, a folder whose owner is
// the image's (or the container's already, where shifted).
func copyMeta(dst, src *os.File, ids IDs, shifted bool) error {
	// A clone of a mount is a path descriptor: open it for reading attributes.
	fd, err := unix.Openat(int(src.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open topmost layer", err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	uid, gid := st.Uid, st.Gid
	if !shifted {
		var ok bool
		if uid, gid, ok = ids.Host(st.Uid, st.Gid); !ok {
			return fmt.Errorf("owner %d:%d of the root is outside of the container's id range", st.Uid, st.Gid)
		}
	}
	if err := dst.Chown(int(uid), int(gid)); err != nil {
		return err
	}
	names, err := listXattrs(fd)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, overlayXattr()) || strings.HasPrefix(name, "security.") {
			continue
		}
		value, err := getXattr(fd, name)
		if err != nil {
			return err
		}
		if err := unix.Fsetxattr(int(dst.Fd()), name, value, 0); err != nil {
			return fmt.Errorf("%w %s", os.NewSyscallError("fsetxattr", err), name)
		}
	}
	if err := unix.Fchmod(int(dst.Fd()), st.Mode&0o7777); err != nil {
		return os.NewSyscallError("fchmod", err)
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, st.Mtim}
	if err := unix.UtimesNanoAt(int(dst.Fd()), "", times, unix.AT_EMPTY_PATH); err != nil {
		return os.NewSyscallError("utimensat", err)
	}
	return nil
}
