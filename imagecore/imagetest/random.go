package imagetest

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
)

// Random returns a stack of one to five small layers, the same for the same
// seed: few names, so that they meet. Three in five are tame: what a builder
// could have written, with one odd record now and then, so that engines take
// most of them. The rest are wild: folders unlisted, listed again, retyped;
// whiteouts in any order, of any type, of nothing; names twice; links that
// names pass through, in circles, out of the root; hard links to either side;
// AUFS's bookkeeping.
func Random(seed uint64) Stack {
	return (&generator{Rand: rand.New(rand.NewPCG(seed, 0x6c61796572))}).stack()
}

// Odd is Random with what no image can be written with as well: names that
// leave the root, whiteouts that name nothing, folders named like whiteouts,
// attributes of files that cannot have them.
func Odd(seed uint64) Stack {
	return (&generator{Rand: rand.New(rand.NewPCG(seed, 0x6c61796572)), odder: true}).stack()
}

// FromBytes returns the stack that a fuzzer's bytes choose: the same choices as
// Odd makes, taken from b in turn, a byte for each.
func FromBytes(b []byte) Stack {
	c := choices(b)
	return (&generator{Rand: rand.New(&c), odder: true}).stack()
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

type generator struct {
	*rand.Rand
	odder bool
	layer int
	below []string        // paths that layers so far have written
	here  map[string]byte // what the layer at hand has written, with its type
}

// one returns true once in n times.
func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) stack() Stack {
	s := make(Stack, 1+g.IntN(5))
	tame := g.IntN(5) < 3
	for i := range s {
		s[i] = Layer{}
		g.layer, g.here = i, map[string]byte{}
		for range g.IntN(9) {
			if tame && !g.one(20) {
				s[i] = append(s[i], g.tame()...)
			} else {
				s[i] = append(s[i], g.wild())
			}
		}
		for _, r := range s[i] {
			if p := strings.Trim(path.Join("/", r.Name), "/"); !isWhiteout(r.Name) && p != "" && !slices.Contains(g.below, p) {
				g.below = append(g.below, p)
			}
		}
	}
	return s
}

func (g *generator) path() string {
	parts := make([]string, 1+g.IntN(3))
	for i := range parts {
		parts[i] = string("abcd"[g.IntN(4)])
	}
	return strings.Join(parts, "/")
}

// tame returns a record that fits with those before it in the layer, and
// sometimes the folders that it lies in.
func (g *generator) tame() []Record {
	name := ""
	for range 5 {
		name = g.path()
		if len(g.below) > 0 && g.one(2) {
			name = pick(g, g.below...)
		}
		if g.fits(name) {
			break
		}
		name = ""
	}
	if name == "" {
		return nil
	}
	var all []Record
	if g.one(2) {
		for i := range name {
			if name[i] == '/' && g.here[name[:i]] != 'd' {
				g.here[name[:i]] = 'd'
				all = append(all, g.metadata(Record{Type: 'd', Name: name[:i]}))
			}
		}
	} else {
		for i := range name {
			if name[i] == '/' && g.here[name[:i]] == 0 {
				g.here[name[:i]] = 'i' // made on the way
			}
		}
	}
	r := g.metadata(g.kind(Record{Name: name}))
	if len(g.below) > 0 && g.one(4) {
		r = Record{Type: 'f', Name: whiteoutOf(name), ModTime: Time, Mode: 0o644}
		if g.one(4) && g.here[name] == 0 {
			r.Name = name + "/.wh..wh..opq"
			g.here[name] = 'i'
			return append(all, r)
		}
		g.here[name] = 'w'
		return append(all, r)
	}
	if r.Type == 'h' {
		var files []string
		for p, t := range g.here {
			if strings.IndexByte("fscbp", t) >= 0 {
				files = append(files, p)
			}
		}
		if len(files) == 0 {
			r.Type, r.Link = 'p', ""
		} else {
			slices.Sort(files)
			r.Link = pick(g, files...)
		}
	}
	g.here[name] = r.Type
	return append(all, r)
}

// fits says whether a name was not written in the layer so far and lies in
// folders.
func (g *generator) fits(name string) bool {
	if t := g.here[name]; t != 0 && t != 'i' {
		return false
	}
	for p, t := range g.here {
		if beneath(p, name) || beneath(name, p) && t != 'd' && t != 'i' {
			return false
		}
	}
	return true
}

func whiteoutOf(name string) string {
	name = strings.TrimSuffix(name, "/")
	i := strings.LastIndexByte(name, '/') + 1
	return name[:i] + ".wh." + name[i:]
}

