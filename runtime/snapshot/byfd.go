//go:build linux

package snapshot

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// detach returns a detached mount of the folder; with a user namespace it is
// read-only, its owners mapped by that. The folder is open in a mount that is
// attached: before Linux 6.15 a detached one cannot be cloned once more.
func detach(layer, ns *os.File) (*os.File, error) {
	fd, err := unix.OpenTree(int(layer.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return nil, &os.PathError{Op: "open_tree", Path: layer.Name(), Err: err}
	}
	f := os.NewFile(uintptr(fd), layer.Name())
	if ns == nil {
		return f, nil
	}
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{
		Attr_set:  unix.MOUNT_ATTR_IDMAP | unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV,
		Userns_fd: uint64(ns.Fd()),
	})
	if err != nil {
		f.Close()
		return nil, &os.PathError{Op: "mount_setattr idmap", Path: layer.Name(), Err: err}
	}
	return f, nil
}

// mountTogether builds the overlay from one detached mount of the folder that
// holds all layers, idmapped once, instead of one for each. To close a detached
// mount the kernel waits until no processor can be walking it any more: with 500
// of them a start took 108 ms, with one 9.
//
// Nothing is taken for granted: a folder that is another one when it is looked
// up in that mount (a layer that is itself a mount point) is an error.
func mountTogether(layers []*os.File, ns *os.File, o MountOptions) (*os.File, error) {
	common := filepath.Dir(o.Layers[0].Dir)
	for _, l := range o.Layers[1:] {
		for !strings.HasPrefix(l.Dir, strings.TrimSuffix(common, "/")+"/") {
			common = filepath.Dir(common)
		}
	}
	fd, err := unix.Open(common, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: common, Err: err}
	}
	parent := os.NewFile(uintptr(fd), common)
	defer parent.Close()
	mount, err := detach(parent, ns)
	if err != nil {
		return nil, err
	}
	defer mount.Close()
	lowers := make([]*os.File, 0, len(layers))
	defer func() { closeAll(lowers) }()
	for i, l := range o.Layers {
		rel, err := filepath.Rel(common, l.Dir)
		if err != nil {
			return nil, err
		}
		fd, err := unix.Openat2(int(mount.Fd()), rel, &unix.OpenHow{
			Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
		})
		if err != nil {
			return nil, &os.PathError{Op: "openat2", Path: rel, Err: err}
		}
		lowers = append(lowers, os.NewFile(uintptr(fd), l.Dir))
		var want, got unix.Stat_t
		if err := unix.Fstat(int(layers[i].Fd()), &want); err != nil {
			return nil, os.NewSyscallError("fstat", err)
		}
		if err := unix.Fstat(fd, &got); err != nil {
			return nil, os.NewSyscallError("fstat", err)
		}
		if want.Dev != got.Dev || want.Ino != got.Ino {
			return nil, fmt.Errorf("layer %d: %s lies on another mount", i, l.Dir)
		}
	}
	return overlayByFD(lowers, o.Upper, o.Work)
}

// overlayByFD builds the overlay with fsconfig(2) alone: no path of a layer is
// named, so neither length nor visibility matters.
func overlayByFD(layers []*os.File, upper, work string) (*os.File, error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen overlay", err)
	}
	defer unix.Close(fs)
	for i := len(layers) - 1; i >= 0; i-- { // lowerdir+ takes the topmost first
		if err := unix.FsconfigSetFd(fs, "lowerdir+", int(layers[i].Fd())); err != nil {
			return nil, fmt.Errorf("layer %d: %w%s", i, os.NewSyscallError("fsconfig lowerdir+", err), told(fs))
		}
	}
	if upper != "" {
		for _, kv := range [][2]string{{"upperdir", upper}, {"workdir", work}} {
			dir, err := os.OpenFile(kv[1], unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
			if err != nil {
				return nil, err
			}
			err = unix.FsconfigSetFd(fs, kv[0], int(dir.Fd()))
			dir.Close()
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w%s", kv[0], kv[1], os.NewSyscallError("fsconfig", err), told(fs))
			}
		}
	}
	// What /proc/mounts shows in the first column, as after mount(8); "none" else.
	if err := unix.FsconfigSetString(fs, "source", "overlay"); err != nil {
		return nil, fmt.Errorf("%w%s", os.NewSyscallError("fsconfig source", err), told(fs))
	}
	for _, kv := range overlayOptions() {
		if err := unix.FsconfigSetString(fs, kv[0], kv[1]); err != nil {
			return nil, fmt.Errorf("%w%s", os.NewSyscallError("fsconfig "+kv[0], err), told(fs))
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("%w%s", os.NewSyscallError("fsconfig create overlay", err), told(fs))
	}
	attrs := unix.MOUNT_ATTR_NODEV
	if upper == "" {
		attrs |= unix.MOUNT_ATTR_RDONLY
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attrs)
	if err != nil {
		return nil, os.NewSyscallError("fsmount overlay", err)
	}
	return os.NewFile(uintptr(fd), "rootfs"), nil
}

// told reads what the kernel has to say about a refused option: a file system
// context is read like a log, one message at a time.
func told(fs int) string {
	var buf [512]byte
	n, err := unix.Read(fs, buf[:])
	if err != nil || n <= 0 {
		return ""
	}
	return " (" + strconv.Quote(string(buf[:n])) + ")"
}
