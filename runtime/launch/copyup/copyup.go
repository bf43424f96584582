//go:build linux

// Package copyup fills a new file system with what a container's root holds at
// its place (the mount option tmpcopyup).
package copyup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Copy copies what a root holds at a path into a mount. Nothing there is
// nothing to copy. The root's names are the image's: each is opened by
// descriptor, in the root, and never through a link.
func Copy(root int, from string, mount int) error {
	rel := strings.TrimPrefix(path.Clean("/"+from), "/")
	if rel == "" {
		rel = "."
	}
	src, err := unix.Openat2(root, rel, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return nil
	}
	if err != nil {
		return fmt.Errorf("copy %s into its tmpfs: %w", from, err)
	}
	dir := os.NewFile(uintptr(src), from)
	defer dir.Close()
	// A detached mount is no place for relative paths: they begin at a
	// descriptor that is open for more than its path.
	dst, err := unix.Openat(mount, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("copy %s into its tmpfs: %w", from, err)
	}
	defer unix.Close(dst)
	if err := copyFolder(dir, dst); err != nil {
		return fmt.Errorf("copy %s into its tmpfs: %w", from, err)
	}
	return nil
}

// copyFolder copies a folder's children, and then what the folder itself is.
func copyFolder(src *os.File, dst int) error {
	names, err := src.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := copyChild(src, dst, n); err != nil {
			return err
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &st); err != nil {
		return err
	}
	return errors.Join(unix.Fchown(dst, int(st.Uid), int(st.Gid)), unix.Fchmod(dst, st.Mode&0o7777))
}

func copyChild(src *os.File, dst int, name string) error {
	fail := func(err error) error {
		if err == nil {
			return nil
		}
		return fmt.Errorf("%q: %w", name, err)
	}
	at := int(src.Fd())
	var st unix.Stat_t
	if err := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fail(err)
	}
	open := func(flags int) (*os.File, error) {
		fd, err := unix.Openat(at, name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return os.NewFile(uintptr(fd), name), err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if err := unix.Mkdirat(dst, name, 0o700); err != nil {
			return fail(err)
		}
		in, err := open(unix.O_RDONLY | unix.O_DIRECTORY)
		if err != nil {
			return fail(err)
		}
		defer in.Close()
		fd, err := unix.Openat(dst, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return fail(err)
		}
		defer unix.Close(fd)
		return fail(copyFolder(in, fd))
	case unix.S_IFREG:
		in, err := open(unix.O_RDONLY)
		if err != nil {
			return fail(err)
		}
		defer in.Close()
		fd, err := unix.Openat(dst, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return fail(err)
		}
		out := os.NewFile(uintptr(fd), name)
		_, err = io.Copy(out, in)
		err = errors.Join(err, unix.Fchown(fd, int(st.Uid), int(st.Gid)), unix.Fchmod(fd, st.Mode&0o7777))
		return fail(errors.Join(err, out.Close()))
	case unix.S_IFLNK:
		b := make([]byte, 4096)
		n, err := unix.Readlinkat(at, name, b)
		if err == nil {
			err = unix.Symlinkat(string(b[:n]), dst, name)
		}
		if err != nil {
			return fail(err)
		}
	default:
		if err := unix.Mknodat(dst, name, st.Mode&^0o7777|0o600, int(st.Rdev)); err != nil {
			return fail(err)
		}
		if err := unix.Fchmodat(dst, name, st.Mode&0o7777, 0); err != nil {
			return fail(err)
		}
	}
	return fail(unix.Fchownat(dst, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW))
}
