//go:build linux

package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/runtime/file"
	"github.com/layerlab/layerlab/runtime/plan"
	"github.com/layerlab/layerlab/runtime/seccomp"
	"github.com/layerlab/layerlab/runtime/userns"
)

// Config says what to launch. Descriptors in it stay the caller's.
type Config struct {
	Spec   *specs.Spec
	Bundle string // folder where relative paths of the spec begin
	// Rootfs is the descriptor of a detached mount that becomes the root; -1:
	// Spec.Root.Path does. It is consumed: attached in the container's mount
	// namespace, so a second container needs another one.
	Rootfs int
	// Mounts are descriptors of detached mounts by their index in Spec.Mounts:
	// those bind mounts whose source was opened before, maybe idmapped. They are
	// consumed as Rootfs is.
	Mounts map[int]int
	// Stdio are the command's descriptors 0, 1 and 2; -1 stands for /dev/null.
	// Ignored with a terminal, which Spec.Process.Terminal asks for.
	Stdio      [3]int
	Cols, Rows uint16 // of the terminal; 0: Spec.Process.ConsoleSize, or 80 × 24
	// Cgroup is what the process joins; nil makes one at linux.cgroupsPath, and
	// without such a path the process stays in the caller's cgroups.
	Cgroup *cgroup.Group
	// StartFD is a pipe or FIFO that the created process waits on; -1 or 0
	// makes one for Process.Start. With a FIFO another program can start it by
	// writing a byte.
	StartFD     int
	NoPivot     bool // see plan.Options
	PreserveFDs int
	// Hooks is called before the root changes, while the child waits, if the
	// spec has hooks for that time.
	Hooks func(pid int) error
	// Listener is called with the descriptor by which an agent hears what the
	// seccomp filter asks, if the profile has SCMP_ACT_NOTIFY. The process goes
	// on meanwhile, as far as the filter lets it. Without it such a profile is
	// refused.
	Listener func(fd, pid int) error
	// Meanwhile is called once, while the child makes its container: for what
	// the caller has to do anyway.
	Meanwhile func() error
}

// Unfinished is the error of a launch that broke off, in the words of Err, with
// what had been done by then.
type Unfinished struct {
	Err   error
	Plan  *plan.Plan // without its texts: see Describe
	Trace []plan.Result
}

func (u *Unfinished) Error() string { return u.Err.Error() }
func (u *Unfinished) Unwrap() error { return u.Err }

// Create does everything that a container needs up to, but not including, the
// execve of its command; a command that is absent or may not be executed is an
// error of Create. On an error nothing is left behind.
//
// Errors are *fault.Error, maybe in an *Unfinished, with the codes command-not-found (args command),
// command-not-executable, unsupported-setting, invalid-config and step-failed
// (args step, call, errno).
func Create(ctx context.Context, c Config) (*Process, error) {
	spec := absolute(c.Spec, c.Bundle)
	own := false
	if c.Cgroup == nil && spec.Linux != nil && spec.Linux.CgroupsPath != "" {
		g, err := cgroup.Create(spec.Linux.CgroupsPath, spec.Linux.Resources)
		if err != nil {
			return nil, err
		}
		c.Cgroup, own = g, true
	}
	p, err := create(ctx, c, spec)
	if err != nil {
		if own {
			err = errors.Join(err, c.Cgroup.Remove())
		}
		return nil, err
	}
	return p, nil
}

func create(ctx context.Context, c Config, spec *specs.Spec) (*Process, error) {
	filter, err := filterOf(spec.Linux)
	if err != nil {
		return nil, err
	}
	if spec.Process != nil {
		if spec, err = joinedMappings(spec); err != nil {
			return nil, err
		}
	}
	o := plan.Options{
		Rootfs: c.Rootfs > 0, IsFile: c.isFile, NoPivot: c.NoPivot, PreserveFDs: c.PreserveFDs, Terse: true,
		LastCap: lastCap(), Cols: c.Cols, Rows: c.Rows, OpenFiles: openFiles(),
		HookPause: c.Hooks != nil && hasHooks(spec.Hooks),
	}
	if len(c.Mounts) > 0 {
		o.Mounted = func(i int) bool { _, held := c.Mounts[i]; return held }
	}
	if c.Cgroup != nil {
		o.CgroupFiles = c.Cgroup.Files()
		if canShare {
			o.CgroupFolder = c.Cgroup.Unified()
		}
	}
	if spec.Linux != nil && spec.Linux.MountLabel != "" {
		_, err := os.Stat("/sys/fs/selinux/enforce")
		o.SELinux = err == nil
	}
	if slices.ContainsFunc(spec.Mounts, func(m specs.Mount) bool { return m.Type == "cgroup" }) {
		o.Hierarchies = cgroup.Hierarchies()
	}
	p, err := prepared(ctx, c, spec, filter, o)
	if errors.Is(err, errElsewhere) {
		o.CgroupFolder = ""
		p, err = prepared(ctx, c, spec, filter, o)
	}
	if err != nil {
		return nil, err
	}
	p.spec, p.cgroup = spec, c.Cgroup
	return p, nil
}

