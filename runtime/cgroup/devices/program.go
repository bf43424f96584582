//go:build linux

package devices

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// Rule allows or denies access to devices. The zero value denies everything.
type Rule struct {
	Allow  bool
	Type   string // "c", "b"; "a" and "" are both
	Major  int64  // -1: any
	Minor  int64  // -1: any
	Access string // of r, w and m (mknod); "" is all
}

// Instruction is one instruction of eBPF (struct bpf_insn).
type Instruction struct {
	Code     uint8
	Dst, Src uint8 // registers
	Off      int16 // of a jump: instructions to skip; of a load: byte in the context
	Imm      int32
}

// Codes of instructions (Documentation/bpf/standardization/instruction-set.rst).
const (
	loadWord  = 0x61 // dst = *(u32 *)(src + off)
	move      = 0xbf // dst = src
	moveImm   = 0xb7 // dst = imm
	andImm    = 0x57 // dst &= imm
	shiftImm  = 0x77 // dst >>= imm
	jumpEqual = 0x15 // if dst == imm
	jumpNot   = 0x55 // if dst != imm
	exit      = 0x95 // return r0
)

// Registers of the program.
const (
	result  = 0 // r0: 1 allows, 0 denies
	context = 1 // r1: struct bpf_cgroup_dev_ctx { u32 access_type, major, minor }
	kind    = 2 // block or char
	pending = 3 // the wanted kinds of access that no rule has decided yet
	major   = 4
	minor   = 5
	scratch = 6
)

// Bits of access_type (enum BPF_DEVCG_*): the type is the lower half, the access
// the upper.
const (
	typeBlock   = 1
	typeChar    = 2
	accessMknod = 1
	accessRead  = 2
	accessWrite = 4
	accessAll   = accessMknod | accessRead | accessWrite
)

// Program returns the program of the rules. For each kind of access the last
// rule that names the device decides, as where they are written one after the
// other into the files of cgroup v1; what no rule names is denied.
//
// Errors are *fault.Error with the code invalid-config.
func Program(rules []Rule) ([]Instruction, error) {
	p := []Instruction{
		{Code: loadWord, Dst: kind, Src: context, Off: 0},
		{Code: move, Dst: pending, Src: kind},
		{Code: shiftImm, Dst: pending, Imm: 16},
		{Code: andImm, Dst: kind, Imm: 0xffff},
		{Code: loadWord, Dst: major, Src: context, Off: 4},
		{Code: loadWord, Dst: minor, Src: context, Off: 8},
	}
	for i := len(rules) - 1; i >= 0; i-- {
		code, err := rules[i].code()
		if err != nil {
			return nil, err
		}
		p = append(p, code...)
	}
	return append(p, Instruction{Code: moveImm, Dst: result}, Instruction{Code: exit}), nil
}

// code returns what decides by one rule and falls through if it does not.
func (r Rule) code() ([]Instruction, error) {
	access, err := r.access()
	if err != nil {
		return nil, err
	}
	var test []Instruction // each skips the rest if the rule does not fit
	switch r.Type {
	case "a", "":
	case "b":
		test = append(test, Instruction{Code: jumpNot, Dst: kind, Imm: typeBlock})
	case "c":
		test = append(test, Instruction{Code: jumpNot, Dst: kind, Imm: typeChar})
	default:
		return nil, invalid(fmt.Sprintf("has the unknown type %q", r.Type))
	}
	if r.Major > math.MaxInt32 || r.Minor > math.MaxInt32 {
		return nil, invalid(fmt.Sprintf("has the impossible number %d:%d", r.Major, r.Minor))
	}
	if r.Major >= 0 {
		test = append(test, Instruction{Code: jumpNot, Dst: major, Imm: int32(r.Major)})
	}
	if r.Minor >= 0 {
		test = append(test, Instruction{Code: jumpNot, Dst: minor, Imm: int32(r.Minor)})
	}
	var then []Instruction
	if r.Allow {
		then = []Instruction{
			{Code: andImm, Dst: pending, Imm: int32(accessAll &^ access)},
			{Code: jumpNot, Dst: pending, Imm: 0, Off: 2},
			{Code: moveImm, Dst: result, Imm: 1},
			{Code: exit},
		}
	} else {
		then = []Instruction{
			{Code: move, Dst: scratch, Src: pending},
			{Code: andImm, Dst: scratch, Imm: int32(access)},
			{Code: jumpEqual, Dst: scratch, Imm: 0, Off: 2},
			{Code: moveImm, Dst: result, Imm: 0},
			{Code: exit},
		}
	}
	for i := range test {
		test[i].Off = int16(len(test) - i - 1 + len(then))
	}
	return append(test, then...), nil
}

func (r Rule) access() (bits uint32, err error) {
	if r.Access == "" {
		return accessAll, nil
	}
	for _, c := range r.Access {
		switch c {
		case 'r':
			bits |= accessRead
		case 'w':
			bits |= accessWrite
		case 'm':
			bits |= accessMknod
		default:
			return 0, invalid(fmt.Sprintf("has the unknown access %q", r.Access))
		}
	}
	return bits, nil
}

func invalid(what string) error {
	return fault.New(fault.ErrInvalid, "invalid-config", "config.json: linux.resources.devices "+what,
		"setting", "linux.resources.devices", "what", what)
}

// encode returns the program in the kernel's form.
func encode(p []Instruction) []byte {
	b := make([]byte, 0, 8*len(p))
	for _, i := range p {
		b = append(b, i.Code, registers(i.Dst, i.Src))
		b = binary.NativeEndian.AppendUint16(b, uint16(i.Off))
		b = binary.NativeEndian.AppendUint32(b, uint32(i.Imm))
	}
	return b
}
