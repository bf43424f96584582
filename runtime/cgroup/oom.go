//go:build linux

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// WatchOOM returns a channel that gets a value each time the kernel has killed
// processes of the group for lack of memory; it is closed when ctx ends or the
// group is removed.
//
// v1 writes to an eventfd that was registered in cgroup.event_control
// (Documentation/admin-guide/cgroup-v1/memory.rst), v2 modifies memory.events
// (cgroup-v2.rst); neither says how many, which OOMKillCount does.
func (g *Group) WatchOOM(ctx context.Context) (<-chan struct{}, error) {
	dir := g.dirs["memory"]
	wake, keep, err := oomV1(dir)
	if dir == "" || errors.Is(err, os.ErrNotExist) {
		wake, err = oomV2(g.Dir("memory"))
	}
	if err != nil {
		return nil, g.wrap("watch memory", err)
	}
	killed := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { wake.Close() })
	go func() {
		defer close(killed)
		defer stop()
		defer wake.Close()
		if keep != nil {
			defer keep.Close()
		}
		var seen uint64
		buf := make([]byte, 4096)
		for {
			if n, err := g.oomKills(); err == nil && n > seen {
				seen = n
				select {
				case killed <- struct{}{}:
				default: // one that waits says it
				}
			}
			if _, err := wake.Read(buf); err != nil || !g.exists() {
				return
			}
		}
	}()
	return killed, nil
}

func oomV1(dir string) (wake, control *os.File, err error) {
	if control, err = os.Open(filepath.Join(dir, "memory.oom_control")); err != nil {
		return nil, nil, err
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		control.Close()
		return nil, nil, os.NewSyscallError("eventfd", err)
	}
	wake = os.NewFile(uintptr(fd), "eventfd")
	if err := write(dir, "cgroup.event_control", fmt.Sprintf("%d %d", fd, control.Fd())); err != nil {
		return nil, nil, errors.Join(err, wake.Close(), control.Close())
	}
	return wake, control, nil
}

func oomV2(dir string) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	wake := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, filepath.Join(dir, "memory.events"), unix.IN_MODIFY|unix.IN_DELETE_SELF|unix.IN_IGNORED); err != nil {
		return nil, errors.Join(os.NewSyscallError("inotify_add_watch memory.events", err), wake.Close())
	}
	return wake, nil
}