// errElsewhere says that the kernel, or a filter, lets no child be born in a
// cgroup, or not in this one: CLONE_INTO_CGROUP came with Linux 5.7.
var errElsewhere = errors.New("no birth in that cgroup")

// prepared plans and launches.
func prepared(ctx context.Context, c Config, spec *specs.Spec, filter []byte, o plan.Options) (*Process, error) {
	pl, err := plan.For(spec, o)
	if err != nil {
		return nil, err
	}
	l := &launcher{
		plan: pl, filter: filter, stdio: c.Stdio, terminal: spec.Process.Terminal, preserve: c.PreserveFDs,
		start: c.StartFD, hooks: c.Hooks, listener: c.Listener, meanwhile: c.Meanwhile, command: spec.Process.Args[0], preset: map[string]uintptr{},
	}
	if c.Rootfs > 0 {
		l.preset["rootfs"] = uintptr(c.Rootfs)
	}
	for i, fd := range c.Mounts {
		l.preset["bind"+strconv.Itoa(i)] = uintptr(fd)
	}
	for i := range spec.Mounts {
		uids, gids := plan.MapsIDs(spec, i)
		if len(uids) == 0 {
			continue
		}
		users, err := userns.Open(uids, gids)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", spec.Mounts[i].Destination, err)
		}
		defer users.Close()
		l.preset["idmap"+strconv.Itoa(i)] = users.Fd()
	}
	return l.launch(ctx)
}

// absolute returns a copy of the spec whose paths of the host are absolute.
func absolute(s *specs.Spec, bundle string) *specs.Spec {
	c := *s
	abs := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(bundle, p)
	}
	if c.Root != nil {
		r := *c.Root
		r.Path = abs(r.Path)
		c.Root = &r
	}
	c.Mounts = slices.Clone(c.Mounts)
	for i, m := range c.Mounts {
		if m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind") {
			c.Mounts[i].Source = abs(m.Source)
		}
	}
	return &c
}

// isFile looks at the held mount of a source, which may be hidden from us by
// its path, and else at the path.
func (c *Config) isFile(path string) bool {
	for i, fd := range c.Mounts {
		var st unix.Stat_t
		if c.Spec.Mounts[i].Source == path && unix.Fstat(fd, &st) == nil {
			return st.Mode&unix.S_IFMT != unix.S_IFDIR
		}
	}
	st, err := os.Stat(path)
	return err == nil && !st.IsDir()
}

func hasHooks(h *specs.Hooks) bool {
	//lint:ignore SA1019 prestart is deprecated, but Docker's network plugins use it
	return h != nil && len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer) > 0
}

func filterOf(l *specs.Linux) ([]byte, error) {
	if l == nil || l.Seccomp == nil {
		return nil, nil
	}
	prog, err := seccomp.Compile(l.Seccomp)
	if err != nil {
		return nil, err
	}
	return seccomp.Bytes(prog), nil
}

// lastCap returns the highest capability of this kernel.
func lastCap() int {
	b, err := file.Read("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(string(b[:max(0, len(b)-1)]))
	if err != nil {
		return 0
	}
	return n
}

// openFiles returns the limit of open files that a child gets where the config
// names none. Go raises its own soft limit to one below the hard one at start
// and restores it only in children of os/exec, and tells nobody what it was; it
// is 1024 wherever nobody changed it, which is also what select(2) can take.
func openFiles() [2]uint64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || l.Cur+1 != l.Max {
		return [2]uint64{}
	}
	return [2]uint64{min(1024, l.Max), l.Max}
}
