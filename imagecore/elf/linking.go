package elf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// linking tells how a file is put together at its start, from the segments that
// the loader itself looks at.
func (f *file) linking(facts *Binary, h header, programs []program, sections []section) {
	var dynamic, relro, stack *program
	for i := range programs {
		p := &programs[i]
		switch p.kind {
		case ptDynamic:
			dynamic = p
		case ptGNURelro:
			relro = p
		case ptGNUStack:
			stack = p
		case ptInterp:
			if name := text(append(f.at(p.offset, min(p.size, maxString)), 0), 0); name != "" {
				facts.Interpreter = &Library{Name: name}
			}
		}
	}
	d := f.dynamic(dynamic, programs)
	for _, at := range d.needed {
		if name := text(d.strings, at); name != "" {
			facts.Needed = append(facts.Needed, Library{Name: name})
		}
	}
	facts.SoName = text(d.strings, d.soname)
	facts.RPath, facts.RunPath = paths(text(d.strings, d.rpath)), paths(text(d.strings, d.runpath))

	hard := &facts.Hardening
	hard.RELRO = "none"
	if relro != nil {
		hard.RELRO = "partial"
		if d.now {
			hard.RELRO = "full"
		}
	}
	hard.NX = stack != nil && stack.flags&pfExec == 0
	hard.Canary = f.canary(d.strings, sections)
	switch h.kind {
	case etRel:
		facts.Type = "relocatable"
	case etCore:
		facts.Type = "core"
	case etExec:
		facts.Type = "executable"
	case etDyn:
		facts.Type = "shared"
		// A library may have an interpreter (libc.so.6); only a program has the flag.
		if d.pie || facts.Interpreter != nil && facts.SoName == "" {
			facts.Type, hard.PIE = "pie", true
		}
	default:
		facts.Type = fmt.Sprintf("type %d", h.kind)
	}
	if h.kind == etExec || h.kind == etDyn {
		facts.Linked = "static"
		if facts.Interpreter != nil || len(facts.Needed) > 0 || facts.Type == "shared" {
			facts.Linked = "dynamic"
		}
	}
}

// dynamicInfo is what the dynamic section says; names are bytes of strings.
type dynamicInfo struct {
	strings                []byte
	needed                 []uint64
	soname, rpath, runpath uint64
	now, pie               bool
}

func (f *file) dynamic(p *program, programs []program) (d dynamicInfo) {
	if p == nil {
		return d
	}
	w := 4
	if f.wide {
		w = 8
	}
	var table, size uint64
	for b := f.at(p.offset, min(p.size, maxDynamic)); len(b) >= 2*w; b = b[2*w:] {
		tag, value := f.word(b), f.word(b[w:])
		switch tag {
		case dtNull:
			b = nil
		case dtNeeded:
			if len(d.needed) < maxNeeded {
				d.needed = append(d.needed, value)
			}
		case dtStrtab:
			table = value
		case dtStrsz:
			size = value
		case dtSoname:
			d.soname = value
		case dtRpath:
			d.rpath = value
		case dtRunpath:
			d.runpath = value
		case dtBindNow:
			d.now = true
		case dtFlags:
			d.now = d.now || value&dfBindNow != 0
		case dtFlags1:
			d.now = d.now || value&df1Now != 0
			d.pie = value&df1PIE != 0
		}
		if b == nil {
			break
		}
	}
	if at, ok := fileOffset(programs, table); ok {
		d.strings = f.at(at, min(size, maxStrings))
	}
	return d
}

// fileOffset says where the byte of an address lies in the file.
func fileOffset(programs []program, address uint64) (uint64, bool) {
	for _, p := range programs {
		if p.kind == ptLoad && address >= p.address && address-p.address < p.size {
			return p.offset + (address - p.address), true
		}
	}
	return 0, false
}

func paths(list string) []string {
	if list == "" {
		return nil
	}
	return slices.DeleteFunc(strings.Split(list, ":"), func(s string) bool { return s == "" })
}

// canary looks for the function that a program calls whose stack was smashed.
func (f *file) canary(dynamic []byte, sections []section) string {
	names := [][]byte{dynamic}
	// The first alone: a file may call thousands so.
	if i := slices.IndexFunc(sections, func(s section) bool { return s.name == ".strtab" }); i >= 0 {
		names = append(names, f.at(sections[i].offset, min(sections[i].size, maxStrings)))
	}
	seen := false
	for _, table := range names {
		if bytes.Contains(table, []byte("\x00__stack_chk_fail")) {
			return "yes"
		}
		seen = seen || len(table) > 0
	}
	if seen {
		return "no"
	}
	return ""
}
