//go:build linux

package launch

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/plan"
)

// The three hooks that package syscall calls around its own forks. They block
// signals, so that no handler of the parent runs in the child, and put the
// child's handlers back to their defaults.

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// op is one prepared system call.
type op struct {
	nr    uintptr
	a     [6]uintptr
	refs  uint8 // bit i: a[i] is the number of a slot, whose value is meant
	out   int16 // slot that takes the result; -1: none
	kind  opKind
	check checkKind
	quiet bool // from here on no call of our own: a filter may kill for it
	n     uint8
	on    [4]branch
}

// branch says where to go on after a result; errno 0 is success.
type branch struct {
	errno uint16
	skip  uint16
}

type opKind uint8

const (
	opSyscall opKind = iota
	opLookup
)

type checkKind uint8

const (
	checkNone checkKind = iota
	checkOne
	checkInside
	checkNotProc
)

// Errors of our own in a ledger, beyond the kernel's.
const (
	errCheck = 4000 + iota // a check failed; its kind is that of the op
)

// script is a list of ops with where to note what came of them. It and all that
// it points to lies in an arena.
type script struct {
	ops    []op
	slots  []uintptr // ours are shared by our scripts, the children's by theirs
	ledger *ledger
}

// ledger is what a script leaves behind, in shared memory. marks follow it.
type ledger struct {
	begin  unix.Timespec
	failed int64 // index of the op, plus one
	errno  int64
	pid    int64 // of the second child, where a first one enters namespaces
	marks  uintptr
}

// run makes the calls and reports whether all went well.
//
// It runs in the child of a fork too: it must not be split, instrumented or
// allocate.
//
//go:nosplit
//go:norace
//go:noinline
func run(s *script) bool {
	var a [6]uintptr
	quiet := false
	l := s.ledger
	syscall.RawSyscall6(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&l.begin)), 0, 0, 0, 0)
	for i := 0; i < len(s.ops); i++ {
		o := &s.ops[i]
		for j := 0; j < 6; j++ {
			a[j] = o.a[j]
			if o.refs&(1<<j) != 0 {
				a[j] = s.slots[a[j]]
			}
		}
		var r uintptr
		var e syscall.Errno
		if o.kind == opLookup {
			r, e = lookup(a[1])
		} else {
			for {
				r, _, e = syscall.RawSyscall6(o.nr, a[0], a[1], a[2], a[3], a[4], a[5])
				if e != syscall.EINTR {
					break
				}
			}
		}
		if e == 0 && o.check != checkNone && !holds(o.check, r, a[0], a[1]) {
			e = errCheck
		}
		skip := 0
		known := e == 0
		for j := 0; j < int(o.n); j++ {
			if o.on[j].errno == uint16(e) {
				known, skip = true, int(o.on[j].skip)
				break
			}
		}
		if o.quiet {
			quiet = true
		}
		if !quiet {
			syscall.RawSyscall6(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, l.marks+uintptr(i)*16, 0, 0, 0, 0)
		}
		if !known {
			l.errno, l.failed = int64(e), int64(i)+1
			return false
		}
		if e == 0 && o.out >= 0 {
			s.slots[o.out] = r
		}
		i += skip
	}
	return true
}

// lookup returns the first path of a NULL-ended list that is not a folder and
// may be executed by the effective user.
//
//go:nosplit
//go:norace
func lookup(list uintptr) (uintptr, syscall.Errno) {
	const atFDCWD = ^uintptr(99) // -100
	last := syscall.ENOENT
	n := 0
	for ; ; list += unsafe.Sizeof(list) {
		p := **(**uintptr)(unsafe.Pointer(&list)) // memory outside the heap, see arena
		if p == 0 {
			break
		}
		n++
		fd, _, e := syscall.RawSyscall6(unix.SYS_OPENAT, atFDCWD, p, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, 0, 0)
		if e == 0 {
			syscall.RawSyscall6(unix.SYS_CLOSE, fd, 0, 0, 0, 0, 0)
			last = syscall.EISDIR
			continue
		}
		_, _, e = syscall.RawSyscall6(unix.SYS_FACCESSAT2, atFDCWD, p, unix.X_OK, unix.AT_EACCESS, 0, 0)
		if e == syscall.ENOSYS || e == syscall.EPERM {
			// The container's filter, or a kernel before 5.8: real and
			// effective user are one here, so the older call says the same.
			_, _, e = syscall.RawSyscall6(unix.SYS_FACCESSAT, atFDCWD, p, unix.X_OK, 0, 0, 0)
		}
		if e == 0 || e == syscall.ENOSYS || e == syscall.EPERM {
			return p, 0 // where nobody may ask, execve tells
		}
		last = e
	}
	if n > 1 {
		// Of several paths none was fit: not found, in exec.LookPath's words.
		last = syscall.ENOENT
	}
	return 0, last
}

// holds tests a check after a call that returned r.
//
//go:nosplit
//go:norace
func holds(k checkKind, r, a0, a1 uintptr) bool {
	switch k {
	case checkOne:
		return r == 1
	case checkInside:
		return **(**byte)(unsafe.Pointer(&a0)) == '/'
	case checkNotProc:
		return **(**int64)(unsafe.Pointer(&a1)) != unix.PROC_SUPER_MAGIC
	}
	return true
}

