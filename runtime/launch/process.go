//go:build linux

package launch

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/runtime/file"
	"github.com/layerlab/layerlab/runtime/plan"
)

// Process is a process in a container, a child of this program. Its methods may
// be called at the same time, but Wait only once.
type Process struct {
	plan    *plan.Plan
	prog    *program
	spec    *specs.Spec
	cgroup  *cgroup.Group
	command string

	pid       int
	pidfd     int
	report    int // reads the child's progress; its end means execve, or death
	start     int // lets the child go; -1 where somebody else does
	devpts    int // the container's terminals
	masterFD  int
	hasMaster bool
	dumpable  int    // what we were before the child shared our memory
	score     string // likewise our out-of-memory score, "" if the plan sets none
	master    *os.File

	mu     sync.Mutex
	trace  []plan.Result
	exited bool
}

// Pid returns the process's id in the launcher's pid namespace.
func (p *Process) Pid() int { return p.pid }

// PidFD returns a descriptor of the process, valid until Close.
func (p *Process) PidFD() int { return p.pidfd }

// Master returns the launcher's end of the terminal, nil without one. It is
// non-blocking and in Go's poller; it is closed by Close.
func (p *Process) Master() *os.File { return p.master }

// Cgroup returns the cgroup that the process joined, nil for none.
func (p *Process) Cgroup() *cgroup.Group { return p.cgroup }

// Plan returns what was done, in full words.
func (p *Process) Plan() *plan.Plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plan.Describe()
}

// Start lets a created process execute its command and returns when it does.
func (p *Process) Start() error {
	if p.report < 0 {
		return errors.New("start: the process was started before")
	}
	if p.start >= 0 {
		if err := writeByte(p.start); err != nil {
			return fmt.Errorf("start process %d: it is gone: %w", p.pid, err)
		}
		unix.Close(p.start)
		p.start = -1
	}
	b, err := readByte(p.report)
	unix.Close(p.report)
	p.report = -1
	err = errors.Join(err, p.restoreDumpable(), p.restoreScore())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trace = p.prog.trace(true)
	failure := p.prog.failed()
	if err == nil && b == 0 && failure {
		err = p.prog.failure(p.command)
	}
	p.prog.free()
	p.prog = nil
	return err
}

func (p *Process) restoreDumpable() error {
	return os.NewSyscallError("prctl PR_SET_DUMPABLE", unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(p.dumpable), 0, 0, 0))
}

// restoreScore sets our out-of-memory score to what it was. The kernel gives a
// score to all processes that share the memory (proc(5), __set_oom_adj), so it
// is done when the child has memory of its own.
func (p *Process) restoreScore() error {
	if p.score == "" {
		return nil
	}
	return file.Set("/proc/self/oom_score_adj", p.score)
}

// Trace returns what came of each step so far, in order.
func (p *Process) Trace() []plan.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.prog != nil {
		return p.prog.trace(false)
	}
	return p.trace
}

// Wait waits until the process has ended, started or not, and takes its status.
func (p *Process) Wait() (unix.WaitStatus, error) {
	ws, err := Reap(p.pid)
	p.mu.Lock()
	p.exited = true
	p.mu.Unlock()
	return ws, err
}

// Reap waits until a child of this process has ended, and takes its status.
func Reap(pid int) (unix.WaitStatus, error) {
	var ws unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &ws, unix.WALL, nil)
		// A process that makes its parent its tracer (PTRACE_TRACEME) has its
		// stops told here, too (ptrace(2)): it has not ended, whatever it says.
		if err == unix.EINTR || err == nil && ws.Stopped() {
			continue
		}
		return ws, os.NewSyscallError("wait4", err)
	}
}

// Signal sends a signal; a process that has ended is unix.ESRCH.
func (p *Process) Signal(s unix.Signal) error {
	if p.pidfd < 0 {
		return unix.ESRCH
	}
	return unix.PidfdSendSignal(p.pidfd, s, nil, 0)
}

// Close gives back what the launcher holds of the process: descriptors and
// memory. The process lives on; its terminal hangs up.
func (p *Process) Close() error {
	for _, fd := range []*int{&p.pidfd, &p.report, &p.start, &p.devpts} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.prog != nil {
		p.trace = p.prog.trace(false)
		if p.exited {
			p.prog.free()
		} // else it waits, in that memory, for somebody to start it
		p.prog = nil
	}
	if p.master != nil {
		return p.master.Close()
	}
	if p.hasMaster {
		p.hasMaster = false
		return unix.Close(p.masterFD)
	}
	return nil
}

// abandon kills and reaps a process whose launch failed.
func (p *Process) abandon() {
	if p.pid > 0 {
		unix.Kill(p.pid, unix.SIGKILL)
		p.Wait()
	}
	p.Close()
}

// openMaster hands the terminal's master to Go's poller.
func (p *Process) openMaster() error {
	if err := unix.SetNonblock(p.masterFD, true); err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	p.master = os.NewFile(uintptr(p.masterFD), "/dev/ptmx")
	p.hasMaster = false
	return nil
}

// Resize tells the terminal its new size; the process in its foreground gets
// SIGWINCH.
func Resize(master *os.File, cols, rows uint16) error {
	c, err := master.SyscallConn()
	if err != nil {
		return err
	}
	var e error
	err = c.Control(func(fd uintptr) {
		e = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("ioctl TIOCSWINSZ", e)
}
