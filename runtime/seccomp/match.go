//go:build linux

package seccomp

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func load(offset uint32) Instruction {
	return Instruction{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func ret(action uint32) Instruction {
	return Instruction{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

func jump(op uint16, k uint32, jt, jf uint8) Instruction {
	return Instruction{Code: unix.BPF_JMP | op | unix.BPF_K, JT: jt, JF: jf, K: k}
}

// when skips the next n instructions if the comparison holds; unless, if not.
// A comparison can skip 255, a jump any number.
func when(op uint16, k uint32, n int) []Instruction {
	if n <= 255 {
		return []Instruction{jump(op, k, uint8(n), 0)}
	}
	return []Instruction{jump(op, k, 0, 1), {Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(n)}}
}

func unless(op uint16, k uint32, n int) []Instruction {
	if n <= 255 {
		return []Instruction{jump(op, k, 0, uint8(n))}
	}
	return []Instruction{jump(op, k, 1, 0), {Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(n)}}
}

// compare says how a 64-bit comparison is made of 32-bit ones: by the upper
// half, and where that is equal by the lower.
type compare struct {
	op     uint16 // for the lower half
	negate bool
	equal  bool // EQ and NE: the upper half decides nothing but equality
}

var operators = map[specs.LinuxSeccompOperator]compare{
	specs.OpEqualTo:      {op: unix.BPF_JEQ, equal: true},
	specs.OpMaskedEqual:  {op: unix.BPF_JEQ, equal: true},
	specs.OpNotEqual:     {op: unix.BPF_JEQ, equal: true, negate: true},
	specs.OpGreaterThan:  {op: unix.BPF_JGT},
	specs.OpGreaterEqual: {op: unix.BPF_JGE},
	specs.OpLessEqual:    {op: unix.BPF_JGT, negate: true},
	specs.OpLessThan:     {op: unix.BPF_JGE, negate: true},
}

// match returns code that returns the action if all conditions hold and falls
// through if not. The jumps name labels first, which are resolved at the end.
func match(c conditional) []Instruction {
	const fail = 255 // label: no code is that long (six arguments of six instructions)
	var code []Instruction
	for _, a := range c.args {
		code = append(code, condition(a, fail)...)
	}
	code = append(code, ret(c.action))
	for i := range code {
		if code[i].Code&7 != unix.BPF_JMP {
			continue
		}
		for _, j := range []*uint8{&code[i].JT, &code[i].JF} {
			if *j == fail {
				*j = uint8(len(code) - i - 1)
			}
		}
	}
	return code
}

// condition returns code that falls through if the condition holds and jumps to
// the label if not.
func condition(a specs.LinuxSeccompArg, fail uint8) []Instruction {
	low, high := uint32(offArgs+8*a.Index), uint32(offArgs+8*a.Index+4)
	want, mask := a.Value, ^uint64(0)
	if a.Op == specs.OpMaskedEqual {
		want, mask = a.ValueTwo, a.Value
	}
	and := func(k uint64) []Instruction {
		if uint32(k) == ^uint32(0) {
			return nil
		}
		return []Instruction{{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: uint32(k)}}
	}
	o := operators[a.Op]
	// The lower half: two or three instructions, then the code goes on.
	tail := append([]Instruction{load(low)}, and(mask)...)
	if o.negate {
		tail = append(tail, jump(o.op, uint32(want), fail, 0))
	} else {
		tail = append(tail, jump(o.op, uint32(want), 0, fail))
	}
	n := uint8(len(tail))
	code := append([]Instruction{load(high)}, and(mask>>32)...)
	hi := uint32(want >> 32)
	switch {
	case o.equal && o.negate: // differs above: holds
		code = append(code, jump(unix.BPF_JEQ, hi, 0, n))
	case o.equal:
		code = append(code, jump(unix.BPF_JEQ, hi, 0, fail))
	case o.negate: // greater above: does not hold; less: holds
		code = append(code, jump(unix.BPF_JGT, hi, fail, 0), jump(unix.BPF_JEQ, hi, 0, n))
	default: // greater above: holds; less: does not
		code = append(code, jump(unix.BPF_JGT, hi, n+1, 0), jump(unix.BPF_JEQ, hi, 0, fail))
	}
	return append(code, tail...)
}
