package tree

import (
	"iter"
	"strings"
	"sync"

	"github.com/layerlab/layerlab/imagecore"
)

// View is the tree after the first layers of the stack.
type View struct {
	tree *Tree
	n    int32

	counted sync.Once
	links   map[int32]linked // by inode, for those with more than one name here
}

type linked struct {
	count int
	first string
}

// Tree returns the tree that v looks at.
func (v *View) Tree() *Tree { return v.tree }

// Layers returns how many layers v is after.
func (v *View) Layers() int { return int(v.n) }

// Root returns the root, whose path is "". It is there in the empty view too.
func (v *View) Root() Node { return Node{v, 0, v.tree.visible(0, v.n)} }

// All yields every path but the root, folders before what they hold, in the
// bytewise order of path components.
func (v *View) All() iter.Seq[Node] {
	return func(yield func(Node) bool) { v.walk(0, yield) }
}

func (v *View) walk(dir int32, yield func(Node) bool) bool {
	for _, c := range v.tree.children(dir) {
		ver := v.tree.visible(c, v.n)
		if ver < 0 {
			continue
		}
		if !yield(Node{v, c, ver}) {
			return false
		}
		if v.tree.versions[ver].kind == imagecore.Dir && !v.walk(c, yield) {
			return false
		}
	}
	return true
}

// Empty says whether there is nothing but the root.
func (v *View) Empty() bool {
	for range v.Root().Children() {
		return false
	}
	return true
}

// Lookup returns what stands at a cleaned path without a leading slash; ""
// is the root. No symbolic link is followed.
func (v *View) Lookup(path string) (Node, bool) {
	if path == "" {
		return v.Root(), true
	}
	id := v.tree.find(path)
	if id < 0 {
		return Node{}, false
	}
	ver := v.tree.visible(id, v.n)
	return Node{v, id, ver}, ver >= 0
}

// Resolve returns what a path leads to when symbolic links are followed, the
// last one too, as they would be after chroot(2). The path may be absolute
// and need not be clean. ErrNotFound has the code "path-not-found".
func (v *View) Resolve(path string) (Node, error) {
	missing := func() (Node, error) {
		return Node{}, imagecore.NewError(imagecore.ErrNotFound, "path-not-found", "there is no such path in the image", "path", path).At(path, -1)
	}
	n, rest, links := v.Root(), path, 0
	for rest != "" {
		var c string
		switch c, rest = cut(rest); c {
		case "", ".":
			continue
		case "..":
			n = n.Parent()
			continue
		}
		if n.Kind() != imagecore.Dir {
			return missing()
		}
		id := v.tree.childOf(n.id, c)
		if id < 0 {
			return missing()
		}
		ver := v.tree.visible(id, v.n)
		if ver < 0 {
			return missing()
		}
		next := Node{v, id, ver}
		if next.Kind() != imagecore.Symlink {
			n = next
			continue
		}
		if links++; links > maxLinks {
			return missing()
		}
		target := next.Target()
		if strings.HasPrefix(target, "/") {
			n = v.Root()
		}
		rest = target + "/" + rest
	}
	return n, nil
}

// Node is a path of a view. The zero Node is not valid.
type Node struct {
	view *View
	id   int32
	ver  int32 // -1 only for the root of the empty view
}

func (n Node) version() *version { return &n.view.tree.versions[n.ver] }

// View returns the view that n belongs to.
func (n Node) View() *View { return n.view }

// Path returns the whole path, without a leading slash; "" for the root.
func (n Node) Path() string { return n.view.tree.path(n.id) }

// Name returns the last component, "" for the root.
func (n Node) Name() string { return n.view.tree.nodes[n.id].name }

// Kind returns File, Dir, Symlink, Char, Block or Fifo. A hard link's is that
// of the file that it names.
func (n Node) Kind() imagecore.Kind {
	if n.ver < 0 {
		return imagecore.Dir
	}
	return n.version().kind
}

