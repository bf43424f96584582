//go:build linux

package link

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Own opens the network namespace of this process. The caller closes it. It is
// that of the calling thread: /proc/self is the main thread's, which may just be
// standing elsewhere for In.
func Own() (*os.File, error) { return os.Open("/proc/thread-self/ns/net") }

// Of opens the network namespace of a process. The caller closes it, and makes
// sure that pid is still the process that it means: the number may have passed
// on before the file was opened.
func Of(pid int) (*os.File, error) { return os.Open(fmt.Sprintf("/proc/%d/ns/net", pid)) }

// In runs f on a thread that stands in the namespace ns; sockets that f opens,
// and processes that it starts, belong there for good.
func In(ns *os.File, f func() error) error {
	return aside(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("setns", err)
		}
		return f()
	})
}

// aside runs f on a thread that may change its network namespace, and takes the
// thread back thereafter. One that cannot be brought back is left to end with
// its goroutine; all others live on, since a child with a PDEATHSIG dies with
// the thread that started it (prctl(2)).
func aside(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := Own()
		if err != nil {
			runtime.UnlockOSThread()
			done <- err
			return
		}
		defer home.Close()
		err = f()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// Pin makes a network namespace and mounts it on path, so that it lives until
// Unpin; where one is pinned there already, that is opened. made tells which.
// The caller closes the file.
func Pin(path string) (ns *os.File, made bool, err error) {
	if ns, err := Pinned(path); err == nil {
		return ns, false, nil
	}
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("pin network namespace: %w", err)
	}
	f.Close()
	err = aside(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare CLONE_NEWNET", err)
		}
		return os.NewSyscallError("mount", unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""))
	})
	if err == nil {
		ns, err = Pinned(path)
	}
	if err != nil {
		return nil, false, errors.Join(fmt.Errorf("pin network namespace: %w", err), Unpin(path))
	}
	return ns, true, nil
}

// Pinned opens a namespace that Pin made; an error that is os.ErrNotExist says
// that none is pinned there.
func Pinned(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
		f.Close()
		return nil, os.NewSyscallError("fstatfs", err)
	}
	if fs.Type != unix.NSFS_MAGIC { // the bare file: a pin that was cut short, or a reboot
		f.Close()
		return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
	}
	return f, nil
}

// Unpin lets go of a namespace. It is no error if there is none.
func Unpin(path string) error {
	for {
		err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err == unix.EINVAL || err == unix.ENOENT { // no mount there (any more)
			break
		}
		if err != nil {
			return &os.PathError{Op: "unmount", Path: path, Err: err}
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
