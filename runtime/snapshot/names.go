//go:build linux

package snapshot

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// overlayByName builds the overlay with mount(2), for kernels that know no
// lowerdir+. All its options have to fit into one page, so the layers are
// attached under short names: 500 of them take 1.9 KB.
//
// The names exist in a mount namespace that belongs to one thread and ends with
// it; the overlay keeps private clones of the mounts.
func overlayByName(layers []*os.File, upper, work string) (*os.File, error) {
	type answer struct {
		f   *os.File
		err error
	}
	done := make(chan answer)
	go func() {
		// Never unlocked: the runtime ends a thread whose goroutine returns
		// locked, and with it the changed namespace.
		runtime.LockOSThread()
		f, err := overlayByNameHere(layers, upper, work)
		done <- answer{f, err}
	}()
	a := <-done
	return a.f, a.err
}

// scratch is any folder that every host has: the names are mounted over it, for
// this thread alone.
const scratch = "/proc"

func overlayByNameHere(layers []*os.File, upper, work string) (*os.File, error) {
	// Upper and work have to be on one mount, so what is attached is the
	// folder that holds both. It is cloned before scratch can hide its path.
	parent := -1
	if upper != "" {
		if filepath.Dir(upper) != filepath.Dir(work) {
			return nil, fmt.Errorf("upper %s and work %s lie in different folders", upper, work)
		}
		var err error
		parent, err = unix.OpenTree(unix.AT_FDCWD, filepath.Dir(upper), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return nil, &os.PathError{Op: "open_tree", Path: filepath.Dir(upper), Err: err}
		}
		defer unix.Close(parent)
	}
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return nil, os.NewSyscallError("unshare mounts", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, os.NewSyscallError("make mounts private", err)
	}
	if err := unix.Mount("tmpfs", scratch, "tmpfs", unix.MS_NODEV|unix.MS_NOSUID, "mode=0700"); err != nil {
		return nil, os.NewSyscallError("mount scratch", err)
	}
	if err := unix.Chdir(scratch); err != nil {
		return nil, os.NewSyscallError("chdir scratch", err)
	}
	names := make([]string, 0, len(layers))
	for i := len(layers) - 1; i >= 0; i-- { // lowerdir names the topmost first
		name := strconv.FormatInt(int64(i), 36)
		if err := attach(int(layers[i].Fd()), name); err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
		names = append(names, name)
	}
	options := "lowerdir=" + strings.Join(names, ":")
	flags := uintptr(unix.MS_NODEV)
	if upper == "" {
		flags |= unix.MS_RDONLY
	} else {
		if err := attach(parent, "C"); err != nil { // upper case: never a number of base 36
			return nil, err
		}
		options += ",upperdir=C/" + filepath.Base(upper) + ",workdir=C/" + filepath.Base(work)
	}
	for _, kv := range overlayOptions() {
		options += "," + kv[0]
		if kv[1] != "" {
			options += "=" + kv[1]
		}
	}
	if err := unix.Mkdir("R", 0o700); err != nil {
		return nil, &os.PathError{Op: "mkdir", Path: "R", Err: err}
	}
	if err := unix.Mount("overlay", "R", "overlay", flags, options); err != nil {
		return nil, fmt.Errorf("%w (%d layers, %d bytes of options)", os.NewSyscallError("mount overlay", err), len(layers), len(options))
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, "R", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, &os.PathError{Op: "open_tree", Path: "R", Err: err}
	}
	return os.NewFile(uintptr(fd), "rootfs"), nil
}

// attach makes a folder of this name in the current one and mounts fd there.
func attach(fd int, name string) error {
	if err := unix.Mkdir(name, 0o700); err != nil {
		return &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, name, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return os.NewSyscallError("move_mount "+name, err)
	}
	return nil
}