// Layer returns the layer that made the path what it is here: the one that
// wrote it, or that made an unlisted folder first. A folder that later layers
// only pass through stays with the layer that wrote it.
func (n Node) Layer() int {
	if n.ver < 0 {
		return 0
	}
	return int(n.version().layer)
}

// Implicit says that no entry of the layer names this folder.
func (n Node) Implicit() bool { return n.ver < 0 || n.version().flags&flagImplicit != 0 }

// Copied says that a hard link to a lower layer's file made this name, or
// brought it along with the copy (rule 5).
func (n Node) Copied() bool { return n.ver >= 0 && n.version().flags&flagCopied != 0 }

// Attr returns mode, owner, time, device number and extended attributes.
func (n Node) Attr() Attr {
	if n.ver < 0 {
		return Attr{Mode: 0o755}
	}
	return n.view.tree.attr(n.version())
}

// Size returns the bytes of a file's content, 0 for anything else.
func (n Node) Size() int64 {
	if n.ver < 0 {
		return 0
	}
	return n.view.tree.size(n.version())
}

// Target returns where a symbolic link points, as it stands in the tar.
func (n Node) Target() string {
	if n.Kind() != imagecore.Symlink {
		return ""
	}
	return n.view.tree.at(n.version().home).Link
}

// Source returns the entry that wrote this name in its layer; Entry is -1 for
// an implicit folder. For a name that was copied along with a hard link it is
// that link's entry.
func (n Node) Source() Ref {
	if n.ver < 0 {
		return none().export()
	}
	return n.view.tree.source(n.version()).export()
}

// Content returns the entry whose content is this file's: of another layer
// where Copied, of another name where it is a hard link; Entry is -1 for what
// is no file.
func (n Node) Content() Ref {
	if n.Kind() != imagecore.File {
		return none().export()
	}
	return n.version().home.export()
}

// Parent returns the folder that n lies in; the root is its own.
func (n Node) Parent() Node {
	p := n.view.tree.nodes[n.id].parent
	if p < 0 {
		return n
	}
	return Node{n.view, p, n.view.tree.visible(p, n.view.n)}
}

// Children yields what lies in a folder, sorted bytewise by name.
func (n Node) Children() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for _, c := range n.view.tree.children(n.id) {
			if ver := n.view.tree.visible(c, n.view.n); ver >= 0 && !yield(Node{n.view, c, ver}) {
				return
			}
		}
	}
}

// Links returns how many names the inode of n has in this view, and the first
// of them in the order of All: 1 and n's own path unless n is hard-linked.
func (n Node) Links() (count int, first string) {
	if n.ver >= 0 {
		if in := n.view.tree.linked(n.version()); in >= 0 {
			n.view.counted.Do(n.view.count)
			if l, ok := n.view.links[in]; ok {
				return l.count, l.first
			}
		}
	}
	return 1, n.Path()
}

// Inode returns a number that the names of a hard-linked file share in the
// whole tree, -1 where there was never more than one name.
func (n Node) Inode() int {
	if n.ver < 0 {
		return -1
	}
	return int(n.view.tree.linked(n.version()))
}

func (v *View) count() {
	v.links = map[int32]linked{}
	t := v.tree
	for i := range t.inodes {
		if t.inodes[i].count < 2 {
			continue
		}
		var l linked
		for ver := t.inodes[i].names; ver >= 0; ver = t.versions[ver].link {
			id := t.versions[ver].node
			if t.versions[ver].kind == 0 || t.visible(id, v.n) != ver {
				continue
			}
			path := t.path(id)
			if l.count == 0 || ComparePaths(path, l.first) < 0 {
				l.first = path
			}
			l.count++
		}
		if l.count > 1 {
			v.links[int32(i)] = l
		}
	}
}

// ComparePaths orders paths bytewise by components, as All does: a folder's
// contents come before "folder-2".
func ComparePaths(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] == b[i] {
			continue
		}
		if a[i] == '/' {
			return -1
		}
		if b[i] == '/' {
			return 1
		}
		return int(a[i]) - int(b[i])
	}
	return len(a) - len(b)
}
