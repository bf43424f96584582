//go:build linux

package seccomp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// data is struct seccomp_data.
type data struct {
	nr   uint32
	arch uint32
	args [6]uint64
}

func (d data) word(offset uint32) uint32 {
	var b [64]byte
	binary.LittleEndian.PutUint32(b[0:], d.nr)
	binary.LittleEndian.PutUint32(b[4:], d.arch)
	for i, a := range d.args {
		binary.LittleEndian.PutUint64(b[16+8*i:], a)
	}
	return binary.LittleEndian.Uint32(b[offset:])
}

// interpret runs a program as the kernel does, and refuses what the kernel's
// checker refuses.
func interpret(prog []Instruction, d data) (uint32, int, error) {
	var a uint32
	steps := 0
	for pc := 0; pc < len(prog); pc++ {
		steps++
		i := prog[pc]
		cond := false
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			if i.K%4 != 0 || i.K >= 64 {
				return 0, steps, fmt.Errorf("load at %d", i.K)
			}
			a = d.word(i.K)
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			a &= i.K
			continue
		case unix.BPF_RET | unix.BPF_K:
			return i.K, steps, nil
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(i.K)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			cond = a == i.K
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			cond = a > i.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			cond = a >= i.K
		default:
			return 0, steps, fmt.Errorf("instruction %#x", i.Code)
		}
		if cond {
			pc += int(i.JT)
		} else {
			pc += int(i.JF)
		}
	}
	return 0, steps, errors.New("the program runs off its end")
}

// reference says what a profile means, by reading it from top to bottom.
type reference struct {
	s        *specs.LinuxSeccomp
	fallback uint32
	byNumber map[uint32]map[uint32][]specs.LinuxSyscall // arch, number: what names it
	highest  map[uint32]int
}

func newReference(s *specs.LinuxSeccomp) *reference {
	r := &reference{s: s, byNumber: map[uint32]map[uint32][]specs.LinuxSyscall{}, highest: map[uint32]int{}}
	r.fallback, _ = action(s.DefaultAction, s.DefaultErrnoRet)
	tables := []listed{parseTable(auditX86_64, callsX86_64)}
	if slices.Contains(s.Architectures, specs.ArchX86) {
		tables = append(tables, parseTable(auditI386, callsI386))
	}
	for _, t := range tables {
		m := map[uint32][]specs.LinuxSyscall{}
		r.highest[t.audit] = -1
		for _, c := range s.Syscalls {
			for _, n := range c.Names {
				if nr, ok := t.numbers[n]; ok {
					m[uint32(nr)] = append(m[uint32(nr)], c)
					r.highest[t.audit] = max(r.highest[t.audit], nr)
				}
				if by, sub, ok := multiplexed(n); ok && t.audit == auditI386 {
					x := c
					x.Args = carried(c.Args, sub)
					m[uint32(by)] = append(m[uint32(by)], x)
				}
			}
		}
		r.byNumber[t.audit] = m
	}
	return r
}

func (r *reference) of(d data) uint32 {
	calls, ok := r.byNumber[d.arch]
	switch {
	case !ok:
		return retKillProcess
	case d.arch == auditX86_64 && d.nr >= x32Bit:
		return retErrno | uint32(unix.ENOSYS)
	}
	conditional := uint32(0)
	have := false
	for _, c := range calls[d.nr] {
		act, _ := action(c.Action, c.ErrnoRet)
		if act == r.fallback {
			continue
		}
		if len(c.Args) == 0 {
			return act
		}
		all := true
		for _, a := range c.Args {
			all = all && matches(a, d.args[a.Index])
		}
		if all && !have {
			conditional, have = act, true
		}
	}
	switch {
	case have:
		return conditional
	case len(calls[d.nr]) == 0 && r.fallback&0xffff0000 == retErrno && int(d.nr) > r.highest[d.arch]:
		return retErrno | uint32(unix.ENOSYS)
	}
	return r.fallback
}

func matches(a specs.LinuxSeccompArg, v uint64) bool {
	switch a.Op {
	case specs.OpEqualTo:
		return v == a.Value
	case specs.OpNotEqual:
		return v != a.Value
	case specs.OpLessThan:
		return v < a.Value
	case specs.OpLessEqual:
		return v <= a.Value
	case specs.OpGreaterThan:
		return v > a.Value
	case specs.OpGreaterEqual:
		return v >= a.Value
	case specs.OpMaskedEqual:
		return v&a.Value == a.ValueTwo
	}
	panic(a.Op)
}

// edges are values around everything that the profile compares with.
func edges(s *specs.LinuxSeccomp) []uint64 {
	l := []uint64{0, 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, ^uint64(0)}
	for _, c := range s.Syscalls {
		for _, a := range c.Args {
			for _, v := range []uint64{a.Value, a.ValueTwo} {
				l = append(l, v-1, v, v+1, v+1<<32, v|1<<63, ^v)
			}
		}
	}
	slices.Sort(l)
	return slices.Compact(l)
}

