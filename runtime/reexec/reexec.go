//go:build linux

// Package reexec runs this program again from a file that nobody can write.
//
// A container can make us execute ourselves inside it (a command that links to
// /proc/self/exe) and then open our file through /proc/PID/exe; where its root
// is the host's it could overwrite the program on disk (CVE-2019-5736).
//
//	our folder ─▶ overlay without an upper, detached ─▶ execve of the file in it
//	                      └ refused ─▶ copy in sealed memory ─▶ execve
//
// The overlay is read-only as a file system, not only as a mount: that of a bind
// mount is a flag which somebody in another mount namespace could clear. It shows
// the file that is on disk, with its pages in memory, so that a start costs a
// third of one from a copy.
package reexec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/sealed"
)

const self = "/proc/self/exe"

// Sealed returns nil if this program runs from a file that nobody can write, and
// else runs it again from such a one, with the same arguments: then it returns
// only errors. spare is any folder of the host that is there, beside ours: an
// overlay wants two.
func Sealed(spare string) error {
	sealed, err := isSealed()
	if err != nil || sealed {
		return err
	}
	f, err := shown(spare)
	if err != nil {
		// A kernel or a file system without overlay, a filter, folders within
		// each other: a copy can be had everywhere.
		if f, err = copied(); err != nil {
			return err
		}
	}
	defer f.Close()
	return os.NewSyscallError("execve", unix.Exec("/proc/self/fd/"+strconv.Itoa(int(f.Fd())), os.Args, os.Environ()))
}

// isSealed asks the kernel what we run from. Nothing that a caller hands over is
// believed.
func isSealed() (bool, error) {
	fd, err := unix.Open(self, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, &os.PathError{Op: "open", Path: self, Err: err}
	}
	defer unix.Close(fd)
	if seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0); err == nil {
		return seals&unix.F_SEAL_WRITE != 0, nil
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return false, os.NewSyscallError("fstatfs", err)
	}
	if fs.Type != unix.OVERLAYFS_SUPER_MAGIC {
		return false, nil
	}
	// The host's own root may be an overlay. Ours is no part of any tree, so
	// that the path which the kernel shows leads elsewhere or nowhere …
	path, err := os.Readlink(self)
	if err != nil {
		return false, err
	}
	var here, there unix.Stat_t
	if err := unix.Fstat(fd, &here); err != nil {
		return false, os.NewSyscallError("fstat", err)
	}
	if unix.Stat(path, &there) == nil && here.Dev == there.Dev && here.Ino == there.Ino {
		return false, nil
	}
	// … and it is read-only by itself: the kernel says so before it says that
	// the program is running (ETXTBSY).
	w, err := unix.Open(self, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(w)
	}
	return err == unix.EROFS, nil
}

// shown returns our file as a detached overlay shows it.
func shown(spare string) (*os.File, error) {
	path, err := os.Readlink(self)
	if err != nil {
		return nil, err
	}
	dir, err := folder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	var disk, running unix.Stat_t
	if err := errors.Join(unix.Fstatat(dir, filepath.Base(path), &disk, unix.AT_SYMLINK_NOFOLLOW), unix.Stat(self, &running)); err != nil {
		return nil, os.NewSyscallError("stat", err)
	}
	if disk.Dev != running.Dev || disk.Ino != running.Ino {
		return nil, fmt.Errorf("%s is not what runs", path)
	}
	second, err := folder(spare)
	if err != nil {
		return nil, err
	}
	defer unix.Close(second)
	mount, err := overlay(dir, second)
	if err != nil {
		return nil, err
	}
	defer unix.Close(mount)
	fd, err := unix.Openat(mount, filepath.Base(path), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "openat", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

func folder(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// overlay lays two folders over one another, with nothing to write to.
func overlay(upper, lower int) (mount int, err error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(fs)
	// Layers by descriptor came with Linux 6.13; so named they need no escapes.
	for _, o := range [][2]string{
		{"lowerdir", fmt.Sprintf("/proc/self/fd/%d:/proc/self/fd/%d", upper, lower)},
		{"index", "off"}, // or the kernel's log tells of each file system that cannot
		{"xino", "off"},
	} {
		if err := unix.FsconfigSetString(fs, o[0], o[1]); err != nil {
			return -1, os.NewSyscallError("fsconfig "+o[0], err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, os.NewSyscallError("fsconfig create", err)
	}
	mount, err = unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	return mount, os.NewSyscallError("fsmount", err)
}

// copied returns a copy of our file in sealed memory.
func copied() (*os.File, error) {
	f, err := os.Open(self)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return sealed.Copy(filepath.Base(os.Args[0]), f)
}
