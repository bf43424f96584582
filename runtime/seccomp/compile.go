//go:build linux

package seccomp

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// Instruction is one instruction of classic BPF (struct sock_filter).
type Instruction struct {
	Code   uint16
	JT, JF uint8 // instructions to skip if a comparison holds, or does not
	K      uint32
}

// Bytes returns the program in the kernel's form.
func Bytes(prog []Instruction) []byte {
	b := make([]byte, 0, 8*len(prog))
	for _, i := range prog {
		b = binary.NativeEndian.AppendUint16(b, i.Code)
		b = append(b, i.JT, i.JF)
		b = binary.NativeEndian.AppendUint32(b, i.K)
	}
	return b
}

// What the kernel does with a call (seccomp(2)).
const (
	retKillProcess = 0x80000000
	retKillThread  = 0x00000000
	retTrap        = 0x00030000
	retErrno       = 0x00050000
	retTrace       = 0x7ff00000
	retNotify      = 0x7fc00000
	retLog         = 0x7ffc0000
	retAllow       = 0x7fff0000
)

// Offsets in struct seccomp_data, on little-endian machines.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

const x32Bit = 0x40000000

// The architectures by the numbers of audit.h.
const (
	auditX86_64  = 0xc000003e
	auditI386    = 0x40000003
	auditAArch64 = 0xc00000b7
	auditARM     = 0x40000028
)

// rule is what a profile says about one call: one action, or that of the first
// conditions that hold, else the fallback.
type rule struct {
	conditions []conditional
	action     uint32 // without a match
	fixed      bool   // action comes from a rule without conditions
}

// conditional is an action for calls whose arguments fulfil all conditions.
type conditional struct {
	args   []specs.LinuxSeccompArg
	action uint32
}

func (r rule) equal(o rule) bool {
	return len(r.conditions) == 0 && len(o.conditions) == 0 && r.action == o.action
}

// Compile returns the program of a profile for the machine it runs on.
func Compile(s *specs.LinuxSeccomp) ([]Instruction, error) { return compileFor(s, runtime.GOARCH) }