// births is what the children of one launch are born from: the child, and where
// a first one enters namespaces before, that one too.
type births struct {
	first, second birth
	stacks        uintptr // lower end of two of stackSize
}

// birth is one child.
type birth struct {
	args   cloneArgs
	flags  uintptr // for the older clone(2)
	shared bool    // the child has our memory, else a copy
	mask   uint64  // signals that it blocks
	script *script
	then   *birth // after the script: the sibling that it starts; nil: none
}

// cloneArgs is struct clone_args of clone3(2), of Linux 5.7: an older kernel
// takes what is longer than it knows as long as it is zero.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// stackSize is ample: nothing that a child runs before execve may grow a stack,
// so the linker has counted its frames (less than 1 KiB).
const stackSize = 16 << 10

const cloneClearSighand = 0x100000000 // CLONE_CLEAR_SIGHAND, Linux 5.5

// fork starts a child that runs a script. With a join script, a first child
// runs that one and then starts the second as its own sibling, which runs the
// script proper; the first one ends, and the caller must wait for it.
//
// The child shares our memory, as after vfork(2), but has a stack of its own and
// does not keep us waiting. Copying the memory of a Go program takes 0.3 ms, and
// then each page that either of us writes to a fault. All that the child reads
// and writes lies in the arena, which stays until it has done execve. Nor may a
// signal find Go's handlers in it: CLONE_CLEAR_SIGHAND takes them away. Where the
// kernel refuses that, or a filter clone3, it is a fork as in package syscall.
//
// Whom we start ourselves is born in the cgroup, if the plan has one for that;
// a sibling is born where its starter is. No fork of the older kind can do that.
//
//go:norace
//go:noinline
func fork(flags uint64, p *program) (int, syscall.Errno) {
	b := p.births
	into := flags & unix.CLONE_INTO_CGROUP
	flags &^= unix.CLONE_INTO_CGROUP
	b.first.prepare(flags|into, unix.SIGCHLD, b.stacks+stackSize, p.scripts[child])
	if p.scripts[join] != nil {
		// The exit signal of a sibling is its starter's.
		b.second.prepare(flags|unix.CLONE_PARENT, 0, b.stacks+2*stackSize, p.scripts[child])
		b.first.prepare(into, unix.SIGCHLD, b.stacks+stackSize, p.scripts[join])
		b.first.then = &b.second
	}
	if into != 0 {
		b.first.args.cgroup = uint64(p.slots[p.names[plan.CgroupFolder]])
	}
	copy(p.scripts[child].slots, p.slots)
	if canShare && !p.plan.Apart || into != 0 {
		pid, e := b.start(true)
		if into != 0 || e != syscall.ENOSYS && e != syscall.EINVAL {
			return pid, e
		}
	}
	return b.start(false)
}

func (b *birth) prepare(flags uint64, signal syscall.Signal, stackTop uintptr, s *script) {
	b.args = cloneArgs{
		flags: flags | unix.CLONE_VM | cloneClearSighand, exitSignal: uint64(signal),
		stack: uint64(stackTop - stackSize), stackSize: stackSize,
	}
	b.flags, b.script = uintptr(flags|uint64(unix.SIGCHLD)), s
}

//go:norace
//go:noinline
func (b *births) start(shared bool) (int, syscall.Errno) {
	b.first.shared, b.second.shared = shared, shared
	var mask uint64
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, 0, uintptr(unsafe.Pointer(&mask)), 8, 0, 0)
	b.first.mask, b.second.mask = mask, mask
	beforeFork()
	if shared {
		pid := spawn(&b.first)
		afterFork()
		if pid > ^uintptr(4095) {
			return 0, syscall.Errno(-pid)
		}
		return int(pid), 0
	}
	pid, _, e := syscall.RawSyscall6(unix.SYS_CLONE, b.first.flags, 0, 0, 0, 0, 0)
	if e != 0 || pid != 0 {
		afterFork()
		return int(pid), e
	}
	afterForkInChild()
	live(&b.first)
	return 0, 0
}

// live is the life of a child; it never returns.
//
//go:nosplit
//go:norace
func live(b *birth) {
	if b.shared {
		syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&b.mask)), 0, 8, 0, 0)
	}
	if !run(b.script) || b.then == nil {
		exit(1)
	}
	var pid uintptr
	var e syscall.Errno
	if b.shared {
		if pid = spawn(b.then); pid > ^uintptr(4095) {
			pid, e = 0, syscall.Errno(-pid)
		}
	} else {
		pid, _, e = syscall.RawSyscall6(unix.SYS_CLONE, b.then.flags, 0, 0, 0, 0, 0)
		if e == 0 && pid == 0 {
			run(b.then.script)
			exit(1)
		}
	}
	l := b.script.ledger
	if e != 0 {
		l.errno, l.failed = int64(e), int64(len(b.script.ops))+1
		exit(1)
	}
	l.pid = int64(pid)
	exit(0)
}

// exit ends the child. A filter that forbids even that is answered by a fault,
// which ends the first process of a pid namespace too.
//
//go:nosplit
//go:norace
func exit(code uintptr) {
	syscall.RawSyscall6(unix.SYS_EXIT_GROUP, code, 0, 0, 0, 0, 0)
	for {
		*(*int)(nil) = 0
	}
}
