//go:build linux

package files

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// mkdir makes the folder that a path means.
func (t *top) mkdir(asked string, mode uint32, owner Owner) error {
	clean, _ := split(asked)
	fd, err := t.mkdirAll(clean[1:], mode, owner)
	if err != nil {
		return worded(err)
	}
	unix.Close(fd)
	return nil
}

// mkdirAll opens a folder beneath the top and makes what is missing of it. The
// part that is there may have links in it. What is made is made by its name in
// a folder that is open, and then opened by that name without following
// anything: whoever puts a link in its place meanwhile (CVE-2024-45310) makes
// this fail, not go elsewhere.
func (t *top) mkdirAll(name string, mode uint32, owner Owner) (int, error) {
	fd, err := openat2(t.root, dot(name), unix.O_PATH|unix.O_DIRECTORY, 0, inRoot)
	if err == nil || !errors.Is(err, unix.ENOENT) {
		return fd, folderError(name, err)
	}
	above, base := path.Split(strings.TrimSuffix(name, "/"))
	dir, err := t.mkdirAll(path.Clean(above), mode, owner)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	err = unix.Mkdirat(dir, base, mode)
	if err != nil && !errors.Is(err, unix.EEXIST) { // somebody else was faster
		return -1, os.NewSyscallError("mkdirat", err)
	}
	made := err == nil
	if fd, err = openat2(dir, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0, oneStep); err != nil {
		return -1, folderError(name, err)
	}
	if made {
		if err := unix.Fchown(fd, int(owner.UID), int(owner.GID)); err != nil {
			unix.Close(fd)
			return -1, ownerError(owner, "fchown", err)
		}
	}
	return fd, nil
}

func folderError(name string, err error) error {
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		e := fault.New(fault.ErrInvalid, "not-a-folder", fmt.Sprintf("%q is no folder", name), "path", name)
		e.Err = err
		return e
	}
	return err
}

// dot is the name, or "." for none.
func dot(name string) string {
	if name = strings.Trim(name, "/"); name == "" {
		return "."
	}
	return name
}

// removeAll removes a name of an open folder with all that is in it. Links are
// removed, not followed; a container that keeps making files there wins, and
// the removal fails.
func removeAll(dir int, name string, depth int) error {
	err := unix.Unlinkat(dir, name, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
		return &os.PathError{Op: "unlinkat", Path: name, Err: err}
	}
	if depth > maxDepth {
		return fault.New(fault.ErrTooLarge, "path-too-deep", fmt.Sprintf("folders are nested deeper than %d", maxDepth), "path", name)
	}
	fd, err := openat2(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0, oneStep)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	names, err := f.Readdirnames(-1)
	for _, child := range names {
		if err == nil {
			err = removeAll(fd, child, depth+1)
		}
	}
	f.Close()
	if err != nil {
		return err
	}
	if err := unix.Unlinkat(dir, name, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "unlinkat", Path: name, Err: err}
	}
	return nil
}
