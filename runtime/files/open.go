//go:build linux

package files

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// top is a pinned folder that all paths end in: the container's root, or the
// folder that an archive is unpacked into.
type top struct {
	root int // descriptor
	own  int // of /proc/self/fd
}

const (
	// inRoot resolves as the container would: links lead within the root.
	inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS
	// oneStep takes a single name of an open folder for what it is.
	oneStep = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS
)

// openat2 opens; the kernel asks to try again when something was renamed while
// it walked, which a hostile container can cause as often as it likes.
func openat2(dir int, name string, flags, mode, resolve uint64) (int, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return -1, &os.PathError{Op: "openat2", Path: name, Err: unix.EINVAL}
	}
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Mode: mode, Resolve: resolve}
	for try := 0; ; try++ {
		fd, err := unix.Openat2(dir, name, &how)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) && try < 1000 {
			continue
		}
		if err != nil {
			return -1, &os.PathError{Op: "openat2", Path: name, Err: err}
		}
		return fd, nil
	}
}

// split cleans a path as docker does and says whether its last component is to
// be followed.
func split(asked string) (clean string, follow bool) {
	follow = strings.HasSuffix(asked, "/") || strings.HasSuffix(asked, "/.") || asked == "." || asked == ""
	return path.Clean("/" + asked), follow
}

// look opens what a path means, without reading it.
func (t *top) look(clean string, follow bool) (int, error) {
	flags := uint64(unix.O_PATH)
	if !follow {
		flags |= unix.O_NOFOLLOW
	} else if clean != "/" {
		flags |= unix.O_DIRECTORY // "name/" is a folder or nothing
	}
	fd, err := openat2(t.root, clean, flags, 0, inRoot)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		e := fault.New(fault.ErrNotFound, "path-not-found", "no such file or folder in the container: "+strconv.Quote(clean), "path", clean)
		e.Err = err
		return -1, e
	}
	return fd, err
}

// again opens what a descriptor of look is, for reading; it must be a file or a
// folder, so that nothing is woken by it.
func (t *top) again(fd int) (*os.File, error) {
	name := strconv.Itoa(fd)
	got, err := unix.Openat(t.own, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("openat", err)
	}
	return os.NewFile(uintptr(got), "content"), nil
}

// pathOf is where an open file is, "" if nowhere.
func (t *top) pathOf(fd int) string {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(t.own, strconv.Itoa(fd), buf)
	if err != nil || n == 0 || buf[0] != '/' {
		return ""
	}
	return string(buf[:n])
}

// linkText is the target that a link has, by its descriptor.
func linkText(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return "", os.NewSyscallError("readlinkat", err)
	}
	return string(buf[:n]), nil
}
