//go:build linux

// Package reach decides what of the host a container may get hold of: one
// function for the page and the docker command line alike.
//
//	what was asked + who asks + flags of the server → Policy → nil, or why not
//	path of a bind → Policy.Open → one descriptor, judged by itself
//
// A source is opened once. What is judged is the open file, not its name, and
// the same descriptor is mounted: nobody can put something else in its place
// between the two.
//
// Sources: openat2(2), symlink(7), CVE-2018-15664.
package reach

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Policy is what the server's flags allow. The zero value lets the socket bind
// any folder and the page none.
type Policy struct {
	// Never lists files and folders that no container gets, in no way: DATA,
	// RUN, the sockets.
	Never []string
	// Bind lists the folders beneath which the page may bind (--allow-bind).
	Bind []string
	// Devices lists the nodes that containers may have (--allow-device).
	Devices []string
	// Unconfined allows a container without seccomp filter or masked paths
	// (--allow-unconfined).
	Unconfined bool
}

// Judge refuses what the policy does not allow of a request, by name. Codes:
// not-allowed (args setting, flag).
func (p Policy) Judge(req *wire.CreateContainer, page bool) error {
	if s := req.Security; s != nil {
		if s.Seccomp == "unconfined" && !p.Unconfined {
			return refuse("security-opt seccomp=unconfined", "--allow-unconfined")
		}
		if s.Unmasked && !p.Unconfined {
			return refuse("security-opt systempaths=unconfined", "--allow-unconfined")
		}
		for _, d := range s.Devices {
			if !slices.Contains(p.Devices, path.Clean(d.Path)) {
				return refuse("device "+d.Path, "--allow-device "+d.Path)
			}
		}
	}
	for _, m := range req.Mounts {
		if m.Type == wire.MountBind && page && !p.beneath(m.Source) {
			return refuse("bind "+m.Source, "--allow-bind "+m.Source)
		}
	}
	return nil
}

func refuse(setting, flag string) error {
	return imagecore.NewError(imagecore.ErrUnsupported, "not-allowed",
		fmt.Sprintf("%s is not allowed: start the server with %s", setting, flag), "setting", setting, "flag", flag)
}

func (p Policy) beneath(source string) bool {
	_, _, ok := p.root(source)
	return ok
}

// root returns the allowed folder that a path lies in by its words, and the rest.
func (p Policy) root(source string) (dir, rest string, ok bool) {
	source = path.Clean(source)
	for _, dir := range p.Bind {
		dir = path.Clean(dir)
		if source == dir {
			return dir, ".", true
		}
		if rest, ok := strings.CutPrefix(source, strings.TrimSuffix(dir, "/")+"/"); ok {
			return dir, rest, true
		}
	}
	return "", "", false
}

// Open opens the source of a bind mount and judges what it has opened. make
// makes a folder where nothing is. The caller closes the file. Codes:
// bad-source, source-missing, source-kept (DATA and RUN), not-allowed.
func (p Policy) Open(source string, page, make bool) (*os.File, error) {
	if !path.IsAbs(source) || strings.ContainsRune(source, 0) {
		return nil, imagecore.NewError(imagecore.ErrInvalid, "bad-source", fmt.Sprintf("bind source %q: give an absolute path", source), "path", source)
	}
	f, err := p.open(source, page)
	if errors.Is(err, unix.ENOENT) && make && !page {
		if err := p.mayMake(source); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(source, 0o755); err != nil {
			return nil, err
		}
		f, err = p.open(source, page)
	}
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return nil, imagecore.NewError(imagecore.ErrInvalid, "source-missing", "bind source path does not exist: "+source, "path", source)
	case errors.Is(err, unix.EXDEV), errors.Is(err, unix.ELOOP):
		return nil, imagecore.NewError(imagecore.ErrInvalid, "bad-source", "bind source "+source+" leads out of the folder that is allowed, or through /proc", "path", source)
	case err != nil:
		return nil, err
	}
	if err := p.kept(f, source); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// open opens the path; the page's beneath an allowed folder, links included.
func (p Policy) open(source string, page bool) (*os.File, error) {
	at, name, how := unix.AT_FDCWD, source, unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS}
	if page {
		dir, rest, ok := p.root(source)
		if !ok {
			return nil, refuse("bind "+source, "--allow-bind "+source)
		}
		root, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		defer root.Close()
		at, name, how.Resolve = int(root.Fd()), rest, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS
	}
	for {
		fd, err := unix.Openat2(at, name, &how)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue // EAGAIN: something was renamed while the kernel walked
		}
		if err != nil {
			return nil, &os.PathError{Op: "openat2", Path: source, Err: err}
		}
		return os.NewFile(uintptr(fd), source), nil
	}
}

// mayMake refuses to make folders in what nobody gets.
func (p Policy) mayMake(source string) error {
	for dir := path.Dir(path.Clean(source)); ; dir = path.Dir(dir) {
		f, err := p.open(dir, false)
		if errors.Is(err, unix.ENOENT) && dir != "/" {
			continue
		}
		if err != nil {
			return err
		}
		defer f.Close()
		return p.inKept(f, source)
	}
}

// kept refuses what is, lies in, or holds what no container gets.
func (p Policy) kept(f *os.File, source string) error {
	if err := p.inKept(f, source); err != nil {
		return err
	}
	mine, err := identify(int(f.Fd()))
	if err != nil {
		return err
	}
	for _, name := range p.Never {
		above, err := ancestors(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if slices.Contains(above, mine) {
			return keptError(source, "holds")
		}
	}
	return nil
}

// inKept refuses what is or lies in what no container gets.
func (p Policy) inKept(f *os.File, source string) error {
	real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return err
	}
	above, err := ancestors(real)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, name := range p.Never {
		fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "open", Path: name, Err: err}
		}
		kept, err := identify(fd)
		unix.Close(fd)
		if err != nil {
			return err
		}
		if slices.Contains(above, kept) {
			return keptError(source, "lies in")
		}
	}
	return nil
}

func keptError(source, how string) error {
	return imagecore.NewError(imagecore.ErrUnsupported, "source-kept",
		fmt.Sprintf("bind source %s %s the server's own folders (data, sockets): no container gets them", source, how), "path", source)
}

// identity names a file whatever path or bind mount leads to it.
type identity struct{ dev, ino uint64 }

func identify(fd int) (identity, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return identity{}, os.NewSyscallError("fstat", err)
	}
	return identity{st.Dev, st.Ino}, nil
}

// ancestors identifies a path and all folders above it.
func ancestors(name string) (list []identity, err error) {
	if name, err = filepath.EvalSymlinks(name); err != nil {
		return nil, err
	}
	for dir := name; ; dir = path.Dir(dir) {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: dir, Err: err}
		}
		id, err := identify(fd)
		unix.Close(fd)
		if err != nil {
			return nil, err
		}
		list = append(list, id)
		if dir == "/" {
			return list, nil
		}
	}
}
