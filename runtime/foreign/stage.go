//go:build linux

package foreign

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Word is the argument by which the helper's program is asked to be Main.
const Word = "runtime-stage"

// order is what the process that becomes the runtime does before.
type order struct {
	Argv  []string `json:"argv"`
	Stage string   `json:"stage,omitempty"` // "": none
	// Mounts go on the stage; their descriptors follow that of the order. Without
	// any it has an empty root: runc's exec begins in the folder that config.json
	// names.
	Mounts []bind `json:"mounts,omitempty"`
	// Join are files of cgroups; Unified replaces what is mounted of them.
	Join    []string `json:"join,omitempty"`
	Unified bool     `json:"unified,omitempty"`
}

// orderFD is the order's descriptor, those of its mounts follow.
const orderFD = 3

// path is what a runtime finds newuidmap, iptables and hooks by.
const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// command prepares a process that carries out an order; it is this program, in
// a mount namespace of its own where it mounts something.
func (o order) command(mounts []*os.File) (*exec.Cmd, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("order", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "order")
	if _, err := f.WriteAt(text, 0); err != nil {
		f.Close()
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe", Word)
	cmd.Env = []string{path}
	cmd.Dir = "/"
	cmd.ExtraFiles = append([]*os.File{f}, mounts...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if o.Stage != "" || o.Unified {
		cmd.SysProcAttr.Unshareflags = unix.CLONE_NEWNS // all mounts private: os/exec sees to it
	}
	return cmd, nil
}

// Main is the process that becomes the runtime. It returns only on an error,
// with the process's exit code.
func Main() int {
	fmt.Fprintln(os.Stderr, "runtime-stage:", perform())
	return stageFailed
}

// stageFailed is the exit code of a process that did not become the runtime.
const stageFailed = 125

func perform() error {
	runtime.LockOSThread() // who joins a cgroup v1 is a thread, and it becomes the runtime
	f := os.NewFile(orderFD, "order")
	var o order
	if err := json.NewDecoder(f).Decode(&o); err != nil {
		return fmt.Errorf("order: %w", err)
	}
	f.Close()
	for i := range o.Mounts {
		unix.CloseOnExec(orderFD + 1 + i)
	}
	for _, file := range o.Join {
		if err := os.WriteFile(file, []byte("0"), 0); err != nil {
			return fmt.Errorf("join cgroup: %w", err)
		}
	}
	if o.Unified {
		if err := unifiedAlone(); err != nil {
			return err
		}
	}
	if o.Stage != "" {
		if err := o.set(); err != nil {
			return err
		}
	}
	return os.NewSyscallError("execve "+o.Argv[0], unix.Exec(o.Argv[0], o.Argv, os.Environ()))
}

// set mounts the stage and puts on it what belongs there.
func (o order) set() error {
	if err := unix.Mount("tmpfs", o.Stage, "tmpfs", unix.MS_NODEV|unix.MS_NOSUID, "mode=0755"); err != nil {
		return &os.PathError{Op: "mount", Path: o.Stage, Err: err}
	}
	if len(o.Mounts) == 0 {
		return os.Mkdir(filepath.Join(o.Stage, rootName), 0o755)
	}
	for i, m := range o.Mounts {
		at := filepath.Join(o.Stage, m.Name)
		var err error
		if m.File {
			err = os.WriteFile(at, nil, 0o644)
		} else {
			err = os.Mkdir(at, 0o755)
		}
		if err != nil {
			return err
		}
		if err := unix.MoveMount(orderFD+1+i, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return &os.PathError{Op: "move_mount", Path: at, Err: err}
		}
	}
	return nil
}

// unifiedAlone shows cgroup2 where this host has both versions.
func unifiedAlone() error {
	const root = "/sys/fs/cgroup"
	for {
		err := unix.Unmount(root, unix.MNT_DETACH)
		if err == unix.EINVAL {
			break
		}
		if err != nil {
			return &os.PathError{Op: "umount", Path: root, Err: err}
		}
	}
	if err := unix.Mount("none", root, "cgroup2", unix.MS_NODEV|unix.MS_NOSUID|unix.MS_NOEXEC, ""); err != nil {
		return &os.PathError{Op: "mount cgroup2", Path: root, Err: err}
	}
	return nil
}
