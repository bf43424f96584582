//go:build linux

package launch

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/plan"
)

// arena is memory outside Go's heap, shared with the child: the scripts, what
// their system calls point to, their ledgers and the child's stacks. The garbage
// collector neither moves nor frees it, so nothing has to be pinned.
type arena struct {
	mem []byte
}

func (a *arena) free() {
	if a.mem != nil {
		unix.Munmap(a.mem)
		a.mem = nil
	}
}

// program is a plan in the form that run executes.
type program struct {
	arena
	plan    *plan.Plan
	names   map[string]int
	slots   []uintptr // of our own scripts; a child has a copy as of its birth
	scripts [places]*script
	owner   [places][]callRef // which step and call an op is
	births  *births
}

// The places where scripts run, as indices, in the order in which they begin.
const (
	host = iota
	join
	parent
	child
	places
)

func place(w plan.Where) int {
	switch w {
	case plan.Host:
		return host
	case plan.Join:
		return join
	case plan.Parent:
		return parent
	}
	return child
}

type callRef struct{ step, call int }

// ledgerSize is that of a ledger without its marks, rounded up.
const ledgerSize = 64

// assembler lays out bytes first and turns offsets into addresses at the end.
type assembler struct {
	p      *program
	buf    []byte
	fixups []fixup    // words of buf that hold offsets
	args   []argFixup // arguments of ops that hold offsets
	filter []byte     // compiled seccomp filter, struct sock_filter after struct sock_filter
	ops    [places][]op
}

type fixup struct{ at int }

type argFixup struct {
	where int
	op    int
	arg   int
}

// assemble turns a plan into scripts. preset are the results that the launcher
// itself provides.
func assemble(pl *plan.Plan, filter []byte, preset map[string]uintptr) (*program, error) {
	p := &program{plan: pl, names: make(map[string]int, 128)}
	as := &assembler{p: p, filter: filter, buf: make([]byte, 0, 16<<10)}
	for n := range preset {
		as.slot(n)
	}
	for _, n := range []string{"pid", "proc-pid"} {
		as.slot(n)
	}
	var count [places]int
	for i := range pl.Steps {
		count[place(pl.Steps[i].Where)] += len(pl.Steps[i].Calls)
	}
	for w, n := range count {
		if n > 0 {
			as.ops[w] = make([]op, 0, n)
			p.owner[w] = make([]callRef, 0, n)
		}
	}
	for i := range pl.Steps {
		s := &pl.Steps[i]
		w := place(s.Where)
		for j := range s.Calls {
			if err := as.add(w, &s.Calls[j]); err != nil {
				return nil, fmt.Errorf("step %s: %w", s.Code, err)
			}
			p.owner[w] = append(p.owner[w], callRef{i, j})
		}
	}
	if err := as.place(); err != nil {
		return nil, err
	}
	for n, v := range preset {
		p.slots[p.names[n]] = v
	}
	return p, nil
}

func (as *assembler) slot(name string) int {
	i, ok := as.p.names[name]
	if !ok {
		i = len(as.p.names)
		as.p.names[name] = i
	}
	return i
}

func (as *assembler) add(w int, c *plan.Call) error {
	o := op{out: -1}
	if c.Name == plan.Lookup {
		o.kind = opLookup
	} else {
		nr, ok := number(c.Name)
		if !ok {
			return fmt.Errorf("assemble: no system call is called %q", c.Name)
		}
		o.nr = nr
	}
	if len(c.Args) > len(o.a) || len(c.On) > len(o.on) {
		return fmt.Errorf("assemble: %s has too many arguments or branches", c)
	}
	for i, a := range c.Args {
		v, kind, err := as.arg(a)
		if err != nil {
			return err
		}
		o.a[i] = uintptr(v)
		switch kind {
		case isSlot:
			o.refs |= 1 << i
		case isOffset:
			as.args = append(as.args, argFixup{w, len(as.ops[w]), i})
		}
		if a.Kind == plan.KindProgram {
			o.quiet = true
		}
	}
	if c.Out != "" {
		n := as.slot(c.Out)
		if n > math.MaxInt16 {
			return fmt.Errorf("assemble: more than %d results", math.MaxInt16)
		}
		o.out = int16(n)
	}
	for i, b := range c.On {
		e, ok := errnoOf(b.Errno)
		if !ok {
			return fmt.Errorf("assemble: no error is called %q", b.Errno)
		}
		o.on[i] = branch{e, uint16(b.Skip)}
		o.n++
	}
	switch c.Check {
	case plan.CheckOne:
		o.check = checkOne
	case plan.CheckInside:
		o.check = checkInside
	case plan.CheckNotProc:
		o.check = checkNotProc
	}
	as.ops[w] = append(as.ops[w], o)
	return nil
}

type argMeaning uint8

const (
	isValue argMeaning = iota
	isSlot
	isOffset
)

