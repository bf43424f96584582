//go:build linux

package launch

import (
	"fmt"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/plan"
)

// failed reports whether a script stopped at an op.
func (p *program) failed() bool {
	for _, s := range p.scripts {
		if s != nil && s.ledger.failed != 0 {
			return true
		}
	}
	return false
}

// failure returns the error of the op that stopped a script, in words.
func (p *program) failure(command string) error {
	for w, s := range p.scripts {
		if s == nil || s.ledger.failed == 0 {
			continue
		}
		e := syscall.Errno(s.ledger.errno)
		i := int(s.ledger.failed) - 1
		if i >= len(p.owner[w]) {
			return hostError("clone", p.plan.Clone, e)
		}
		r := p.owner[w][i]
		p.plan.Describe()
		return stepError(&p.plan.Steps[r.step], &p.plan.Steps[r.step].Calls[r.call], e, command)
	}
	return fault.New(fault.ErrHost, "launch-killed",
		"the process was killed while its container was being made: see the kernel's log for out of memory or a seccomp filter")
}

// stepError words an error of a call. The words of a missing command are those
// that callers of runc match on.
func stepError(s *plan.Step, c *plan.Call, e syscall.Errno, command string) error {
	switch {
	case c.Name == plan.Lookup:
		return commandError(command, e)
	case s.Code == "execute":
		return execError(command, e)
	case e == errCheck && c.Check == plan.CheckInside:
		return fault.New(fault.ErrInvalid, "cwd-outside", "the working folder lies outside of the container's root", "step", s.Code)
	case e == errCheck && c.Check == plan.CheckNotProc:
		path := s.Args["path"]
		if s.Code == "bind-console" {
			path = "/dev/console"
		}
		return fault.New(fault.ErrInvalid, "mount-over-proc", fmt.Sprintf("%q cannot be mounted because it is inside /proc", path), "path", path)
	case e == errCheck:
		return fault.New(fault.ErrHost, "launcher-gone", "step "+s.Code+": the launcher went away")
	case s.Code == "change-folder":
		path := s.Args["path"]
		err := fault.New(fault.ErrInvalid, "bad-cwd", fmt.Sprintf("chdir to cwd (%q) set in config.json failed", path), "path", path)
		err.Err = e
		return err
	case s.Code == "make-cwd":
		path := s.Args["path"]
		err := fault.New(fault.ErrInvalid, "bad-cwd", "mkdir "+path, "path", path)
		err.Err = e
		return err
	case s.Code == "open-bind" && e == unix.ENOENT:
		err := fault.New(fault.ErrInvalid, "bind-source-missing", fmt.Sprintf("bind source %q", s.Args["source"]), "source", s.Args["source"])
		err.Err = e
		return err
	}
	err := fault.New(fault.ErrHost, "step-failed", fmt.Sprintf("step %s: %s", s.Code, c),
		"step", s.Code, "call", c.String(), "errno", errnoName(e))
	err.Err = e
	return err
}

func commandError(command string, e syscall.Errno) error {
	const missing, unfit = "command-not-found", "command-not-executable"
	kind, code := fault.ErrInvalid, missing
	var words string
	switch {
	case e == unix.ENOENT && !strings.Contains(command, "/"):
		words = "executable file not found in $PATH"
	case e == unix.EACCES || e == unix.EPERM:
		code, words = unfit, "permission denied"
	case e == unix.EISDIR:
		code, words = unfit, "is a directory"
	default:
		words = "stat " + command + ": " + e.Error()
	}
	return fault.New(kind, code, fmt.Sprintf("exec: %q: %s", command, words), "command", command)
}

func execError(command string, e syscall.Errno) error {
	code := "command-not-executable"
	if e == unix.ENOENT {
		code = "command-not-found" // the interpreter or the dynamic linker is missing
	}
	return fault.New(fault.ErrInvalid, code, fmt.Sprintf("exec %s: %s", command, e), "command", command, "errno", errnoName(e))
}

// hostError words a failed clone.
func hostError(call, flags string, e syscall.Errno) error {
	advice := ""
	switch e {
	case unix.EPERM:
		advice = " (namespaces need root or user namespaces: see sysctl kernel.unprivileged_userns_clone)"
	case unix.ENOSPC, unix.EUSERS:
		advice = " (user namespaces are disabled or used up: see sysctl user.max_user_namespaces)"
	case unix.EAGAIN:
		advice = " (too many processes: see the pids limit)"
	}
	err := fault.New(fault.ErrHost, "no-namespaces", fmt.Sprintf("%s(%s)%s", call, flags, advice), "call", call, "flags", flags, "errno", errnoName(e))
	err.Err = e
	return err
}

// trace reads the ledgers. ended says that the scripts have ended: an op that
// the child began and that is not marked is then the execve that succeeded.
func (p *program) trace(ended bool) []plan.Result {
	var first int64
	var l []plan.Result
	at := map[int]int{}
	for w, s := range p.scripts {
		if s == nil {
			continue
		}
		begin := nanos(s.ledger.begin)
		if begin == 0 {
			continue
		}
		if first == 0 || begin < first {
			first = begin
		}
		last := begin
		failed := int(s.ledger.failed) - 1
		quiet := false
		for i := range s.ops {
			mark := nanos(*s.mark(i))
			step := p.owner[w][i].step
			k, ok := at[step]
			quiet = quiet || s.ops[i].quiet
			// Behind the filter no time is taken, and execve leaves no mark.
			unmarked := ended && (failed < 0 || i <= failed) && (quiet || i == len(s.ops)-1)
			if mark == 0 && !unmarked {
				continue
			}
			if !ok {
				k = len(l)
				at[step] = k
				l = append(l, plan.Result{Step: step, Code: p.plan.Steps[step].Code, Start: last, OK: true})
			}
			l[k].Calls++
			if mark != 0 {
				l[k].Took = mark - l[k].Start
				last = mark
			}
			if i == failed {
				l[k].OK = false
				l[k].Errno = errnoName(syscall.Errno(s.ledger.errno))
			}
		}
	}
	for i := range l {
		l[i].Start -= first
	}
	return l
}

func (s *script) mark(i int) *unix.Timespec {
	a := s.ledger.marks + uintptr(i)*16
	return *(**unix.Timespec)(unsafe.Pointer(&a))
}

func nanos(t unix.Timespec) int64 { return t.Sec*1e9 + t.Nsec }