// kind gives a record a type and what belongs to it.
func (g *generator) kind(r Record) Record {
	switch n := g.IntN(80); {
	case n < 30:
		r.Type, r.Content = 'f', fmt.Sprintf("%d %s %d", g.layer, r.Name, g.IntN(10))
	case n < 50:
		r.Type = 'd'
		if g.one(3) {
			r.Name += "/"
		}
	case n < 60:
		r.Type, r.Link = 's', g.path()
		switch g.IntN(8) {
		case 0, 1:
			r.Link = "/" + r.Link
		case 2, 3:
			r.Link = "../" + r.Link
		case 4:
			r.Link = pick(g, ".", "..", "/", "../..", "a/..", "./b", "../../../c", "nowhere")
		}
	case n < 72:
		r.Type, r.Link = 'h', g.path()
	case n < 75:
		r.Type, r.Major, r.Minor = pick(g, byte('c'), 'c', 'b'), uint32(g.IntN(2)), 1
	default:
		r.Type = 'p'
	}
	return r
}

// metadata gives a record mode, owner, time and attributes.
func (g *generator) metadata(r Record) Record {
	r.ModTime, r.Mode = Time+int64(g.IntN(3)), 0o644
	if g.one(6) {
		r.UID, r.GID = uint32(g.IntN(3)), uint32(g.IntN(3))
	}
	switch r.Type {
	case 'f', 'h':
		if g.one(4) {
			r.Mode = 0o4755
		}
		if g.one(16) {
			r.Xattrs = map[string]string{"security.capability": "\x01\x00\x00\x02" + strings.Repeat("\x00", 15) + pick(g, "\x01", "\x02")}
		}
	case 'd':
		r.Mode = pick(g, uint32(0o755), 0o755, 0o700, 0o1777)
	case 's':
		r.Mode = 0o777
	}
	if g.one(16) && (g.odder || strings.IndexByte("fd", r.Type) >= 0) {
		if r.Xattrs == nil {
			r.Xattrs = map[string]string{}
		}
		r.Xattrs["user."+pick(g, "k", "l")] = pick(g, "1", "2")
	}
	return r
}

// wild returns any record at all.
func (g *generator) wild() Record {
	r := g.kind(Record{Name: g.path()})
	switch n := g.IntN(100); {
	case n < 14:
		r = Record{Type: 'f', Name: whiteoutOf(r.Name)}
	case n < 22:
		r = Record{Type: 'f', Name: r.Name + "/.wh..wh..opq"}
		if g.one(8) {
			r.Name = ".wh..wh..opq"
		}
	case n < 30:
		r = g.odd(r)
	}
	r = g.metadata(r)
	switch g.IntN(40) {
	case 0, 1, 2, 3:
		r.Name = "./" + r.Name
	case 4:
		r.Name = "/" + r.Name
	case 5:
		r.Name = strings.ReplaceAll(r.Name, "/", pick(g, "//", "/./"))
	case 6:
		r.Name = pick(g, "a/../", "b/c/../../", "x/../") + r.Name
	case 7:
		if g.odder && g.one(3) {
			r.Name = "../" + r.Name
		}
	}
	return r
}

// odd returns what is seldom seen: whiteouts that are no files or name nothing,
// AUFS's bookkeeping and links to it, entries for the root, links to whiteouts,
// devices that overlayfs takes for whiteouts, names beneath a whiteout's name.
func (g *generator) odd(r Record) Record {
	kinds := 9
	if g.odder {
		kinds = 12
	}
	switch g.IntN(kinds) {
	case 0:
		r.Name = whiteoutOf(r.Name)
	case 9:
		r = Record{Type: 'f', Name: pick(g, "", "a/", "b/c/") + pick(g, ".wh.", ".wh..", ".wh...")}
	case 2:
		r.Name = pick(g, ".wh..wh.plnk", ".wh..wh.plnk/1.2", ".wh..wh.plnk/1.3", ".wh..wh.aufs", "a/.wh..wh.plnk/1.2", ".wh..wh.orph/x", ".wh..wh.")
	case 3:
		r = Record{Type: 'f', Name: ".wh..wh.plnk/1.2", Content: "kept"}
	case 4:
		r = Record{Type: 'h', Name: strings.TrimSuffix(r.Name, "/"), Link: pick(g, ".wh..wh.plnk/1.2", ".wh..wh.plnk/1.3")}
	case 5:
		r = Record{Type: 'd', Name: pick(g, "./", "/", ".", "a/..")}
	case 6:
		r = Record{Type: 'h', Name: strings.TrimSuffix(r.Name, "/"), Link: whiteoutOf(g.path())}
	case 11:
		r = Record{Type: 'h', Name: strings.TrimSuffix(r.Name, "/"), Link: pick(g, "", "../", "/") + g.path()}
	case 1, 8:
		r = Record{Type: 'c', Name: strings.TrimSuffix(r.Name, "/")}
	case 10:
		r.Name = pick(g, ".wh.a/", "b/.wh.c/", "a/.wh..wh..opq/") + strings.TrimSuffix(r.Name, "/")
	case 7:
		r.Name = "a/\xff" + pick(g, "", "/b")
		r.Content = ""
	}
	return r
}