func compareAll(t *testing.T, s *specs.LinuxSeccomp, prog []Instruction) int {
	t.Helper()
	n := 0
	ref := newReference(s)
	values := edges(s)
	for _, arch := range []uint32{auditX86_64, auditI386, auditAArch64, 0} {
		for nr := range uint32(520) {
			for _, nr := range []uint32{nr, nr | x32Bit} {
				for _, v := range values {
					d := data{nr: nr, arch: arch}
					for i := range d.args {
						d.args[i] = v
					}
					got, _, err := interpret(prog, d)
					if err != nil {
						t.Fatalf("call %d arch %#x: %v", nr, arch, err)
					}
					if want := ref.of(d); got != want {
						t.Fatalf("call %d arch %#x arguments %#x: %#x, want %#x", nr, arch, v, got, want)
					}
					n++
				}
			}
		}
	}
	return n
}

func TestDefaultProfileMeansWhatItSays(t *testing.T) {
	for _, caps := range [][]string{nil, {"CAP_CHOWN", "CAP_NET_RAW", "CAP_SYS_CHROOT"}, {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE"}} {
		s, err := Default(caps)
		if err != nil {
			t.Fatal(err)
		}
		prog, err := compileFor(s, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		n := compareAll(t, s, prog)
		t.Logf("%v: %d instructions, %d calls compared", caps, len(prog), n)
	}
}

func TestDefaultProfileRefuses(t *testing.T) {
	s, err := Default([]string{"CAP_CHOWN", "CAP_NET_RAW", "CAP_SETUID"})
	if err != nil {
		t.Fatal(err)
	}
	prog, err := compileFor(s, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	numbers := parseTable(auditX86_64, callsX86_64).numbers
	eperm, enosys := retErrno|uint32(unix.EPERM), retErrno|uint32(unix.ENOSYS)
	for _, c := range []struct {
		name string
		arg  uint64
		want uint32
	}{
		{"unshare", 0, eperm},
		{"mount", 0, eperm},
		{"keyctl", 0, eperm},
		{"bpf", 0, eperm},
		{"userfaultfd", 0, eperm},
		{"io_uring_setup", 0, eperm},
		{"setns", 0, eperm},
		{"clone3", 0, enosys},
		{"clone", unix.CLONE_NEWUSER, eperm},
		{"clone", unix.CLONE_VM, retAllow},
		{"socket", unix.AF_VSOCK, eperm},
		{"socket", unix.AF_ALG, eperm},
		{"socket", unix.AF_INET, retAllow},
		{"read", 0, retAllow},
		{"execve", 0, retAllow},
		{"personality", 0x0400000, eperm},
		{"personality", 0xffffffff, retAllow},
		{"open_by_handle_at", 0, eperm},
		{"kexec_load", 0, eperm},
	} {
		nr, ok := numbers[c.name]
		if !ok {
			t.Fatalf("no call %s", c.name)
		}
		got, steps, err := interpret(prog, data{nr: uint32(nr), arch: auditX86_64, args: [6]uint64{c.arg}})
		if err != nil || got != c.want {
			t.Errorf("%s(%#x): %#x after %d instructions, want %#x (%v)", c.name, c.arg, got, steps, c.want, err)
		}
	}
	got, _, _ := interpret(prog, data{nr: 900, arch: auditX86_64})
	if got != enosys {
		t.Errorf("a call of the future: %#x, want ENOSYS", got)
	}
}

// TestRandomProfiles compares programs of profiles that nobody would write.
func TestRandomProfiles(t *testing.T) {
	ops := []specs.LinuxSeccompOperator{specs.OpEqualTo, specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterThan, specs.OpGreaterEqual, specs.OpMaskedEqual}
	acts := []specs.LinuxSeccompAction{specs.ActAllow, specs.ActErrno, specs.ActKill, specs.ActKillProcess, specs.ActTrap, specs.ActLog, specs.ActTrace, specs.ActNotify}
	var names []string
	for n := range parseTable(auditX86_64, callsX86_64).numbers {
		names = append(names, n)
	}
	slices.Sort(names)
	r := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		s := &specs.LinuxSeccomp{DefaultAction: acts[r.IntN(len(acts))]}
		if r.IntN(2) == 0 {
			s.Architectures = []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}
		}
		for range 1 + r.IntN(40) {
			c := specs.LinuxSyscall{Action: acts[r.IntN(len(acts))]}
			for range 1 + r.IntN(12) {
				c.Names = append(c.Names, names[r.IntN(len(names))])
			}
			if r.IntN(2) == 0 {
				for i := range 1 + r.IntN(2) {
					v := r.Uint64() >> r.IntN(64)
					c.Args = append(c.Args, specs.LinuxSeccompArg{Index: uint(3 * i), Value: v, ValueTwo: v & r.Uint64(), Op: ops[r.IntN(len(ops))]})
				}
			}
			s.Syscalls = append(s.Syscalls, c)
		}
		prog, err := compileFor(s, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		compareAll(t, s, prog)
	}
}

func TestProfilesThatAreRefused(t *testing.T) {
	many := uint(5000)
	for _, s := range []*specs.LinuxSeccomp{
		{DefaultAction: "SCMP_ACT_ASK"},
		{DefaultAction: specs.ActErrno, DefaultErrnoRet: &many},
		{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Index: 6, Op: specs.OpEqualTo}}}}},
		{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Index: 0, Op: "SCMP_CMP_XX"}}}}},
	} {
		_, err := compileFor(s, "amd64")
		var e *fault.Error
		if !errors.As(err, &e) || e.Code == "" {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	s, err := Default(nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Compile(s); err != nil {
			b.Fatal(err)
		}
	}
}
