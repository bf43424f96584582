//go:build linux

// Package outlast starts processes that outlive the one that starts them: shims
// and the helpers of networks, which go on while the server is restarted.
//
// A service manager ends a service by its cgroup (systemd.kill(5),
// KillMode=control-group), and a child is born in that of its parent. So they
// are born in one of their own, /layerlab/helpers, in the hierarchy by which
// systemd knows its services: cgroup2, or on an older host the named one of
// cgroup v1 beside it. The hierarchies of controllers are left alone.
package outlast

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Cgroup is where the processes live.
const Cgroup = "/layerlab/helpers"

// Start starts a command in a session of its own, outside of the caller's
// cgroup. Its SysProcAttr is Start's.
func Start(cmd *exec.Cmd) error {
	text, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		return err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	unified, named := standing(string(text))
	if unified != "/" && unified != "" {
		dir, err := folder(unix.CGROUP2_SUPER_MAGIC, "/sys/fs/cgroup", "/sys/fs/cgroup/unified")
		if err != nil {
			return err
		}
		if dir != "" {
			fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return &os.PathError{Op: "open", Path: dir, Err: err}
			}
			defer unix.Close(fd)
			cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, fd // clone3(2), CLONE_INTO_CGROUP
		}
	}
	if named == "/" || named == "" {
		return cmd.Start()
	}
	return startNamed(cmd, named)
}

// standing reads where a thread stands in the two hierarchies that matter.
func standing(text string) (unified, named string) {
	for line := range strings.Lines(text) { // hierarchy:controllers:path, cgroups(7)
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		switch {
		case len(f) == 3 && f[0] == "0" && f[1] == "":
			unified = f[2]
		case len(f) == 3 && f[1] == "name=systemd":
			named = f[2]
		}
	}
	return unified, named
}

// folder makes Cgroup beneath the first of roots that is a cgroup file system
// of that kind; "" where none is mounted.
func folder(magic int64, roots ...string) (string, error) {
	for _, root := range roots {
		var st unix.Statfs_t
		if unix.Statfs(root, &st) != nil || int64(st.Type) != magic {
			continue
		}
		dir := filepath.Join(root, Cgroup)
		err := os.MkdirAll(dir, 0o755)
		if err == nil { // or made by root, some other day
			err = unix.Faccessat(unix.AT_FDCWD, filepath.Join(dir, "cgroup.procs"), unix.W_OK, unix.AT_EACCESS)
		}
		if errors.Is(err, os.ErrPermission) {
			return "", nil // an ordinary user's: they stay where they are born
		}
		if err != nil {
			return "", fmt.Errorf("cgroup of helpers: %w", err)
		}
		return dir, nil
	}
	return "", nil
}

// startNamed starts the command from a thread that stands in the named
// hierarchy's folder meanwhile: a child is born where its parent's thread is.
func startNamed(cmd *exec.Cmd, home string) error {
	const root = "/sys/fs/cgroup/systemd"
	dir, err := folder(unix.CGROUP_SUPER_MAGIC, root)
	if err != nil || dir == "" {
		return errors.Join(err, cmd.Start())
	}
	runtime.LockOSThread()
	if err := join(dir); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = cmd.Start()
	if back := join(filepath.Join(root, home)); back != nil {
		// The thread stays locked, and ends with its goroutine.
		return errors.Join(err, fmt.Errorf("back to the server's cgroup: %w", back))
	}
	runtime.UnlockOSThread()
	return err
}

// join moves the calling thread.
func join(dir string) error {
	return os.WriteFile(filepath.Join(dir, "tasks"), []byte(strconv.Itoa(unix.Gettid())), 0)
}
