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
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/runtime/plan"
	"github.com/layerlab/layerlab/runtime/seccomp"
)

// Config says what to launch. Descriptors in it stay the caller's.
type Config struct {
	Spec   *specs.Spec
	Bundle string // folder where relative paths of the spec begin
	// Rootfs is the descriptor of a detached mount that becomes the root; -1:
	// Spec.Root.Path does. It is consumed: attached in the container's mount
	// namespace, so a second container needs another one.
	Rootfs int
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
}

// Create does everything that a container needs up to, but not including, the
// execve of its command; a command that is absent or may not be executed is an
// error of Create. On an error nothing is left behind.
//
// Errors are *imagecore.Error with the codes command-not-found (args command),
// command-not-executable, unsupported-setting, invalid-config and step-failed
// (args step, call, errno).
func Create(ctx context.Context, c Config) (*Process, error) {
	spec, err := absolute(c.Spec, c.Bundle)
	if err != nil {
		return nil, err
	}
	own := false
	if c.Cgroup == nil && spec.Linux != nil && spec.Linux.CgroupsPath != "" {
		if c.Cgroup, err = cgroup.Create(spec.Linux.CgroupsPath, spec.Linux.Resources); err != nil {
			return nil, err
		}
		own = true
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
	o := plan.Options{
		Rootfs: c.Rootfs > 0, IsFile: isFile, NoPivot: c.NoPivot, PreserveFDs: c.PreserveFDs, Terse: true,
		LastCap: lastCap(), Cols: c.Cols, Rows: c.Rows, OpenFiles: openFiles(),
		HookPause: c.Hooks != nil && hasHooks(spec.Hooks),
	}
	if c.Cgroup != nil {
		o.CgroupFiles = c.Cgroup.Files()
	}
	if slices.ContainsFunc(spec.Mounts, func(m specs.Mount) bool { return m.Type == "cgroup" }) {
		o.Hierarchies = cgroup.Hierarchies()
	}
	pl, err := plan.For(spec, o)
	if err != nil {
		return nil, err
	}
	l := &launcher{plan: pl, filter: filter, stdio: c.Stdio, terminal: spec.Process.Terminal, preserve: c.PreserveFDs,
		start: c.StartFD, hooks: c.Hooks, command: spec.Process.Args[0], preset: map[string]uintptr{}}
	if c.Rootfs > 0 {
		l.preset["rootfs"] = uintptr(c.Rootfs)
	}
	if pl.Clone != "" {
		v, err := value(pl.Clone)
		if err != nil {
			return nil, err
		}
		l.clone = uintptr(v)
	}
	p, err := l.launch(ctx)
	if err != nil {
		return nil, err
	}
	p.spec, p.cgroup = spec, c.Cgroup
	return p, nil
}

// absolute returns a copy of the spec whose paths of the host are absolute.
func absolute(s *specs.Spec, bundle string) (*specs.Spec, error) {
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
	if c.Linux != nil && c.Linux.Seccomp != nil {
		return &c, nil
	}
	return &c, nil
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && !st.IsDir()
}

func hasHooks(h *specs.Hooks) bool {
	return h != nil && len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer) > 0 //nolint:staticcheck // deprecated, but Docker's network plugins use prestart
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
	b, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
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

// launcher is one launch under way.
type launcher struct {
	plan     *plan.Plan
	filter   []byte
	clone    uintptr
	stdio    [3]int
	terminal bool
	preserve int
	start    int // of the caller, or <= 0
	hooks    func(pid int) error
	command  string
	preset   map[string]uintptr

	prog *program
	mine []int // descriptors to close at the end, whatever comes
}

func (l *launcher) closeMine() {
	for _, fd := range l.mine {
		unix.Close(fd)
	}
	l.mine = nil
}

// high returns a copy of fd that is out of the way of the descriptors which the
// child's dup3 calls overwrite.
func (l *launcher) high(fd int) (int, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3+l.preserve+2)
	if err != nil {
		return -1, fmt.Errorf("duplicate descriptor %d: %w", fd, err)
	}
	l.mine = append(l.mine, n)
	return n, nil
}

// pipe returns a pipe whose first end, or second, is for the child.
func (l *launcher) pipe(childReads bool) (child, own int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, os.NewSyscallError("pipe2", err)
	}
	child, own = p[0], p[1]
	if !childReads {
		child, own = own, child
	}
	h, err := l.high(child)
	unix.Close(child)
	if err != nil {
		unix.Close(own)
		return -1, -1, err
	}
	return h, own, nil
}

