//go:build linux

package seccomp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// library builds the program that asks libseccomp.
func library(t *testing.T) string {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("the profiles are for x86-64")
	}
	if _, err := os.Stat("/usr/include/seccomp.h"); err != nil {
		t.Skip("needs libseccomp-dev: make needs")
	}
	bin := filepath.Join(t.TempDir(), "libseccomp")
	if out, err := exec.Command("gcc", "-Wall", "-Werror", "-o", bin, "testdata/libseccomp.c", "-lseccomp").CombinedOutput(); err != nil {
		t.Skipf("needs gcc and libseccomp-dev: %v: %s", err, out)
	}
	return bin
}

var errRefused = errors.New("libseccomp refuses the profile")

// theirs returns libseccomp's program of a profile, given to it as runc does.
func theirs(t *testing.T, bin string, s *specs.LinuxSeccomp) ([]Instruction, error) {
	t.Helper()
	fallback, err := action(s.DefaultAction, s.DefaultErrnoRet)
	if err != nil {
		t.Fatal(err)
	}
	var in bytes.Buffer
	fmt.Fprintln(&in, "default", fallback)
	for _, a := range s.Architectures {
		if name := map[specs.Arch]string{specs.ArchX86: "x86", specs.ArchX86_64: "x86_64"}[a]; name != "" {
			fmt.Fprintln(&in, "arch", name)
		}
	}
	ops := map[specs.LinuxSeccompOperator]int{
		specs.OpNotEqual: 1, specs.OpLessThan: 2, specs.OpLessEqual: 3, specs.OpEqualTo: 4, specs.OpGreaterEqual: 5, specs.OpGreaterThan: 6, specs.OpMaskedEqual: 7,
	}
	for _, c := range s.Syscalls {
		act, err := action(c.Action, c.ErrnoRet)
		if err != nil {
			t.Fatal(err)
		}
		if act == fallback {
			continue
		}
		for _, n := range c.Names {
			for _, g := range groups(c.Args) {
				fmt.Fprint(&in, "rule ", act, " ", n, " ", len(g))
				for _, a := range g {
					fmt.Fprint(&in, " ", a.Index, " ", ops[a.Op], " ", a.Value, " ", a.ValueTwo)
				}
				fmt.Fprintln(&in)
			}
		}
	}
	cmd := exec.Command(bin)
	cmd.Stdin = &in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var x *exec.ExitError
	if errors.As(err, &x) && x.ExitCode() == 2 {
		return nil, fmt.Errorf("%w: %s", errRefused, stderr.Bytes())
	}
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, stderr.Bytes(), in.Bytes())
	}
	var prog []Instruction
	for i := 0; i+8 <= len(out); i += 8 {
		prog = append(prog, Instruction{Code: binary.NativeEndian.Uint16(out[i:]), JT: out[i+2], JF: out[i+3], K: binary.NativeEndian.Uint32(out[i+4:])})
	}
	return prog, nil
}

// wider are values around what a profile compares with, as an architecture of so
// many bits passes them.
func wider(s *specs.LinuxSeccomp, mask uint64) []uint64 {
	var l []uint64
	for _, v := range edges(s) {
		l = append(l, v&mask)
	}
	slices.Sort(l)
	return slices.Compact(l)
}

// differential compares both programs for every call with many arguments, and
// returns how many answers were compared. Two answers are ours on purpose:
// ENOSYS for calls that are newer than the profile (as runc patches it in), and
// for x32.
func differential(t *testing.T, s *specs.LinuxSeccomp, ours, other []Instruction, values func(mask uint64) [][6]uint64) int {
	t.Helper()
	ref := newReference(s)
	archs := []uint32{auditX86_64, auditAArch64}
	if slices.Contains(s.Architectures, specs.ArchX86) {
		archs = append(archs, auditI386)
	}
	newer := retErrno | uint32(unix.ENOSYS)
	n := 0
	for _, arch := range archs {
		mask := ^uint64(0)
		if arch == auditI386 {
			mask = 1<<32 - 1
		}
		for _, args := range values(mask) {
			for nr := range uint32(480) {
				d := data{nr: nr, arch: arch, args: args}
				got, _, err := interpret(ours, d)
				if err != nil {
					t.Fatal(err)
				}
				want, _, err := interpret(other, d)
				if err != nil {
					t.Fatal(err)
				}
				if arch == auditAArch64 {
					want = retKillProcess // libseccomp's default for these kills the thread
				}
				if got != want && !(got == newer && want == ref.fallback && int(nr) > ref.highest[arch]) {
					t.Fatalf("call %d of %#x with %#x: %#x, libseccomp has %#x; rules %+v", nr, arch, args, got, want, ref.byNumber[arch][nr])
				}
				n++
			}
		}
	}
	return n
}

func equalArgs(s *specs.LinuxSeccomp) func(uint64) [][6]uint64 {
	return func(mask uint64) [][6]uint64 {
		var l [][6]uint64
		for _, v := range wider(s, mask) {
			l = append(l, [6]uint64{v, v, v, v, v, v})
		}
		return l
	}
}

