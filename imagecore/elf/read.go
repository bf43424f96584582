package elf

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"github.com/layerlab/layerlab/imagecore"
)

// Numbers of elf(5).
const (
	etRel, etExec, etDyn, etCore                     = 1, 2, 3, 4
	ptLoad, ptDynamic, ptInterp, ptNote              = 1, 2, 3, 4
	ptGNUStack, ptGNURelro                           = 0x6474e551, 0x6474e552
	pfExec                                           = 1
	shtSymtab, shtNobits                             = 2, 8
	dtNull, dtNeeded, dtStrtab, dtStrsz, dtSoname    = 0, 1, 5, 10, 14
	dtRpath, dtBindNow, dtRunpath, dtFlags, dtFlags1 = 15, 24, 29, 30, 0x6ffffffb
	dfBindNow, df1Now, df1PIE                        = 8, 1, 0x08000000
	noteBuildID                                      = 3
)

// machines are the words of uname -m for the processors that images are for.
var machines = map[uint16]string{ //nolint:gochecknoglobals // a constant in all but name
	2: "sparc", 3: "i386", 4: "m68k", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "arm", 42: "sh",
	43: "sparc64", 50: "ia64", 62: "x86_64", 183: "aarch64", 243: "riscv", 247: "bpf", 258: "loongarch",
}

type program struct {
	kind, flags                uint32
	offset, address, size, mem uint64
}

type section struct {
	name         string
	nameAt, kind uint32
	offset, size uint64
}

// Is says whether a file that begins so is an ELF file.
func Is(start []byte) bool { return bytes.HasPrefix(start, []byte("\x7fELF")) }

// Read tells what a file of size bytes is. Codes: not-elf, elf-malformed.
func Read(r io.ReaderAt, size int64) (*Binary, error) {
	f := &file{r: r, size: size}
	head, err := f.header()
	if err != nil {
		return nil, err
	}
	facts := &Binary{
		Bits: 32, Order: "little", Machine: machine(head.machine), Needed: []Library{}, Sections: []Section{},
	}
	if f.wide {
		facts.Bits = 64
	}
	if f.order == binary.BigEndian {
		facts.Order = "big"
	}
	programs, sections := f.programs(head), f.sections(head)
	f.linking(facts, head, programs, sections)
	facts.describe(sections)
	for _, p := range programs {
		if p.kind == ptNote && facts.BuildID == "" {
			facts.BuildID = f.buildID(p.offset, p.size)
		}
	}
	facts.Go = f.goInfo(programs, sections)
	return facts, nil
}

// header is what the first bytes say.
type header struct {
	kind, machine            uint16
	programs, sections       uint64 // offsets
	programSize, sectionSize uint64 // of an entry
	programCount             uint64
	sectionCount, names      uint64
}

func (f *file) header() (h header, err error) {
	start := f.at(0, 16)
	if start == nil || !Is(start) {
		return h, imagecore.NewError(imagecore.ErrUnsupported, "not-elf", "not an ELF file")
	}
	malformed := func(what string) (header, error) {
		return h, imagecore.NewError(imagecore.ErrInvalid, "elf-malformed", "ELF file: "+what, "reason", what)
	}
	switch start[4] {
	case 1:
	case 2:
		f.wide = true
	default:
		return malformed("neither 32 nor 64 bit")
	}
	switch start[5] {
	case 1:
		f.order = binary.LittleEndian
	case 2:
		f.order = binary.BigEndian
	default:
		return malformed("no byte order")
	}
	n := uint64(52)
	if f.wide {
		n = 64
	}
	b := f.at(0, n)
	if b == nil {
		return malformed("shorter than its header")
	}
	h.kind, h.machine = f.order.Uint16(b[16:]), f.order.Uint16(b[18:])
	w := uint64(4)
	if f.wide {
		w = 8
	}
	h.programs, h.sections = f.word(b[24+w:]), f.word(b[24+2*w:])
	rest := b[24+3*w+4:] // behind flags
	half := func(i int) uint64 { return uint64(f.order.Uint16(rest[2*i:])) }
	h.programSize, h.programCount = half(1), half(2)
	h.sectionSize, h.sectionCount, h.names = half(3), half(4), half(5)
	return h, nil
}