func compileFor(s *specs.LinuxSeccomp, goarch string) ([]Instruction, error) {
	native, err := nativeTable(goarch)
	if err != nil {
		return nil, err
	}
	fallback, err := action(s.DefaultAction, s.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	prog := []Instruction{load(offArch)}
	tables := []table{native}
	for _, a := range s.Architectures {
		if !knownArch(a) {
			return nil, fault.New(fault.ErrInvalid, "invalid-config", "linux.seccomp: the architecture "+string(a)+" is unknown", "setting", "linux.seccomp.architectures", "what", string(a))
		}
		if t, ok := tableOf(a, goarch); ok && t.audit != native.audit {
			tables = append(tables, t)
		}
	}
	for _, t := range tables {
		body, err := t.compile(s, fallback)
		if err != nil {
			return nil, err
		}
		prog = append(prog, unless(unix.BPF_JEQ, t.audit, len(body))...)
		prog = append(prog, body...)
	}
	// Another architecture's calls have other numbers: none of the rules fits.
	prog = append(prog, ret(retKillProcess))
	if len(prog) > 4096 {
		return nil, fault.New(fault.ErrTooLarge, "seccomp-too-large",
			fmt.Sprintf("the seccomp profile makes %d instructions; the kernel takes 4096", len(prog)))
	}
	return prog, nil
}

// compile returns the code for one architecture; it ends in a return whatever
// happens.
func (t table) compile(s *specs.LinuxSeccomp, fallback uint32) ([]Instruction, error) {
	rules := map[int]*rule{}
	highest := -1
	for _, c := range s.Syscalls {
		act, err := action(c.Action, c.ErrnoRet)
		if err != nil {
			return nil, err
		}
		for _, n := range c.Names {
			if err := checkArgs(c.Args, n); err != nil {
				return nil, err
			}
			nr, ok := t.number(n)
			if ok {
				highest = max(highest, nr)
			}
			if act == fallback {
				continue // what happens anyway must not hide another rule
			}
			if ok { // else a call of another architecture, or newer than our table
				add(rules, nr, fallback, act, groups(c.Args))
			}
			if by, sub, ok := multiplexed(n); ok && t.audit == auditI386 {
				var l [][]specs.LinuxSeccompArg
				for _, g := range groups(c.Args) {
					l = append(l, carried(g, sub))
				}
				add(rules, by, fallback, act, l)
			}
		}
	}
	var code []Instruction
	code = append(code, load(offNumber))
	if t.audit == auditX86_64 {
		code = append(code, unless(unix.BPF_JGE, x32Bit, 1)...)
		code = append(code, ret(retErrno|uint32(unix.ENOSYS)))
	}
	return append(code, search(ranges(rules, fallback, highest))...), nil
}

// add notes an action for a call. A rule without conditions holds for all
// arguments, whatever others say of some; of two such the first holds.
func add(rules map[int]*rule, nr int, fallback, act uint32, conditions [][]specs.LinuxSeccompArg) {
	r := rules[nr]
	if r == nil {
		r = &rule{action: fallback}
		rules[nr] = r
	}
	for _, c := range conditions {
		switch {
		case r.fixed:
		case len(c) == 0:
			r.action, r.fixed, r.conditions = act, true, nil
		default:
			r.conditions = append(r.conditions, conditional{c, act})
		}
	}
}

// groups splits conditions that name one argument twice: as with libseccomp and
// runc they are alternatives then.
func groups(args []specs.LinuxSeccompArg) [][]specs.LinuxSeccompArg {
	seen := map[uint]bool{}
	for _, a := range args {
		if seen[a.Index] {
			var g [][]specs.LinuxSeccompArg
			for _, a := range args {
				g = append(g, []specs.LinuxSeccompArg{a})
			}
			return g
		}
		seen[a.Index] = true
	}
	return [][]specs.LinuxSeccompArg{args}
}

// span is a range of numbers that are treated alike, from first on.
type span struct {
	first uint32
	rule  rule
}

// ranges lays the rules over all numbers. Calls newer than any that the profile
// names get ENOSYS where the profile would refuse them with another error:
// programs then fall back to the older call, as runc has it.
func ranges(rules map[int]*rule, fallback uint32, highest int) []span {
	nrs := make([]int, 0, len(rules))
	for n := range rules {
		nrs = append(nrs, n)
	}
	slices.Sort(nrs)
	plain := rule{action: fallback}
	spans := []span{{0, plain}}
	put := func(first uint32, r rule) {
		last := &spans[len(spans)-1]
		switch {
		case last.first == first:
			last.rule = r
			if n := len(spans); n > 1 && spans[n-2].rule.equal(r) {
				spans = spans[:n-1]
			}
		case !last.rule.equal(r):
			spans = append(spans, span{first, r})
		}
	}
	for _, n := range nrs {
		put(uint32(n), *rules[n])
		put(uint32(n)+1, plain)
	}
	if fallback&0xffff0000 == retErrno && highest >= 0 {
		put(uint32(highest)+1, rule{action: retErrno | uint32(unix.ENOSYS)})
	}
	return spans
}

// search returns the code that finds the span of the number in the accumulator.
func search(spans []span) []Instruction {
	if len(spans) == 1 {
		return leaf(spans[0].rule)
	}
	mid := len(spans) / 2
	low, high := search(spans[:mid]), search(spans[mid:])
	code := when(unix.BPF_JGE, spans[mid].first, len(low))
	return append(append(code, low...), high...)
}

// leaf returns the code of one rule.
func leaf(r rule) []Instruction {
	var code []Instruction
	for _, c := range r.conditions {
		code = append(code, match(c)...)
	}
	return append(code, ret(r.action))
}

// action returns what the kernel is told for an action of a profile.
func action(a specs.LinuxSeccompAction, errno *uint) (uint32, error) {
	data := uint32(unix.EPERM)
	if errno != nil {
		if *errno > 4095 {
			return 0, fault.New(fault.ErrInvalid, "invalid-config", fmt.Sprintf("linux.seccomp: errnoRet %d is no error number", *errno), "setting", "linux.seccomp", "what", "errnoRet")
		}
		data = uint32(*errno)
	}
	switch a {
	case specs.ActAllow:
		return retAllow, nil
	case specs.ActErrno:
		return retErrno | data, nil
	case specs.ActKill, specs.ActKillThread:
		return retKillThread, nil
	case specs.ActKillProcess:
		return retKillProcess, nil
	case specs.ActTrap:
		return retTrap, nil
	case specs.ActTrace:
		return retTrace | data, nil
	case specs.ActLog:
		return retLog, nil
	case specs.ActNotify:
		return retNotify, nil
	}
	return 0, fault.New(fault.ErrUnsupported, "unsupported-setting", "linux.seccomp action "+string(a)+" is not supported", "setting", "linux.seccomp "+string(a))
}

func checkArgs(args []specs.LinuxSeccompArg, name string) error {
	for _, a := range args {
		_, ok := operators[a.Op]
		if a.Index > 5 || !ok {
			return fault.New(fault.ErrInvalid, "invalid-config",
				fmt.Sprintf("linux.seccomp: call %s: argument %d with operator %q", name, a.Index, a.Op), "setting", "linux.seccomp", "what", name)
		}
	}
	return nil
}