// launch executes the plan. It returns when the child is created.
func (l *launcher) launch(ctx context.Context) (_ *Process, err error) {
	defer l.closeMine()
	p := &Process{plan: l.plan, report: -1, start: -1, pidfd: -1, devpts: -1, command: l.command}
	defer func() {
		if err != nil {
			p.abandon()
		}
	}()
	if !l.terminal {
		for i, name := range []string{"stdin", "stdout", "stderr"} {
			fd := l.stdio[i]
			if fd < 0 {
				if fd, err = unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
					return nil, fmt.Errorf("open /dev/null: %w", err)
				}
				l.mine = append(l.mine, fd)
			}
			if fd, err = l.high(fd); err != nil {
				return nil, err
			}
			l.preset[name] = uintptr(fd)
		}
	}
	childGo, ownGo, err := l.pipe(true)
	if err != nil {
		return nil, err
	}
	closeGo := func() {
		if ownGo >= 0 {
			unix.Close(ownGo)
			ownGo = -1
		}
	}
	defer closeGo()
	childReport, ownReport, err := l.pipe(false)
	if err != nil {
		return nil, err
	}
	p.report = ownReport
	var childStart int
	if l.start > 0 {
		if childStart, err = l.high(l.start); err != nil {
			return nil, err
		}
	} else if childStart, p.start, err = l.pipe(true); err != nil {
		return nil, err
	}
	l.preset["go"], l.preset["report"], l.preset["start"] = uintptr(childGo), uintptr(childReport), uintptr(childStart)

	if l.prog, err = assemble(l.plan, l.filter, l.preset); err != nil {
		return nil, err
	}
	p.prog = l.prog
	if err := l.host(p); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	pid, err := l.fork()
	if err != nil {
		return nil, err
	}
	p.pid = pid
	// From here on the child is killed and waited for if anything fails.
	if p.pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	stop := context.AfterFunc(ctx, func() { p.Signal(unix.SIGKILL) })
	defer stop()
	l.closeChildEnds(childGo, childReport, childStart)
	if err := l.parent(pid); err != nil {
		return nil, err
	}
	if err := writeByte(ownGo); err != nil {
		return nil, fmt.Errorf("let the child go on: %w", err)
	}
	for {
		b, err := readByte(p.report)
		switch {
		case err != nil:
			return nil, fmt.Errorf("wait for the child: %w", err)
		case b == 'h':
			if err := l.hooks(pid); err != nil {
				return nil, err
			}
			if err := writeByte(ownGo); err != nil {
				return nil, fmt.Errorf("let the child go on after hooks: %w", err)
			}
		case b == 'c':
			if l.terminal {
				return p, p.openMaster()
			}
			return p, nil
		default:
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, l.prog.failure(l.command)
		}
	}
}

// host makes the calls of before the fork and notes which descriptors to close.
func (l *launcher) host(p *Process) error {
	s := l.prog.scripts[plan.Host]
	if s == nil {
		return nil
	}
	ok := run(s)
	last := len(s.ops)
	if !ok {
		last = int(s.ledger.failed) - 1
	}
	for i := range last {
		c := l.prog.call(plan.Host, i)
		fd := func(name string) int { return int(l.prog.slots[l.prog.names[name]]) }
		switch {
		case c.Name == "close":
			l.mine = slices.DeleteFunc(l.mine, func(x int) bool { return x == fd(c.Args[0].Text) })
		case c.Out == "master":
			p.masterFD, p.hasMaster = fd(c.Out), true
		case c.Out == "devpts":
			p.devpts = fd(c.Out)
		case c.Out != "":
			l.mine = append(l.mine, fd(c.Out))
		}
	}
	if !ok {
		return l.prog.failure(l.command)
	}
	return nil
}

func (l *launcher) fork() (int, error) {
	child, join := l.prog.scripts[plan.Child], l.prog.scripts[plan.Join]
	pid, e := fork(l.clone, join, child)
	if e != 0 {
		return 0, hostError("clone", l.plan.Clone, e)
	}
	if join == nil {
		return pid, nil
	}
	var ws unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &ws, unix.WALL, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, os.NewSyscallError("wait4", err)
		}
		break
	}
	if join.ledger.pid == 0 {
		return 0, l.prog.failure(l.command)
	}
	return int(join.ledger.pid), nil
}

// closeChildEnds closes the parent's copies of what only the child needs, so
// that the end of the report pipe means the end of the child's.
func (l *launcher) closeChildEnds(fds ...int) {
	for _, fd := range fds {
		unix.Close(fd)
		l.mine = slices.DeleteFunc(l.mine, func(x int) bool { return x == fd })
	}
}

// parent makes the calls that the child waits for.
func (l *launcher) parent(pid int) error {
	s := l.prog.scripts[plan.Parent]
	if s == nil {
		return nil
	}
	dir, err := unix.Open("/proc/"+strconv.Itoa(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /proc/%d: %w", pid, err)
	}
	defer unix.Close(dir)
	l.prog.slots[l.prog.names["pid"]] = uintptr(pid)
	l.prog.slots[l.prog.names["proc-pid"]] = uintptr(dir)
	if !run(s) {
		return l.prog.failure(l.command)
	}
	return nil
}

func (p *program) call(w plan.Where, i int) *plan.Call {
	r := p.owner[w][i]
	return &p.plan.Steps[r.step].Calls[r.call]
}

func writeByte(fd int) error {
	for {
		_, err := unix.Write(fd, []byte{'g'})
		if err != unix.EINTR {
			return err
		}
	}
}

// readByte returns 0 at the end of the pipe.
func readByte(fd int) (byte, error) {
	var b [1]byte
	for {
		n, err := unix.Read(fd, b[:])
		if err == unix.EINTR {
			continue
		}
		if n == 0 {
			return 0, err
		}
		return b[0], err
	}
}

func errnoName(e syscall.Errno) string {
	if n := unix.ErrnoName(e); n != "" {
		return n
	}
	return "errno " + strconv.Itoa(int(e))
}
