//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/file"
)

// patience is how long the kernel may take to freeze or empty a group; a process
// in an uninterruptible call can hold it up.
const patience = 10 * time.Second

// Freeze stops all processes of the group; they see no signal. It returns when
// all of them stand still.
func (g *Group) Freeze() error {
	if g.unified == "" {
		return g.wrap("freeze", g.freezer(cgroups.Frozen))
	}
	if err := write(g.unified, "cgroup.freeze", "1"); err != nil {
		return g.wrap("freeze", err)
	}
	return g.wrap("freeze", g.until("frozen 1"))
}

// freezer sets the state of the v1 freezer, which takes the library's patience.
func (g *Group) freezer(s cgroups.FreezerState) error {
	m, err := g.library()
	if err != nil {
		return err
	}
	return m.Freeze(s)
}

// Thaw lets them go on.
func (g *Group) Thaw() error {
	if g.unified == "" {
		return g.wrap("thaw", g.freezer(cgroups.Thawed))
	}
	return g.wrap("thaw", write(g.unified, "cgroup.freeze", "0"))
}

// Frozen reports whether the group is frozen.
func (g *Group) Frozen() bool {
	if g.unified == "" {
		m, err := g.library()
		if err != nil {
			return false
		}
		s, err := m.GetFreezerState()
		return err == nil && s == cgroups.Frozen
	}
	b, err := file.Read(filepath.Join(g.unified, "cgroup.freeze"))
	return err == nil && strings.TrimSpace(string(b)) == "1"
}

// Kill sends SIGKILL to all processes of the group, new ones included.
func (g *Group) Kill() error {
	if g.unified != "" {
		err := write(g.unified, "cgroup.kill", "1")
		if err == nil || errors.Is(err, unix.ENOENT) && !g.exists() {
			return nil
		}
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EACCES) {
			return g.wrap("kill", err)
		}
		// cgroup.kill came with Linux 5.14.
	}
	// Frozen processes cannot fork while they are being counted.
	freeze := g.Freeze()
	err := g.Signal(unix.SIGKILL)
	if freeze == nil {
		err = errors.Join(err, g.Thaw())
	}
	return err
}

// Signal sends a signal to all processes of the group that are there now.
func (g *Group) Signal(s unix.Signal) error {
	pids, err := g.Pids()
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range pids {
		if err := unix.Kill(p, s); err != nil && err != unix.ESRCH {
			errs = append(errs, fmt.Errorf("signal process %d: %w", p, err))
		}
	}
	return g.wrap("signal", errs...)
}

// Remove removes the group, which must be empty or dying.
func (g *Group) Remove() error {
	if g.unified != "" {
		if err := g.until("populated 0"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return g.wrap("remove", err)
		}
	}
	m, err := g.library()
	if err != nil {
		return g.wrap("remove", err)
	}
	return g.wrap("remove", m.Destroy())
}

// until waits for a line of cgroup.events. The kernel announces a change of the
// file by POLLPRI.
func (g *Group) until(line string) error {
	f, err := os.Open(filepath.Join(g.unified, "cgroup.events"))
	if err != nil {
		return err
	}
	defer f.Close()
	deadline := time.Now().Add(patience)
	var b [256]byte
	for {
		n, err := f.ReadAt(b[:], 0)
		if n == 0 && err != nil {
			return err
		}
		for _, l := range strings.Split(string(b[:n]), "\n") {
			if l == line {
				return nil
			}
		}
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("cgroup.events does not say %q after %s", line, patience)
		}
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLPRI}}, int(left.Milliseconds())+1)
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
}
