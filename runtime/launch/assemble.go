//go:build linux

package launch

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/launch/abi"
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

// assembler writes a plan into an arena of known size, from its start on.
type assembler struct {
	p       *program
	used    uintptr
	results int // at most so many names will come
	preset  map[string]uintptr
	filter  []byte // compiled seccomp filter, struct sock_filter after struct sock_filter
}

// assemble turns a plan into scripts. preset are the results that the launcher
// itself provides.
func assemble(pl *plan.Plan, filter []byte, preset map[string]uintptr) (*program, error) {
	p := &program{plan: pl, names: make(map[string]int, 256)}
	as := &assembler{p: p, preset: preset, filter: filter}
	for n := range preset {
		as.slot(n)
	}
	for _, n := range []string{"pid", "proc-pid"} {
		as.slot(n)
	}
	as.results = len(p.names)
	var count [places]int
	size := uintptr(aligned(len(filter))) + 64
	for i := range pl.Steps {
		s := &pl.Steps[i]
		count[place(s.Where)] += len(s.Calls)
		for j := range s.Calls {
			size += need(&s.Calls[j])
			if s.Calls[j].Out != "" {
				as.results++
			}
		}
	}
	size += unsafe.Sizeof(births{}) + 2*unsafe.Sizeof(uintptr(0))*uintptr(as.results+1) + 16*4*places
	for _, n := range count {
		size += unsafe.Sizeof(script{}) + ledgerSize + uintptr(n)*(unsafe.Sizeof(op{})+16)
	}
	if err := p.reserve(size); err != nil {
		return nil, err
	}
	as.scripts(&count)
	for n, v := range preset {
		p.slots[p.names[n]] = v
	}
	for i := range pl.Steps {
		s := &pl.Steps[i]
		w := place(s.Where)
		for j := range s.Calls {
			o, err := as.op(&s.Calls[j])
			if err != nil {
				p.free()
				return nil, fmt.Errorf("step %s: %w", s.Code, err)
			}
			sc := p.scripts[w]
			sc.ops = append(sc.ops, o) // within its capacity
			p.owner[w] = append(p.owner[w], callRef{i, j})
		}
	}
	return p, nil
}

// reserve maps the arena: size bytes, and above them the children's stacks. The
// pages are there from the beginning, which is cheaper than to fault on each.
func (p *program) reserve(size uintptr) error {
	size = (size + 4095) &^ 4095
	mem, err := unix.Mmap(-1, 0, int(size+2*stackSize), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("assemble: mmap %d bytes: %w", size, err)
	}
	p.mem = mem
	return nil
}

// scripts lays out births, slots, and a script for each place that has calls.
func (as *assembler) scripts(count *[places]int) {
	p := as.p
	p.births = (*births)(as.take(unsafe.Sizeof(births{})))
	p.births.stacks = uintptr(unsafe.Pointer(unsafe.SliceData(p.mem))) + uintptr(len(p.mem)) - 2*stackSize
	n := as.results
	p.slots = unsafe.Slice((*uintptr)(as.take(unsafe.Sizeof(uintptr(0))*uintptr(n+1))), n)
	theirs := unsafe.Slice((*uintptr)(as.take(unsafe.Sizeof(uintptr(0))*uintptr(n+1))), n)
	for w, n := range count {
		if n == 0 {
			continue
		}
		s := (*script)(as.take(unsafe.Sizeof(script{})))
		s.ops = unsafe.Slice((*op)(as.take(uintptr(n)*unsafe.Sizeof(op{}))), n)[:0]
		s.slots = p.slots
		if w == join || w == child {
			s.slots = theirs
		}
		s.ledger = (*ledger)(as.take(ledgerSize + 16*uintptr(n)))
		s.ledger.marks = uintptr(unsafe.Pointer(s.ledger)) + ledgerSize
		p.scripts[w] = s
		p.owner[w] = make([]callRef, 0, n)
	}
}

// take returns the next size bytes, which are zero and aligned to 16.
func (as *assembler) take(size uintptr) unsafe.Pointer {
	at := as.used
	as.used = (at + size + 15) &^ 15
	if as.used > uintptr(len(as.p.mem))-2*stackSize {
		panic("launch: need has counted too little")
	}
	return unsafe.Pointer(unsafe.SliceData(as.p.mem[at:]))
}

func aligned(n int) int { return (n + 15) &^ 15 }

// need returns how many bytes the arguments of a call take at most.
func need(c *plan.Call) uintptr {
	n := 0
	for i := range c.Args {
		switch a := &c.Args[i]; a.Kind {
		case plan.KindString:
			n += aligned(len(a.Text) + 1)
		case plan.KindStrings:
			n += aligned(8 * (len(a.More.List) + 1))
			for _, s := range a.More.List {
				n += aligned(len(s) + 1)
			}
		case plan.KindScratch:
			n += aligned(int(a.Num))
		case plan.KindStruct:
			size := 0
			for _, f := range a.More.Fields {
				size += f.Width
			}
			n += aligned(size)
		case plan.KindProgram:
			n += 16
		}
	}
	return uintptr(n)
}

