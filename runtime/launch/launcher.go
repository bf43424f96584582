//go:build linux

package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/file"
	"github.com/layerlab/layerlab/runtime/launch/abi"
	"github.com/layerlab/layerlab/runtime/launch/copyup"
	"github.com/layerlab/layerlab/runtime/plan"
)

// launcher is one launch under way.
type launcher struct {
	plan      *plan.Plan
	filter    []byte
	stdio     [3]int
	terminal  bool
	preserve  int
	start     int  // of the caller, or <= 0
	straight  bool // the plan stops nowhere: there is no pipe to let the child go on
	hooks     func(pid int) error
	listener  func(fd, pid int) error
	meanwhile func() error
	command   string
	preset    map[string]uintptr

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

// has says whether the plan has a step of that code.
func (l *launcher) has(code string) bool {
	return slices.ContainsFunc(l.plan.Steps, func(s plan.Step) bool { return s.Code == code })
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
	if l.listener == nil && l.has("tell-listener") {
		return nil, fault.New(fault.ErrUnsupported, "unsupported-setting",
			"linux.seccomp action SCMP_ACT_NOTIFY is not supported here: nobody hands the listener on", "setting", "linux.seccomp SCMP_ACT_NOTIFY")
	}
	p := &Process{plan: l.plan, report: -1, start: -1, pidfd: -1, devpts: -1, command: l.command}
	defer func() {
		if err != nil {
			p.abandon()
			err = &Unfinished{Err: err, Plan: p.plan, Trace: p.trace}
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
	childReport, ownReport, err := l.pipe(false)
	if err != nil {
		return nil, err
	}
	p.report = ownReport
	l.preset["report"] = uintptr(childReport)
	if l.straight {
		return p, l.throughout(ctx, p, childReport)
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
	var childStart int
	if l.start > 0 {
		if childStart, err = l.high(l.start); err != nil {
			return nil, err
		}
	} else if childStart, p.start, err = l.pipe(true); err != nil {
		return nil, err
	}
	l.preset["go"], l.preset["start"] = uintptr(childGo), uintptr(childStart)
	if err := l.prepare(ctx, p); err != nil {
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
	if l.meanwhile != nil {
		if err := l.meanwhile(); err != nil {
			return nil, err
		}
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
		case b == 's':
			if err := l.hear(p); err != nil {
				return nil, err
			}
		case b == 'c':
			if p.dumpable == 0 {
				if err := p.restoreDumpable(); err != nil {
					return nil, err
				}
			}
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

// hear takes the listener of the child's filter and hands it on.
func (l *launcher) hear(p *Process) error {
	theirs := int(l.prog.scripts[child].slots[l.prog.names[plan.Listener]])
	fd, err := unix.PidfdGetfd(p.pidfd, theirs, 0)
	if err != nil {
		return fmt.Errorf("seccomp: take the listener: %w", os.NewSyscallError("pidfd_getfd", err))
	}
	defer unix.Close(fd)
	return l.listener(fd, p.pid)
}

// prepare does everything before the fork.
func (l *launcher) prepare(ctx context.Context, p *Process) (err error) {
	if l.prog, err = assemble(l.plan, l.filter, l.preset); err != nil {
		return err
	}
	p.prog = l.prog
	if err := l.host(p); err != nil {
		return err
	}
	for _, c := range l.plan.Copies {
		slot := func(name string) int { return int(l.prog.slots[l.prog.names[name]]) }
		if err := copyup.Copy(slot("rootfs"), c.From, slot(c.To)); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.has("oom-score") {
		b, err := file.Read("/proc/self/oom_score_adj")
		if err != nil {
			return err
		}
		p.score = string(b)
	}
	// The child's change of user takes this property from the memory that we
	// share (prctl(2)); where the administrator has set fs.suid_dumpable it
	// would even give it.
	p.dumpable, err = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	return os.NewSyscallError("prctl PR_GET_DUMPABLE", err)
}

// host makes the calls of before the fork and notes which descriptors to close.
func (l *launcher) host(p *Process) error {
	s := l.prog.scripts[host]
	if s == nil {
		return nil
	}
	ok := run(s)
	last := len(s.ops)
	if !ok {
		last = int(s.ledger.failed) - 1
	}
	for i := range last {
		c := l.prog.call(host, i)
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
	first := l.prog.scripts[join]
	pid, err := l.born()
	if err != nil {
		return 0, err
	}
	if first == nil {
		return pid, nil
	}
	if err := wait(pid); err != nil {
		return 0, err
	}
	if first.ledger.pid == 0 {
		return 0, l.prog.failure(l.command)
	}
	return int(first.ledger.pid), nil
}

// born starts the first child, or the only one.
func (l *launcher) born() (int, error) {
	var flags uint64
	if l.plan.Clone != "" {
		var err error
		if flags, err = abi.Value(l.plan.Clone); err != nil {
			return 0, err
		}
	}
	pid, e := fork(flags, l.prog)
	if e == 0 {
		return pid, nil
	}
	err := hostError("clone", l.plan.Clone, e)
	if flags&unix.CLONE_INTO_CGROUP != 0 {
		return 0, errors.Join(errElsewhere, err)
	}
	return 0, err
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
	s := l.prog.scripts[parent]
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

func (p *program) call(w, i int) *plan.Call {
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
