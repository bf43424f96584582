package audit

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// Figures are what the tool dive computes of an image, and what its rules are
// about.
type Figures struct {
	Efficiency  float64 // 0 to 1
	Bytes       int64   // of all layers
	UserBytes   int64   // of all but the base
	WastedBytes int64
	// UserWasted is WastedBytes to UserBytes: NaN where both are 0, infinite
	// where UserBytes alone is.
	UserWasted float64
	Files      []DiveFile // largest first
}

// DiveFile is a path that more than one layer names.
type DiveFile struct {
	Path  string
	Count int   // layers that name it, whiteouts included
	Bytes int64 // of all of them together
}

// Dive computes dive's figures as dive v0.13 does, to the last bit: for every
// path that is a leaf in some layer the smallest and the total of its sizes,
// whose sums' ratio is the efficiency; wasted is the total of the paths that
// more than one layer names.
//
// So that thresholds that were tuned with dive mean the same here, its
// blind spots are kept. Opaque whiteouts count as nothing. What a whiteout of a
// folder hides is counted as needed rather than wasted. The copy that remains
// visible counts as wasted too. The rest of a layer is passed over after a
// whiteout of what is not there. Waste has the truth.
func Dive(layers []imagecore.Layer) Figures {
	d := &diver{paths: map[string]*divePath{}}
	var f Figures
	stack := newDiveNode()
	for i := range layers {
		own := newDiveNode()
		for j := range layers[i].Entries {
			e := &layers[i].Entries[j]
			name := path.Clean(e.Name)
			if name == "." {
				continue
			}
			own.add(name, e.Size, e.Kind == imagecore.Dir)
			f.Bytes += e.Size
			if i > 0 {
				f.UserBytes += e.Size
			}
		}
		if i == 0 {
			d.visit(own, "", own) // dive looks a base's whiteouts up in the base itself
		} else {
			d.visit(own, "", stack)
		}
		stack.stack(own)
	}
	var least, all int64
	for _, p := range d.paths {
		least += p.least
		all += p.all
	}
	f.Efficiency = 1
	if all != 0 {
		f.Efficiency = float64(least) / float64(all)
	}
	for _, name := range d.repeated {
		p := d.paths[name]
		f.Files = append(f.Files, DiveFile{Path: name, Count: p.count, Bytes: p.all})
		f.WastedBytes += p.all
	}
	slices.SortStableFunc(f.Files, func(x, y DiveFile) int { return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(x.Path, y.Path)) })
	f.UserWasted = float64(f.WastedBytes) / float64(f.UserBytes)
	return f
}

// divePath adds up what the layers have at a path.
type divePath struct {
	count      int
	least, all int64
}

type diver struct {
	paths    map[string]*divePath
	repeated []string // paths of two layers, in the order of their second
}

// visit counts the leaves beneath a node of a layer, in the order of names. It
// returns false where dive stops reading the layer.
func (d *diver) visit(n *diveNode, at string, below *diveNode) bool {
	for _, name := range n.names() {
		child := n.children[name]
		if len(child.children) > 0 {
			if !d.visit(child, at+"/"+name, below) {
				return false
			}
			continue
		}
		size, p := child.size, at+"/"+name
		if hides, ok := strings.CutPrefix(name, ".wh."); ok {
			p = at + "/" + hides
			gone := below.find(p)
			if gone == nil {
				return false
			}
			if size = 0; gone.dir {
				size = gone.total()
			}
		}
		entry := d.paths[p]
		if entry == nil {
			entry = &divePath{least: size}
			d.paths[p] = entry
		}
		entry.count++
		entry.all += size
		entry.least = min(entry.least, size)
		if entry.count == 2 {
			d.repeated = append(d.repeated, p)
		}
	}
	return true
}

// diveNode is a node of the tree that dive makes of a layer's names: nothing
// but names, no rules of merging.
type diveNode struct {
	children map[string]*diveNode
	size     int64
	dir      bool // an entry says so; folders that no entry names are none
}

func newDiveNode() *diveNode { return &diveNode{} }

// add puts an entry at its place; names of AUFS's bookkeeping, opaque whiteouts
// among them, end the walk.
func (n *diveNode) add(name string, size int64, dir bool) {
	at := n
	for c := range strings.SplitSeq(strings.Trim(name, "/"), "/") {
		if c == "" {
			continue
		}
		next := at.children[c]
		if next == nil {
			if strings.HasPrefix(c, ".wh..wh..") {
				return
			}
			if at.children == nil {
				at.children = map[string]*diveNode{}
			}
			next = newDiveNode()
			at.children[c] = next
		}
		at = next
	}
	at.size, at.dir = size, dir
}

func (n *diveNode) names() []string {
	names := make([]string, 0, len(n.children))
	for name := range n.children {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (n *diveNode) find(p string) *diveNode {
	for c := range strings.SplitSeq(strings.Trim(p, "/"), "/") {
		if c == "" {
			continue
		}
		if n = n.children[c]; n == nil {
			return nil
		}
	}
	return n
}

// total adds up a node and all beneath it.
func (n *diveNode) total() int64 {
	sum := n.size
	for _, c := range n.children {
		sum += c.total()
	}
	return sum
}

// stack lays a layer over n.
func (n *diveNode) stack(upper *diveNode) {
	for _, name := range upper.names() {
		u := upper.children[name]
		if hides, ok := strings.CutPrefix(name, ".wh."); ok {
			delete(n.children, hides)
			continue
		}
		if n.children == nil {
			n.children = map[string]*diveNode{}
		}
		c := n.children[name]
		if c == nil {
			c = newDiveNode()
			n.children[name] = c
		}
		c.stack(u)
		c.size, c.dir = u.size, u.dir
	}
}