func TestDefaultProfileIsLibseccomps(t *testing.T) {
	bin := library(t)
	for _, caps := range [][]string{nil, {"CAP_CHOWN", "CAP_NET_RAW", "CAP_SYS_CHROOT"}, {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_BPF"}} {
		s, err := Default(caps)
		if err != nil {
			t.Fatal(err)
		}
		s = known(s)
		ours, err := compileFor(s, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		other, err := theirs(t, bin, s)
		if err != nil {
			t.Fatal(err)
		}
		n := differential(t, s, ours, other, equalArgs(s))
		t.Logf("%v: %d answers equal; %d instructions, libseccomp has %d", caps, n, len(ours), len(other))
	}
}

// known leaves out of a profile the calls that are newer than Debian's
// libseccomp of 2022 (2.5.4, Linux 5.17).
func known(s *specs.LinuxSeccomp) *specs.LinuxSeccomp {
	numbers := parseTable(auditX86_64, callsX86_64).numbers
	c := *s
	c.Syscalls = nil
	for _, r := range s.Syscalls {
		names := r.Names
		r.Names = nil
		for _, n := range names {
			if nr, ok := numbers[n]; !ok || nr <= 449 && nr != 335 && nr != 336 {
				r.Names = append(r.Names, n)
			}
		}
		c.Syscalls = append(c.Syscalls, r)
	}
	return &c
}

func TestRandomProfilesAreLibseccomps(t *testing.T) {
	bin := library(t)
	ops := []specs.LinuxSeccompOperator{specs.OpEqualTo, specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterThan, specs.OpGreaterEqual, specs.OpMaskedEqual}
	acts := []specs.LinuxSeccompAction{specs.ActAllow, specs.ActErrno, specs.ActKillThread, specs.ActKillProcess, specs.ActTrap, specs.ActLog, specs.ActTrace, specs.ActNotify}
	var names []string
	for n, nr := range parseTable(auditX86_64, callsX86_64).numbers {
		if nr <= 449 && nr != 335 && nr != 336 {
			names = append(names, n)
		}
	}
	names = append(names, "socketcall", "ipc", "socket", "shmget", "send", "recv")
	slices.Sort(names)
	r := rand.New(rand.NewPCG(5, 6))
	answers, profiles, refused := 0, 0, 0
	for range 30 {
		s := &specs.LinuxSeccomp{DefaultAction: acts[r.IntN(len(acts))]}
		if r.IntN(2) == 0 {
			s.Architectures = []specs.Arch{specs.ArchX86_64, specs.ArchX86}
		}
		errno := uint(1 + r.IntN(100))
		for range 1 + r.IntN(60) {
			c := specs.LinuxSyscall{Action: acts[r.IntN(len(acts))]}
			if c.Action == specs.ActErrno || c.Action == specs.ActTrace {
				c.ErrnoRet = &errno
			}
			for range 1 + r.IntN(8) {
				c.Names = append(c.Names, names[r.IntN(len(names))])
			}
			if r.IntN(2) == 0 {
				for i := range 1 + r.IntN(3) {
					v := r.Uint64() >> (33 + r.IntN(30)) // i386 has 32 bits
					if s.Architectures == nil {
						v = r.Uint64() >> r.IntN(64)
					}
					c.Args = append(c.Args, specs.LinuxSeccompArg{Index: uint(2*i + r.IntN(2)), Value: v, ValueTwo: v & r.Uint64(), Op: ops[r.IntN(len(ops))]})
				}
			}
			// Rules of several conditions for one call overlap, and of which one
			// holds libseccomp has its own idea: one such rule a call.
			s.Syscalls = append(s.Syscalls, c)
			seen := map[string]bool{}
			for i := range s.Syscalls {
				if len(s.Syscalls[i].Args) == 0 {
					continue
				}
				s.Syscalls[i].Names = slices.DeleteFunc(s.Syscalls[i].Names, func(n string) bool {
					key := n
					if nr, _, ok := multiplexed(n); ok {
						key = fmt.Sprint(nr)
					}
					if n == "socketcall" || n == "ipc" {
						key = map[string]string{"socketcall": fmt.Sprint(i386Socketcall), "ipc": fmt.Sprint(i386IPC)}[n]
					}
					old := seen[key]
					seen[key] = true
					return old
				})
			}
		}
		s.Syscalls = slices.DeleteFunc(s.Syscalls, func(c specs.LinuxSyscall) bool { return len(c.Names) == 0 })
		other, err := theirs(t, bin, s)
		if errors.Is(err, errRefused) {
			refused++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		ours, err := compileFor(s, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		var mixed [][6]uint64
		values := edges(s)
		for range 40 {
			var a [6]uint64
			for i := range a {
				a[i] = values[r.IntN(len(values))]
			}
			mixed = append(mixed, a)
		}
		answers += differential(t, s, ours, other, func(mask uint64) [][6]uint64 {
			l := equalArgs(s)(mask)
			for _, a := range mixed {
				for i := range a {
					a[i] &= mask
				}
				l = append(l, a)
			}
			return l
		})
		profiles++
	}
	t.Logf("%d profiles, %d answers equal; libseccomp refused %d profiles", profiles, answers, refused)
	if profiles < 15 {
		t.Errorf("only %d profiles were compared", profiles)
	}
}

func TestNamesOfOtherArchitecturesAreKnown(t *testing.T) {
	for _, a := range []specs.Arch{specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64, specs.ArchMIPS, specs.ArchS390X, specs.ArchPPC64LE, specs.ArchRISCV64} {
		if _, err := compileFor(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{a}}, "amd64"); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	_, err := compileFor(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{"SCMP_ARCH_VAX"}}, "amd64")
	if err == nil || !strings.Contains(err.Error(), "SCMP_ARCH_VAX") {
		t.Errorf("an architecture that nobody knows: %v", err)
	}
}
