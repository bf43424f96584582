//go:build linux

package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/runtime/plan"
)

// ExecConfig says how to connect a further process of a container.
type ExecConfig struct {
	Stdio       [3]int // as in Config; ignored if the process wants a terminal
	Cols, Rows  uint16
	PreserveFDs int
	// EvenPaused starts the process in a paused container too; it and Exec stand
	// still until somebody resumes the container.
	EvenPaused bool
	Listener   func(fd, pid int) error // as in Config
}

// Target is a container that runs, as seen from outside.
type Target struct {
	PID    int           // of its first process
	Spec   *specs.Spec   // its config, for mappings and the seccomp filter
	Cgroup *cgroup.Group // nil: the new process stays in the caller's cgroups
}

// Exec starts a further process in the container of target. It is running when
// Exec returns, a child of this program, and a sibling of the container's first
// process; its command has been found and execve has succeeded.
func Exec(ctx context.Context, target *Process, p *specs.Process, c ExecConfig) (*Process, error) {
	if target.pidfd < 0 {
		return nil, fault.New(fault.ErrConflict, "container-stopped", "the container is not running")
	}
	t := Target{PID: target.pid, Spec: target.spec, Cgroup: target.cgroup}
	if p.Terminal && target.devpts < 0 {
		devpts, err := findDevpts(target.pid)
		if err != nil {
			return nil, err
		}
		defer unix.Close(devpts)
		return exec(ctx, t, target.pidfd, devpts, p, c)
	}
	return exec(ctx, t, target.pidfd, target.devpts, p, c)
}

// ExecIn is Exec for a container that another program launched.
func ExecIn(ctx context.Context, t Target, p *specs.Process, c ExecConfig) (*Process, error) {
	pidfd, err := unix.PidfdOpen(t.PID, 0)
	if err != nil {
		return nil, fmt.Errorf("exec: open process %d: %w", t.PID, err)
	}
	defer unix.Close(pidfd)
	devpts := -1
	if p.Terminal {
		if devpts, err = findDevpts(t.PID); err != nil {
			return nil, err
		}
		defer unix.Close(devpts)
	}
	return exec(ctx, t, pidfd, devpts, p, c)
}

func exec(ctx context.Context, t Target, pidfd, devpts int, p *specs.Process, c ExecConfig) (*Process, error) {
	if t.Cgroup != nil && !c.EvenPaused && t.Cgroup.Frozen() {
		return nil, fault.New(fault.ErrConflict, "processes-frozen", "cannot exec in a paused container")
	}
	filter, err := filterOf(t.Spec.Linux)
	if err != nil {
		return nil, err
	}
	names, err := namespacesOf(t.PID)
	if err != nil {
		return nil, err
	}
	root, err := unix.Open("/proc/"+strconv.Itoa(t.PID)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("exec: open the root of process %d: %w", t.PID, err)
	}
	defer unix.Close(root)
	straight := !plan.Stops(p, t.Spec)
	o := plan.Options{
		Straight: straight, Target: names, OwnDevpts: true, PreserveFDs: c.PreserveFDs, LastCap: lastCap(),
		Cols: c.Cols, Rows: c.Rows, OpenFiles: openFiles(), Terse: true,
	}
	if t.Cgroup != nil {
		o.CgroupFiles = t.Cgroup.Files()
		if canShare {
			o.CgroupFolder = t.Cgroup.Unified()
		}
	}
	spec := t.Spec
	if _, joined := joinedUsers(spec); joined && p.Terminal {
		if spec, err = withMappingsOf(spec, t.PID); err != nil {
			return nil, err
		}
	}
	if p.Terminal && devpts < 0 {
		return nil, fault.New(fault.ErrInvalid, "no-devpts", "the container has no devpts, so it cannot have a terminal")
	}
	enter := func() (*Process, error) {
		pl, err := plan.ForExec(p, spec, o)
		if err != nil {
			return nil, err
		}
		l := &launcher{
			plan: pl, filter: filter, straight: straight, stdio: c.Stdio, terminal: p.Terminal, preserve: c.PreserveFDs,
			listener: c.Listener, command: p.Args[0], preset: map[string]uintptr{"target": uintptr(pidfd), "target-root": uintptr(root)},
		}
		if p.Terminal {
			l.preset["devpts"] = uintptr(devpts)
		}
		return l.launch(ctx)
	}
	proc, err := enter()
	if errors.Is(err, errElsewhere) {
		o.CgroupFolder = ""
		proc, err = enter()
	}
	if err != nil {
		return nil, err
	}
	proc.spec, proc.cgroup = t.Spec, t.Cgroup
	if straight {
		return proc, nil
	}
	if err := proc.Start(); err != nil {
		proc.abandon()
		return nil, err
	}
	return proc, nil
}

// namespacesOf returns, as flags, the namespaces of a process that differ from
// our own: setns(2) into one's own user namespace is EINVAL.
func namespacesOf(pid int) (string, error) {
	var l []string
	for _, n := range [...]struct{ file, flag string }{
		{"user", "CLONE_NEWUSER"},
		{"mnt", "CLONE_NEWNS"},
		{"pid", "CLONE_NEWPID"},
		{"net", "CLONE_NEWNET"},
		{"uts", "CLONE_NEWUTS"},
		{"ipc", "CLONE_NEWIPC"},
		{"cgroup", "CLONE_NEWCGROUP"},
		{"time", "CLONE_NEWTIME"},
	} {
		own, err := os.Readlink("/proc/self/ns/" + n.file)
		if errors.Is(err, os.ErrNotExist) {
			continue // the kernel has no such namespaces
		}
		if err != nil {
			return "", fmt.Errorf("exec: %w", err)
		}
		its, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/" + n.file)
		if err != nil {
			return "", fmt.Errorf("exec: process %d: %w", pid, err)
		}
		if own != its {
			l = append(l, n.flag)
		}
	}
	return strings.Join(l, "|"), nil
}

// findDevpts opens /dev/pts of a container from outside. The path is resolved
// below the container's root and what is found must be a devpts: the container
// might have put something else there.
func findDevpts(pid int) (int, error) {
	root, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("terminal: open the root of process %d: %w", pid, err)
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, "dev/pts", &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return -1, fmt.Errorf("terminal: open /dev/pts of the container: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.DEVPTS_SUPER_MAGIC {
		unix.Close(fd)
		return -1, fault.New(fault.ErrInvalid, "no-devpts", "the container's /dev/pts is no devpts, so it cannot have a terminal")
	}
	return fd, nil
}
