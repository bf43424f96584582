//go:build linux

package snapshot

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// beneath reaches files below one folder by descriptors alone: no symbolic
// link is followed, no mount crossed, nothing above reached (openat2(2)).
type beneath struct {
	root int
	// The parent opened last: lists come in depth-first order, so the next
	// path mostly has the same one.
	path string
	fd   int // -1: none
}

const resolveBeneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

func newBeneath(root int) *beneath { return &beneath{root: root, fd: -1} }

// open opens a path below the root; flags get O_CLOEXEC and O_NOFOLLOW.
func (b *beneath) open(path string, flags, mode uint64) (int, error) {
	if path == "" {
		path = "."
	}
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC | unix.O_NOFOLLOW, Mode: mode, Resolve: resolveBeneath}
	for {
		fd, err := unix.Openat2(b.root, path, &how)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue // EAGAIN: something was renamed while the kernel walked
		}
		if err != nil {
			return -1, &os.PathError{Op: "openat2", Path: path, Err: err}
		}
		return fd, nil
	}
}

// parent returns the descriptor of the folder that holds path, and path's last
// component. The descriptor stays b's.
func (b *beneath) parent(path string) (int, string, error) {
	dir, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = path[:i], path[i+1:]
	}
	if name == "" || name == "." || name == ".." || strings.IndexByte(name, 0) >= 0 {
		return -1, "", fmt.Errorf("%q is no name of a file", path)
	}
	if b.fd < 0 || b.path != dir {
		fd, err := b.open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return -1, "", err
		}
		b.close()
		b.fd, b.path = fd, dir
	}
	return b.fd, name, nil
}

// close forgets the parent; the root stays open.
func (b *beneath) close() {
	if b.fd >= 0 {
		unix.Close(b.fd)
		b.fd = -1
	}
}

// byName is a path by which calls that take none but a path (lsetxattr) reach a
// name in an open folder. The name itself is not followed by the l-calls.
func byName(dir int, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir, name)
}

// Remove deletes a folder with all that is in it: an upper, a work folder, a
// layer. Symbolic links are removed and never followed. It is no error if the
// folder is not there.
func Remove(dir string) error {
	// os.RemoveAll goes down by descriptors with O_NOFOLLOW on Linux; here the
	// caller is root, so folders without permissions don't stop it.
	return os.RemoveAll(dir)
}
