//go:build linux && amd64

package launch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The ways into the kernel that a program of x86 has.
const (
	bySyscall = "syscall"  // x86-64
	byInt80   = "int 0x80" // i386, from a program of either kind
	byInt80In = "int 0x80 of a 32-bit program"
)

// elfOf returns an ELF file that makes one system call without arguments and
// exits with the error that it got, or 0.
func elfOf(t *testing.T, way string, nr uint32) []byte {
	t.Helper()
	enter, exit := []byte{0x0f, 0x05}, uint32(unix.SYS_EXIT)
	if way != bySyscall {
		enter, exit = []byte{0xcd, 0x80}, 1
	}
	var code []byte
	zero := func(modrm byte) { code = append(code, 0x31, modrm) }
	for _, r := range []byte{0xdb, 0xc9, 0xd2, 0xf6, 0xff} { // xor of ebx, ecx, edx, esi, edi
		zero(r)
	}
	mov := func(op byte, v uint32) { code = binary.LittleEndian.AppendUint32(append(code, op), v) }
	mov(0xb8, nr) // mov eax, nr
	code = append(code, enter...)
	code = append(code, 0x3d, 0x01, 0xf0, 0xff, 0xff) // cmp eax, -4095
	code = append(code, 0x73, 0x02)                   // jae +2: an error
	zero(0xc0)                                        // xor eax, eax
	code = append(code, 0xf7, 0xd8)                   // neg eax
	code = append(code, 0x89, 0xc3, 0x89, 0xc7)       // mov ebx, eax; mov edi, eax
	mov(0xb8, exit)
	code = append(code, enter...)

	var b bytes.Buffer
	put := func(v ...any) {
		for _, x := range v {
			if err := binary.Write(&b, binary.LittleEndian, x); err != nil {
				t.Fatal(err)
			}
		}
	}
	const base = 0x400000
	if way == byInt80In {
		const head = 52 + 32
		put([]byte("\x7fELF\x01\x01\x01"), make([]byte, 9), uint16(2), uint16(3), uint32(1), uint32(base+head), uint32(52), uint32(0), uint32(0),
			uint16(52), uint16(32), uint16(1), uint16(0), uint16(0), uint16(0))
		put(uint32(1), uint32(0), uint32(base), uint32(base), uint32(head+len(code)), uint32(head+len(code)), uint32(5), uint32(0x1000))
	} else {
		const head = 64 + 56
		put([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9), uint16(2), uint16(62), uint32(1), uint64(base+head), uint64(64), uint64(0), uint32(0),
			uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0))
		put(uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), uint64(head+len(code)), uint64(head+len(code)), uint64(0x1000))
	}
	put(code)
	return b.Bytes()
}

// numbers differ between the interfaces: what is mount in one is access or
// another call in the other.
const (
	getpid64, mount64, uname64 = 39, 165, 63
	getpid32, mount32          = 20, 21
	keyctl32                   = 288
	x32                        = 0x40000000
)

// ia32 reports whether this kernel runs 32-bit programs at all.
func ia32(t *testing.T) bool {
	t.Helper()
	p := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(p, elfOf(t, byInt80In, getpid32), 0o755); err != nil {
		t.Fatal(err)
	}
	proc, err := os.StartProcess(p, []string{p}, &os.ProcAttr{})
	if errors.Is(err, unix.ENOEXEC) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	st, err := proc.Wait()
	return err == nil && st.Success()
}

