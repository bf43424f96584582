package tree

import (
	"iter"
	"sync"

	"github.com/layerlab/layerlab/imagecore"
)

// Tree is the merged tree of a stack of layers, after every prefix of it.
type Tree struct {
	lens     Lens
	layers   []imagecore.Layer
	nodes    []node // 0 is the root
	kids     []int32
	versions []version
	inodes   []inode
	warnings []imagecore.Warning
	// doubt says that engines might make another tree of these layers; see
	// doubtful.go. Warnings finds out. passed says that there are attributes
	// which engines may pass over.
	doubt   bool
	passed  bool
	checked sync.Once

	touched sync.Once
	byLayer [][]int32 // nodes with a version that begins or ends at the layer
}

// Ref names an entry: Layers[Layer].Entries[Entry]. Entry is -1 for none.
type Ref struct{ Layer, Entry int }

type ref struct{ layer, entry int32 }

// none is the ref of what no entry wrote.
func none() ref { return ref{layer: -1, entry: -1} }

func (r ref) export() Ref { return Ref{Layer: int(r.layer), Entry: int(r.entry)} }

// node is a path. Its number is its index.
type node struct {
	name   string // the last component, part of an entry's path
	parent int32
	last   int32 // newest version, -1 for none

	// While the tree is built: the children that have an open version, as a
	// list, so that what is gone costs nothing any more. After: child and
	// next are start and end of the sorted children in Tree.kids.
	child, next, prev int32

	cleared int32 // 1 + layer in which what lower layers put here was hidden
	passed  int32 // 1 + last layer whose names pass through this folder
}

// unlisted is node.prev of a node that is not in its parent's list.
const unlisted = -2

const (
	flagImplicit = 1 << iota
	flagCopied
)

// version is a state of a path. It holds from layer on, up to and without
// until.
type version struct {
	prev   int32 // the version before of the same node, -1 for none
	node   int32
	layer  int32
	until  int32 // the layer that ended it, -1 while open
	entry  int32 // entry of layer that wrote the name, -1 if implicit
	home   ref   // entry with metadata and content; none for an implicit folder's defaults
	inode  int32 // -1 unless linked
	link   int32 // next version of the same inode
	opaque int32 // entry of layer that is the opaque whiteout, -1 for none
	kind   imagecore.Kind
	flags  uint8
	cause  Cause
}

// inode groups the names of a file within the layer that wrote them.
type inode struct {
	attr  ref   // the entry whose header has owner, mode and times
	set   *Attr // what an engine made of it instead of attr, nil for nothing else
	names int32 // newest version, then by version.link; those of kind 0 are gone
	count int32 // how many names it has, once the tree is built
}

// Cause says why a version ended. The values are part of the binary index.
type Cause uint8

const (
	Replaced   Cause = 1 // the next version of the same path took its place
	ByWhiteout Cause = 2 // of this very path
	Hidden     Cause = 3 // by a whiteout of an ancestor
	ByOpaque   Cause = 4 // by an opaque whiteout of an ancestor
	Retyped    Cause = 5 // an ancestor became something else than a folder
)

// String returns the word for the cause, "" for none.
func (c Cause) String() string {
	switch c {
	case Replaced:
		return "replaced"
	case ByWhiteout:
		return "whiteout"
	case Hidden:
		return "hidden"
	case ByOpaque:
		return "opaque"
	case Retyped:
		return "retyped"
	}
	return ""
}

// Lens returns the lens that the tree was built with.
func (t *Tree) Lens() Lens { return t.lens }

// Layers returns the number of layers, absent ones included.
func (t *Tree) Layers() int { return len(t.layers) }

// Warnings returns what is odd in the layers, in the order of their entries.
// With the Spec lens, everything that an engine lens shows otherwise is among
// them, times aside, with the argument "lenses": the names of those lenses,
// separated by spaces. No lens is named that shows the same tree. Where the
// layers leave room for doubt, the first call builds the trees of all lenses.
func (t *Tree) Warnings() []imagecore.Warning {
	if t.doubt || t.passed {
		t.checked.Do(t.compareLenses)
	}
	return t.warnings
}

// Entry returns the entry that r names, nil for none. It must not be changed.
func (t *Tree) Entry(r Ref) *imagecore.Entry {
	if r.Entry < 0 {
		return nil
	}
	return &t.layers[r.Layer].Entries[r.Entry]
}

func (t *Tree) at(r ref) *imagecore.Entry {
	if r.entry < 0 {
		return nil
	}
	return &t.layers[r.layer].Entries[r.entry]
}

// visible returns the version of a node after n layers, -1 if it is not there.
func (t *Tree) visible(id, n int32) int32 {
	for v := t.nodes[id].last; v >= 0; v = t.versions[v].prev {
		ver := &t.versions[v]
		if ver.layer >= n {
			continue
		}
		if (ver.until >= 0 && ver.until < n) || ver.kind == imagecore.Whiteout {
			return -1
		}
		return v
	}
	return -1
}

// linked returns the inode of a version, -1 where it has no second name.
func (t *Tree) linked(v *version) int32 {
	if v.inode < 0 || t.inodes[v.inode].count < 2 {
		return -1
	}
	return v.inode
}

// children returns the numbers of a node's children, sorted bytewise by name.
func (t *Tree) children(id int32) []int32 {
	n := &t.nodes[id]
	return t.kids[n.child:n.next]
}

// child returns the child of that name, -1 for none.
func (t *Tree) childOf(id int32, name string) int32 {
	kids := t.children(id)
	lo, hi := 0, len(kids)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if t.nodes[kids[mid]].name < name {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(kids) && t.nodes[kids[lo]].name == name {
		return kids[lo]
	}
	return -1
}

// find walks lexically, -1 for a path that the tree never had.
func (t *Tree) find(path string) int32 {
	id := int32(0)
	for path != "" && id >= 0 {
		name, rest := cut(path)
		id = t.childOf(id, name)
		path = rest
	}
	return id
}

// Walk yields what is there after the first n layers; see View.All.
func (t *Tree) Walk(n int) iter.Seq[Node] { return t.View(n).All() }

// Top returns the view of the whole stack.
func (t *Tree) Top() *View { return t.View(len(t.layers)) }

// View returns the tree after the first n layers: 0 is the empty one, and
// more than there are counts as all.
func (t *Tree) View(n int) *View {
	return &View{tree: t, n: int32(min(max(n, 0), len(t.layers)))}
}

func cut(path string) (name, rest string) {
	for i := 0; i < len(path); i++ {
		if path[i] == '/' {
			return path[:i], path[i+1:]
		}
	}
	return path, ""
}

// Confined returns nil where every entry stays within the root, else the error
// for the first that leaves it: ErrInvalid, code "escapes-root". Views leave
// such entries out; what writes files or archives refuses the image.
func (t *Tree) Confined() error {
	for l := range t.layers {
		if !t.layers[l].Present {
			continue
		}
		for i := range t.layers[l].Entries {
			if e := &t.layers[l].Entries[i]; e.Escapes {
				return imagecore.NewError(imagecore.ErrInvalid, "escapes-root", "the name or its link leaves the root").At(e.Name, e.Offset).In(l)
			}
		}
	}
	return nil
}
