//go:build linux

package snapshot

import (
	"errors"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/userns"
)

// overlayXattr begins the names by which overlayfs keeps its own notes: in a
// user namespace, where trusted.* is nobody's, "user." with the mount option
// userxattr (overlayfs.rst, "User xattr"). A process that gives up /proc calls
// it before.
var overlayXattr = sync.OnceValue(func() string {
	if userns.Initial() {
		return "trusted.overlay."
	}
	return "user.overlay."
})

func opaqueXattr() string { return overlayXattr() + "opaque" }

// Prepare finds out what stays to be known of this host when /proc is out of
// reach.
func Prepare() { overlayXattr() }

// listXattrs returns the names of a file's extended attributes, sorted; none
// where the file system has no such thing.
func listXattrs(fd int) ([]string, error) {
	return xattrNames(func(buf []byte) (int, error) { return unix.Flistxattr(fd, buf) })
}

func getXattr(fd int, name string) ([]byte, error) {
	return grow(func(buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) }, "fgetxattr "+name)
}

// The two below take a path, which callers make of a folder's descriptor and
// one name ("/proc/self/fd/5/name"): symbolic links, devices and fifos cannot
// be opened for reading without following or waking something.
func listXattrsAt(path string) ([]string, error) {
	return xattrNames(func(buf []byte) (int, error) { return unix.Llistxattr(path, buf) })
}

func getXattrAt(path, name string) ([]byte, error) {
	return grow(func(buf []byte) (int, error) { return unix.Lgetxattr(path, name, buf) }, "lgetxattr "+name)
}

func xattrNames(list func([]byte) (int, error)) ([]string, error) {
	b, err := grow(list, "listxattr")
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
	if len(b) == 0 {
		return nil, nil
	}
	slices.Sort(names)
	return names, nil
}

// grow calls a function of the getxattr(2) kind until its answer fits; it may
// grow between the question for its size and the read.
func grow(read func([]byte) (int, error), call string) ([]byte, error) {
	buf := make([]byte, 256)
	for {
		n, err := read(buf)
		switch {
		case err == nil:
			return buf[:n], nil
		case errors.Is(err, unix.ERANGE) && len(buf) < 1<<20:
			buf = make([]byte, len(buf)*4)
		default:
			return nil, os.NewSyscallError(call, err)
		}
	}
}
