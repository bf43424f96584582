package tarscan

import "strings"

// arena keeps the strings of many entries in few allocations: a string is a
// piece of a builder that is never grown, so that it stays where it is.
type arena struct {
	b    strings.Builder
	next int // size of the next backing array, bytes
}

// add returns p as a string.
func (a *arena) add(p []byte) string {
	if len(p) == 0 {
		return ""
	}
	if a.b.Cap()-a.b.Len() < len(p) {
		// From 4 KiB doubling to 128 KiB: little is wasted on small layers,
		// and large ones do not allocate often.
		a.next = min(max(2*a.next, 4<<10), 128<<10)
		a.b = strings.Builder{}
		a.b.Grow(max(a.next, len(p)))
	}
	n := a.b.Len()
	a.b.Write(p)
	return a.b.String()[n:]
}