func (as *assembler) slot(name string) int {
	i, ok := as.p.names[name]
	if !ok {
		i = len(as.p.names)
		as.p.names[name] = i
	}
	return i
}

func (as *assembler) op(c *plan.Call) (op, error) {
	o := op{out: -1}
	if c.Name == plan.Lookup {
		o.kind = opLookup
	} else {
		nr, ok := abi.Call(c.Name)
		if !ok {
			return o, fmt.Errorf("assemble: no system call is called %q", c.Name)
		}
		o.nr = nr
	}
	if len(c.Args) > len(o.a) || len(c.On) > len(o.on) {
		return o, fmt.Errorf("assemble: %s has too many arguments or branches", c)
	}
	for i := range c.Args {
		a := &c.Args[i]
		v, ref, err := as.arg(a)
		if err != nil {
			return o, err
		}
		o.a[i] = v
		if ref {
			o.refs |= 1 << i
		}
		if a.Kind == plan.KindProgram {
			o.quiet = true
		}
	}
	if c.Out != "" {
		n := as.slot(c.Out)
		if n > math.MaxInt16 {
			return o, fmt.Errorf("assemble: more than %d results", math.MaxInt16)
		}
		o.out = int16(n)
	}
	for i, b := range c.On {
		e, ok := abi.Errno(b.Errno)
		if !ok {
			return o, fmt.Errorf("assemble: no error is called %q", b.Errno)
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
	return o, nil
}

// arg returns the value of an argument; ref says that it is the number of a slot
// and not the value itself.
func (as *assembler) arg(a *plan.Arg) (v uintptr, ref bool, err error) {
	switch a.Kind {
	case plan.KindNum, plan.KindOctal:
		return uintptr(a.Num), false, nil
	case plan.KindFlags:
		v, err := abi.Value(a.Text)
		return uintptr(v), false, err
	case plan.KindString:
		if a.Num == 1 {
			return 0, false, nil
		}
		return as.text(a.Text), false, nil
	case plan.KindRef:
		n, ok := as.p.names[a.Text]
		if !ok {
			return 0, false, fmt.Errorf("assemble: nothing before is called $%s", a.Text)
		}
		return uintptr(n), true, nil
	case plan.KindStrings:
		l := a.More.List
		words := unsafe.Slice((*uintptr)(as.take(8*uintptr(len(l)+1))), len(l)+1)
		for i, s := range l {
			words[i] = as.text(s)
		}
		return uintptr(unsafe.Pointer(unsafe.SliceData(words))), false, nil
	case plan.KindScratch:
		return uintptr(as.take(uintptr(a.Num))), false, nil
	case plan.KindStruct:
		at, err := as.record(a.More.Fields)
		return at, false, err
	case plan.KindProgram:
		// struct sock_fprog { unsigned short len; struct sock_filter *filter; }
		n := len(as.filter) / 8
		if n == 0 || n > 4096 {
			return 0, false, fmt.Errorf("assemble: a filter of %d instructions; the kernel takes 1 to 4096", n)
		}
		code := as.take(uintptr(len(as.filter)))
		copy(unsafe.Slice((*byte)(code), len(as.filter)), as.filter)
		head := as.take(16)
		*(*uint16)(head) = uint16(n)
		*(*uintptr)(unsafe.Add(head, 8)) = uintptr(code)
		return uintptr(head), false, nil
	}
	return 0, false, fmt.Errorf("assemble: unknown kind of argument %d", a.Kind)
}

// text writes a string and a zero byte.
func (as *assembler) text(s string) uintptr {
	at := as.take(uintptr(len(s) + 1))
	copy(unsafe.Slice((*byte)(at), len(s)), s)
	return uintptr(at)
}

func (as *assembler) record(fields []plan.Field) (uintptr, error) {
	size := 0
	for _, f := range fields {
		size += f.Width
	}
	start := as.take(uintptr(size))
	b := unsafe.Slice((*byte)(start), size)
	for i := range fields {
		f := &fields[i]
		if f.Value.Kind == plan.KindString {
			copy(b[:f.Width], f.Value.Text)
			b = b[f.Width:]
			continue
		}
		v, ref, err := as.arg(&f.Value)
		if err != nil {
			return 0, err
		}
		if ref {
			if v, ref = as.preset[f.Value.Text]; !ref {
				return 0, fmt.Errorf("assemble: field %s: $%s is not known before the launch", f.Name, f.Value.Text)
			}
		}
		switch f.Width {
		case 1:
			b[0] = byte(v)
		case 2:
			binary.NativeEndian.PutUint16(b, uint16(v))
		case 4:
			binary.NativeEndian.PutUint32(b, uint32(v))
		case 8:
			binary.NativeEndian.PutUint64(b, uint64(v))
		default:
			return 0, fmt.Errorf("assemble: field %s is %d bytes wide", f.Name, f.Width)
		}
		b = b[f.Width:]
	}
	return uintptr(start), nil
}