// TestFilterHoldsForEveryWayIn runs real programs behind filters: each action,
// and each interface of the processor.
func TestFilterHoldsForEveryWayIn(t *testing.T) {
	needRoot(t)
	errno := func(n uint) *uint { return &n }
	allow := func(rules ...specs.LinuxSyscall) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: rules}
	}
	both := func(s *specs.LinuxSeccomp) *specs.LinuxSeccomp {
		s.Architectures = []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}
		return s
	}
	rule := func(name string, a specs.LinuxSeccompAction, n *uint) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{name}, Action: a, ErrnoRet: n}
	}
	docker := serverSpec(t, "/").Linux.Seccomp
	has32 := ia32(t)
	for _, c := range []struct {
		name   string
		filter *specs.LinuxSeccomp
		way    string
		nr     uint32
		code   int         // exit code: the error
		signal unix.Signal // or what it died of
	}{
		{"allow", allow(), bySyscall, uname64, int(unix.EFAULT), 0},
		{"errno", allow(rule("uname", specs.ActErrno, errno(77))), bySyscall, uname64, 77, 0},
		{"errno's default", allow(rule("uname", specs.ActErrno, nil)), bySyscall, uname64, int(unix.EPERM), 0},
		{"log", allow(rule("uname", specs.ActLog, nil)), bySyscall, uname64, int(unix.EFAULT), 0},
		{"trap", allow(rule("uname", specs.ActTrap, nil)), bySyscall, uname64, 0, unix.SIGSYS},
		{"kill", allow(rule("uname", specs.ActKill, nil)), bySyscall, uname64, 0, unix.SIGSYS},
		{"kill thread", allow(rule("uname", specs.ActKillThread, nil)), bySyscall, uname64, 0, unix.SIGSYS},
		{"kill process", allow(rule("uname", specs.ActKillProcess, nil)), bySyscall, uname64, 0, unix.SIGSYS},
		{"trace without tracer", allow(rule("uname", specs.ActTrace, nil)), bySyscall, uname64, int(unix.ENOSYS), 0},
		{"x32", both(allow()), bySyscall, x32 | getpid64, int(unix.ENOSYS), 0},
		{"x32 of a refused call", both(allow(rule("mount", specs.ActErrno, nil))), bySyscall, x32 | mount64, int(unix.ENOSYS), 0},

		{"i386 not named", allow(), byInt80, getpid32, 0, unix.SIGSYS},
		{"i386 not named", allow(), byInt80In, getpid32, 0, unix.SIGSYS},
		{"i386 named", both(allow()), byInt80, getpid32, 0, 0},
		{"i386 has its own numbers", both(allow(rule("mount", specs.ActErrno, errno(77)))), byInt80, mount32, 77, 0},
		{"i386 has its own numbers", both(allow(rule("mount", specs.ActErrno, errno(77)))), byInt80In, mount32, 77, 0},
		{"x86-64's number means another call", both(allow(rule("getpid", specs.ActErrno, errno(77)))), byInt80, getpid64, int(unix.EFAULT), 0},
		{"docker's profile", docker, byInt80, keyctl32, int(unix.EPERM), 0},
		{"docker's profile", docker, byInt80In, keyctl32, int(unix.EPERM), 0},
		{"docker's profile", docker, byInt80In, mount32, int(unix.EPERM), 0},
		{"docker's profile", docker, byInt80In, getpid32, 0, 0},
	} {
		t.Run(c.name+" by "+c.way, func(t *testing.T) {
			if c.way != bySyscall && !has32 {
				t.Skip("this kernel has no i386 interface (CONFIG_IA32_EMULATION)")
			}
			root := rootfs(t)
			if err := os.WriteFile(filepath.Join(root, "bin/call"), elfOf(t, c.way, c.nr), 0o755); err != nil {
				t.Fatal(err)
			}
			s := serverSpec(t, root)
			s.Process.Args = []string{"/bin/call"}
			s.Linux.Seccomp = c.filter
			p, err := Create(context.Background(), Config{Spec: s, Rootfs: -1, Stdio: [3]int{-1, -1, -1}})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if err := p.Start(); err != nil {
				t.Fatal(err)
			}
			ws, err := p.Wait()
			if err != nil {
				t.Fatal(err)
			}
			got := "exit " + strconv.Itoa(ws.ExitStatus())
			want := "exit " + strconv.Itoa(c.code)
			if ws.Signaled() {
				got = ws.Signal().String()
			}
			if c.signal != 0 {
				want = c.signal.String()
			}
			if got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}
