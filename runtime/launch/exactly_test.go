//go:build linux && amd64

package launch

import (
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/runtime/launch/abi"
	"github.com/layerlab/layerlab/runtime/plan"
)

// made is one system call that a process made, as the kernel saw it.
type made struct {
	nr   uint64
	a    [6]uint64
	text [6]string // what an argument points to, up to a zero byte
	ret  int64
}

// watched runs a program under ptrace(2) and returns the calls of the first
// process that it starts, up to and with its execve.
func watched(t *testing.T, argv []string, stdin *os.File) []made {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := os.StartProcess(argv[0], argv, &os.ProcAttr{Files: []*os.File{stdin, os.Stderr, os.Stderr}, Sys: &syscall.SysProcAttr{Ptrace: true}})
	if err != nil {
		t.Fatal(err)
	}
	launcher := p.Pid
	var ws unix.WaitStatus
	if _, err := unix.Wait4(launcher, &ws, 0, nil); err != nil {
		t.Fatal(err)
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(launcher, options); err != nil {
		t.Fatal(err)
	}
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(launcher, &regs); errors.Is(err, unix.EIO) {
		p.Kill()
		p.Wait()
		t.Skip("ptrace tells no registers here (User-Mode Linux)")
	}
	var calls []made
	child, inside := 0, map[int]bool{}
	resume := func(pid, signal int) {
		if err := unix.PtraceSyscall(pid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Errorf("resume %d: %v", pid, err)
		}
	}
	resume(launcher, 0)
	for {
		pid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return calls // nobody is left
		}
		if ws.Exited() || ws.Signaled() {
			continue
		}
		if child == 0 && pid != launcher && group(pid) == pid {
			child = pid
		}
		switch sig := ws.StopSignal(); {
		case sig == unix.SIGTRAP|0x80:
			if pid == child {
				var r unix.PtraceRegs
				if err := unix.PtraceGetRegs(pid, &r); err != nil {
					t.Fatal(err)
				}
				if inside[pid] = !inside[pid]; inside[pid] {
					m := made{nr: r.Orig_rax, a: [6]uint64{r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9}}
					for i, at := range m.a {
						m.text[i] = textAt(pid, at)
					}
					calls = append(calls, m)
				} else if n := len(calls); n > 0 {
					calls[n-1].ret = int64(r.Rax)
					if calls[n-1].nr == unix.SYS_EXECVE && calls[n-1].ret == 0 {
						child = -1
					}
				}
			}
			resume(pid, 0)
		case sig == unix.SIGTRAP || sig == unix.SIGSTOP:
			resume(pid, 0)
		default:
			resume(pid, int(sig))
		}
	}
}

// group returns the process that a thread belongs to.
func group(tid int) int {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/status")
	_, rest, _ := strings.Cut(string(b), "Tgid:")
	n, _ := strconv.Atoi(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]))
	return n
}

func textAt(pid int, at uint64) string {
	if at < 4096 {
		return ""
	}
	b := make([]byte, 4096)
	n, _ := unix.PtracePeekData(pid, uintptr(at), b)
	s, _, _ := strings.Cut(string(b[:n]), "\x00")
	return s
}

// TestTheChildDoesThePlanAndNothingElse lets the kernel say which system calls
// a container's process made before its command, and reads them beside the plan.
func TestTheChildDoesThePlanAndNothingElse(t *testing.T) {
	withAndWithoutUsers(t, func(t *testing.T, root string, s *specs.Spec) {
		s.Process.Args = []string{"/bin/probe", "inside:true"}
		s.Linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": "81"}
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := w.Write(raw); err != nil {
			t.Fatal(err)
		}
		w.Close()
		program, err := static()
		if err != nil {
			t.Fatal(err)
		}
		calls := watched(t, []string{program, "inside:launch"}, r)
		pl, err := plan.For(s, plan.Options{LastCap: lastCap(), OpenFiles: openFiles(), Hierarchies: cgroup.Hierarchies()})
		if err != nil {
			t.Fatal(err)
		}
		compareToPlan(t, pl, calls)
	})
}

func compareToPlan(t *testing.T, pl *plan.Plan, calls []made) {
	t.Helper()
	// What is not the plan's: the time after each call, and once the signals
	// that the launcher blocked.
	var done []made
	overhead := map[uint64]int{}
	for _, m := range calls {
		if m.nr == unix.SYS_CLOCK_GETTIME || m.nr == unix.SYS_RT_SIGPROCMASK || m.nr == unix.SYS_RT_SIGACTION {
			overhead[m.nr]++
			continue
		}
		done = append(done, m)
	}
	results := map[string]int64{}
	next := func(what string) made {
		if len(done) == 0 {
			t.Fatalf("the child ended before: %s", what)
		}
		m := done[0]
		done = done[1:]
		return m
	}
	planned := 0
	for _, s := range pl.Steps {
		if s.Where != plan.Child {
			continue
		}
		for i := 0; i < len(s.Calls); i++ {
			c := s.Calls[i]
			planned++
			if c.Name == plan.Lookup {
				if m := next(c.String()); m.nr != unix.SYS_OPENAT || m.text[1] != c.Args[1].More.List[0] {
					t.Fatalf("%s: %+v", c, m)
				}
				if m := next(c.String()); m.nr != unix.SYS_FACCESSAT2 || m.text[1] != c.Args[1].More.List[0] {
					t.Fatalf("%s: %+v", c, m)
				}
				continue
			}
			m := next(c.String())
			nr, _ := abi.Call(c.Name)
			if uint64(nr) != m.nr {
				t.Fatalf("step %s: %s: the child made call %d", s.Code, c, m.nr)
			}
			for j, a := range c.Args {
				compareArg(t, s.Code, c, j, a, m, results)
			}
			skip := 0
			known := m.ret >= 0
			for _, o := range c.On {
				e, _ := abi.Errno(o.Errno)
				if int64(e) == -m.ret || o.Errno == "" && m.ret >= 0 {
					known, skip = true, o.Skip
					break
				}
			}
			if !known {
				t.Fatalf("step %s: %s: %d", s.Code, c, m.ret)
			}
			if c.Out != "" && m.ret >= 0 {
				results[c.Out] = m.ret
			}
			i += skip
		}
	}
	if len(done) > 0 {
		t.Errorf("the child did more than the plan: %+v", done)
	}
	t.Logf("%d calls of the plan, %d made, besides %v", planned, len(calls), overhead)
}

func compareArg(t *testing.T, step string, c plan.Call, j int, a plan.Arg, m made, results map[string]int64) {
	t.Helper()
	wrong := func(want any) {
		t.Errorf("step %s: %s: argument %d is %#x %q, want %v", step, c, j, m.a[j], m.text[j], want)
	}
	switch a.Kind {
	case plan.KindNum, plan.KindOctal:
		if m.a[j] != a.Num {
			wrong(a.Num)
		}
	case plan.KindFlags:
		v, err := abi.Value(a.Text)
		if err != nil || m.a[j] != v {
			wrong(v)
		}
	case plan.KindString:
		if a.Num == 1 && m.a[j] != 0 || a.Num == 0 && m.text[j] != a.Text {
			wrong(a)
		}
	case plan.KindRef:
		// Results of the host's steps are not among the child's.
		if v, ok := results[a.Text]; ok && m.a[j] != uint64(v) {
			wrong(v)
		}
	}
}
