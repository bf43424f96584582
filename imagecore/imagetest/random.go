package imagetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Random returns a stack of one to four small layers, the same for the same
// seed: few names, so that they meet; folders unlisted, listed again, retyped;
// whiteouts in any order; names twice; symbolic links that names pass through;
// hard links to either side.
func Random(seed uint64) Stack {
	return generator{rand.New(rand.NewPCG(seed, 0x6c61796572))}.stack()
}

// FromBytes returns the stack that a fuzzer's bytes choose: the same choices as
// Random makes, taken from b in turn, a byte for each.
func FromBytes(b []byte) Stack {
	c := choices(b)
	return generator{rand.New(&c)}.stack()
}

// choices is a source of numbers that gives a byte at a time, in all the bits
// that rand may look at. Once they are used up it repeats a number that rand
// does not reject.
type choices []byte

func (c *choices) Uint64() uint64 {
	if len(*c) == 0 {
		return 0x5555555555555555
	}
	b := (*c)[0]
	*c = (*c)[1:]
	return uint64(b) * 0x0101010101010101
}

func (g generator) stack() Stack {
	s := make(Stack, 1+g.IntN(4))
	for i := range s {
		s[i] = Layer{}
		for range g.IntN(9) {
			s[i] = append(s[i], g.record(i))
		}
	}
	return s
}

type generator struct{ *rand.Rand }

func (g generator) path() string {
	parts := make([]string, 1+g.IntN(3))
	for i := range parts {
		parts[i] = string("abcd"[g.IntN(4)])
	}
	return strings.Join(parts, "/")
}

func (g generator) record(layer int) Record {
	r := Record{Name: g.path(), Mode: 0o644, ModTime: Time + int64(g.IntN(3))}
	if g.IntN(6) == 0 {
		r.UID, r.GID = uint32(g.IntN(3)), uint32(g.IntN(3))
	}
	switch n := g.IntN(100); {
	case n < 30:
		r.Type, r.Content = 'f', fmt.Sprintf("%d %s %d", layer, r.Name, g.IntN(10))
		if g.IntN(4) == 0 {
			r.Mode = 0o4755
		}
	case n < 50:
		r.Type, r.Mode = 'd', []uint32{0o755, 0o755, 0o700, 0o1777}[g.IntN(4)]
		if g.IntN(3) == 0 {
			r.Name += "/"
		}
	case n < 60:
		r.Type, r.Mode, r.Link = 's', 0o777, g.path()
		if g.IntN(3) == 0 {
			r.Link = "/" + r.Link
		} else if g.IntN(3) == 0 {
			r.Link = "../" + r.Link
		}
	case n < 74:
		r.Type, r.Link = 'h', g.path()
	case n < 77:
		r.Type, r.Major, r.Minor = 'c', uint32(g.IntN(2)), uint32(g.IntN(2))
	case n < 79:
		r.Type = 'p'
	case n < 92:
		r.Type = 'f'
		i := strings.LastIndexByte(r.Name, '/') + 1
		r.Name = r.Name[:i] + ".wh." + r.Name[i:]
	default:
		r.Type, r.Name = 'f', r.Name+"/.wh..wh..opq"
		if g.IntN(8) == 0 {
			r.Name = ".wh..wh..opq"
		}
	}
	if g.IntN(10) == 0 {
		r.Name = "./" + r.Name
	}
	return r
}