func machine(n uint16) string {
	if name, ok := machines[n]; ok {
		return name
	}
	return fmt.Sprintf("machine %d", n)
}

func (f *file) programs(h header) []program {
	want := uint64(32)
	if f.wide {
		want = 56
	}
	if h.programSize != want {
		return nil
	}
	table := f.at(h.programs, min(h.programCount, maxPrograms)*want)
	var out []program
	for ; len(table) > 0; table = table[want:] {
		p := program{kind: f.order.Uint32(table)}
		if f.wide {
			p.flags = f.order.Uint32(table[4:])
			p.offset, p.address = f.order.Uint64(table[8:]), f.order.Uint64(table[16:])
			p.size, p.mem = f.order.Uint64(table[32:]), f.order.Uint64(table[40:])
		} else {
			p.offset, p.address = uint64(f.order.Uint32(table[4:])), uint64(f.order.Uint32(table[8:]))
			p.size, p.mem = uint64(f.order.Uint32(table[16:])), uint64(f.order.Uint32(table[20:]))
			p.flags = f.order.Uint32(table[24:])
		}
		out = append(out, p)
	}
	return out
}

func (f *file) sections(h header) []section {
	want := uint64(40)
	if f.wide {
		want = 64
	}
	if h.sectionSize != want || h.sections == 0 {
		return nil
	}
	n := min(h.sectionCount, maxSections)
	table := f.at(h.sections, n*want)
	var out []section
	for ; len(table) > 0; table = table[want:] {
		s := section{nameAt: f.order.Uint32(table), kind: f.order.Uint32(table[4:])}
		if f.wide {
			s.offset, s.size = f.order.Uint64(table[24:]), f.order.Uint64(table[32:])
		} else {
			s.offset, s.size = uint64(f.order.Uint32(table[16:])), uint64(f.order.Uint32(table[20:]))
		}
		out = append(out, s)
	}
	if h.names < uint64(len(out)) {
		names := out[h.names]
		all := f.at(names.offset, min(names.size, maxNames))
		for i := range out {
			out[i].name = text(all, uint64(out[i].nameAt))
		}
	}
	return out
}

// describe lists the sections by size, and tells by them what was stripped.
func (facts *Binary) describe(sections []section) {
	facts.Stripped = true
	for i, s := range sections {
		if i == 0 {
			continue // the null section
		}
		facts.Parts++
		if s.kind == shtSymtab {
			facts.Stripped = false
		}
		if s.name == ".debug_info" || s.name == ".zdebug_info" {
			facts.DebugInfo = true
		}
		size := int64(min(s.size, 1<<62))
		facts.Sections = append(facts.Sections, Section{Name: s.name, Size: size, Zeros: s.kind == shtNobits})
	}
	slices.SortStableFunc(facts.Sections, func(a, b Section) int { return cmp.Compare(b.Size, a.Size) })
	facts.Sections = facts.Sections[:min(len(facts.Sections), shownParts)]
}

// buildID looks for GNU's among the notes of a segment.
func (f *file) buildID(offset, size uint64) string {
	b := f.at(offset, min(size, maxNotes))
	for len(b) >= 12 {
		name, desc, kind := uint64(f.order.Uint32(b)), uint64(f.order.Uint32(b[4:])), f.order.Uint32(b[8:])
		b = b[12:]
		// Both are padded to 4 bytes.
		nameEnd, descEnd := (name+3)&^3, (desc+3)&^3
		if nameEnd > uint64(len(b)) || descEnd > uint64(len(b))-nameEnd {
			return ""
		}
		if kind == noteBuildID && string(b[:name]) == "GNU\x00" && desc <= 64 {
			return hex.EncodeToString(b[nameEnd : nameEnd+desc])
		}
		b = b[nameEnd+descEnd:]
	}
	return ""
}