func (as *assembler) arg(a plan.Arg) (uint64, argMeaning, error) {
	switch a.Kind {
	case plan.KindNum, plan.KindOctal:
		return a.Num, isValue, nil
	case plan.KindFlags:
		v, err := value(a.Text)
		return v, isValue, err
	case plan.KindString:
		if a.Num == 1 {
			return 0, isValue, nil
		}
		return as.bytes(append([]byte(a.Text), 0)), isOffset, nil
	case plan.KindRef:
		n, ok := as.p.names[a.Text]
		if !ok {
			return 0, 0, fmt.Errorf("assemble: nothing before is called $%s", a.Text)
		}
		return uint64(n), isSlot, nil
	case plan.KindStrings:
		words := make([]byte, 8*(len(a.List)+1))
		for i, s := range a.List {
			binary.NativeEndian.PutUint64(words[8*i:], as.bytes(append([]byte(s), 0)))
		}
		at := as.bytes(words)
		for i := range a.List {
			as.fixups = append(as.fixups, fixup{int(at) + 8*i})
		}
		return at, isOffset, nil
	case plan.KindScratch:
		return as.bytes(make([]byte, a.Num)), isOffset, nil
	case plan.KindStruct:
		b, err := as.record(a.Fields)
		if err != nil {
			return 0, 0, err
		}
		return as.bytes(b), isOffset, nil
	case plan.KindProgram:
		// struct sock_fprog { unsigned short len; struct sock_filter *filter; }
		if len(as.filter) == 0 || len(as.filter)/8 > 4096 {
			return 0, 0, fmt.Errorf("assemble: a filter of %d instructions; the kernel takes 1 to 4096", len(as.filter)/8)
		}
		at := as.bytes(as.filter)
		head := make([]byte, 16)
		binary.NativeEndian.PutUint16(head, uint16(len(as.filter)/8))
		binary.NativeEndian.PutUint64(head[8:], at)
		h := as.bytes(head)
		as.fixups = append(as.fixups, fixup{int(h) + 8})
		return h, isOffset, nil
	}
	return 0, 0, fmt.Errorf("assemble: unknown kind of argument %d", a.Kind)
}

func (as *assembler) record(fields []plan.Field) ([]byte, error) {
	var b []byte
	for _, f := range fields {
		if f.Value.Kind == plan.KindString {
			s := make([]byte, f.Width)
			copy(s, f.Value.Text)
			b = append(b, s...)
			continue
		}
		v, kind, err := as.arg(f.Value)
		if err != nil || kind != isValue {
			return nil, fmt.Errorf("assemble: field %s is no number: %w", f.Name, err)
		}
		switch f.Width {
		case 1:
			b = append(b, byte(v))
		case 2:
			b = binary.NativeEndian.AppendUint16(b, uint16(v))
		case 4:
			b = binary.NativeEndian.AppendUint32(b, uint32(v))
		case 8:
			b = binary.NativeEndian.AppendUint64(b, v)
		default:
			return nil, fmt.Errorf("assemble: field %s is %d bytes wide", f.Name, f.Width)
		}
	}
	return b, nil
}

// bytes appends b, aligned to a word, and returns its offset.
func (as *assembler) bytes(b []byte) uint64 {
	for len(as.buf)%8 != 0 {
		as.buf = append(as.buf, 0)
	}
	at := len(as.buf)
	as.buf = append(as.buf, b...)
	return uint64(at)
}

// place maps the memory, copies everything into it and turns offsets into
// addresses.
func (as *assembler) place() error {
	p := as.p
	reserve := func(size uintptr) uint64 {
		at := len(as.buf)
		as.buf = append(as.buf, make([]byte, (size+15)&^15)...)
		return uint64(at)
	}
	for len(as.buf)%16 != 0 {
		as.buf = append(as.buf, 0)
	}
	birthsAt := reserve(unsafe.Sizeof(births{}))
	slots := reserve(unsafe.Sizeof(uintptr(0)) * uintptr(len(p.names)))
	own := reserve(unsafe.Sizeof(uintptr(0)) * uintptr(len(p.names)))
	var scripts, ops, ledgers [places]uint64
	for w := range as.ops {
		if n := uintptr(len(as.ops[w])); n > 0 {
			scripts[w], ops[w], ledgers[w] = reserve(unsafe.Sizeof(script{})), reserve(n*unsafe.Sizeof(op{})), reserve(ledgerSize+16*n)
		}
	}
	size := (len(as.buf) + 4095) &^ 4095
	mem, err := unix.Mmap(-1, 0, size+2*stackSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("assemble: mmap %d bytes: %w", size, err)
	}
	p.mem = mem
	start := unsafe.Pointer(unsafe.SliceData(mem))
	base := uintptr(start)
	at := func(offset uint64) unsafe.Pointer { return unsafe.Add(start, offset) }
	for _, f := range as.fixups {
		w := as.buf[f.at:]
		binary.NativeEndian.PutUint64(w, binary.NativeEndian.Uint64(w)+uint64(base))
	}
	copy(mem, as.buf)
	for _, f := range as.args {
		as.ops[f.where][f.op].a[f.arg] += base
	}
	p.slots = unsafe.Slice((*uintptr)(at(own)), len(p.names))
	for w := range as.ops {
		n := len(as.ops[w])
		if n == 0 {
			continue
		}
		s := (*script)(at(scripts[w]))
		s.ops = unsafe.Slice((*op)(at(ops[w])), n)
		copy(s.ops, as.ops[w])
		s.slots = p.slots
		if w == join || w == child {
			s.slots = unsafe.Slice((*uintptr)(at(slots)), len(p.names))
		}
		s.ledger = (*ledger)(at(ledgers[w]))
		s.ledger.marks = base + uintptr(ledgers[w]) + ledgerSize
		p.scripts[w] = s
	}
	p.births = (*births)(at(birthsAt))
	p.births.stacks = base + uintptr(size)
	return nil
}
