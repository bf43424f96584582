//go:build linux

package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Mounted is a mount of a container that does not run.
type Mounted struct {
	Tree   *os.File // detached (snapshot.Mapping.Bind); stays the caller's
	Target string   // in the container
}

// Assemble puts mounts into a root, a detached mount, as the container would
// have them, the outer ones first. They stay until release is called, and
// nobody else sees them: they lie in a mount namespace of one thread. Links in
// targets are resolved within the root; a target that is not there is left out,
// as it is made when the container starts.
func Assemble(root *os.File, mounts []Mounted) (release func(), err error) {
	done, over, ended := make(chan error), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		// Never unlocked: the runtime ends the thread, and the namespace with it.
		runtime.LockOSThread()
		err := assemble(root, mounts)
		done <- err
		if err == nil {
			<-over
		}
	}()
	if err := <-done; err != nil {
		<-ended
		return nil, fmt.Errorf("mounts of a container that does not run: %w", err)
	}
	return sync.OnceFunc(func() { close(over); <-ended }), nil
}

func assemble(root *os.File, mounts []Mounted) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare mounts", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("make mounts private", err)
	}
	// Before Linux 6.15 nothing can be mounted on what is detached itself. Any
	// folder that every host has will do, in this namespace.
	if err := unix.MoveMount(int(root.Fd()), "", unix.AT_FDCWD, "/proc", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return os.NewSyscallError("move_mount root", err)
	}
	for _, m := range mounts {
		at, err := openat2(int(root.Fd()), m.Target, unix.O_PATH, 0, inRoot)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			continue
		}
		if err != nil {
			return err
		}
		err = unix.MoveMount(int(m.Tree.Fd()), "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
		unix.Close(at)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Target, os.NewSyscallError("move_mount", err))
		}
	}
	return nil
}
