package tree

import (
	"iter"
	"sort"

	"github.com/layerlab/layerlab/imagecore"
)

// Attr is the metadata of a path.
type Attr struct {
	Mode     uint32 // permission bits with setuid, setgid and sticky; 0777 for symbolic links
	UID, GID uint32
	Major    uint32
	Minor    uint32
	ModNano  int32             // nanoseconds
	ModTime  int64             // seconds since 1970
	Xattrs   []imagecore.Xattr // sorted by key; not to be changed
}

// Version is a state of a path: what stood there, from which layer on, until
// which layer and why no longer.
type Version struct {
	// Kind is File, Dir, Symlink, Char, Block or Fifo, or Whiteout while the
	// path is hidden by its own whiteout.
	Kind  imagecore.Kind
	Layer int // the first layer in whose view it holds
	Until int // the layer that ended it, -1 where it holds to the top
	Cause Cause
	// Implicit: no entry of the layer names this folder.
	Implicit bool
	// Copied: a hard link to a lower layer's file made it (rule 5).
	Copied bool
	// Inode numbers the hard-linked files of the tree, -1 for others. The
	// names of one file share it.
	Inode int
	Attr
	Size     int64  // bytes of a file's content
	Target   string // of a symbolic link
	Source   Ref    // the entry that wrote it; Entry -1 if Implicit
	Content  Ref    // the entry that has a file's content; Entry -1 for what is no file
	OpaqueBy Ref    // the opaque whiteout that emptied the folder; Entry -1 for none
}

// Versions returns every version of a cleaned path, oldest first, also where
// it is gone by now; nil for a path that never was.
func (t *Tree) Versions(path string) []Version {
	id := t.find(path)
	if id < 0 {
		return nil
	}
	return Path{t, id, 0}.Versions()
}

// Versions returns every version of the node's path, oldest first.
func (n Node) Versions() []Version { return Path{n.view.tree, n.id, 0}.Versions() }

// Path is a path of the whole tree, with all its versions.
type Path struct {
	tree  *Tree
	id    int32
	depth int
}

// Paths yields every path that is there after any prefix of the stack, deleted
// ones and those that only a whiteout names included: the root first, folders
// before what they hold, children sorted bytewise by name.
func (t *Tree) Paths() iter.Seq[Path] {
	return func(yield func(Path) bool) { t.paths(0, 0, yield) }
}

func (t *Tree) paths(id int32, depth int, yield func(Path) bool) bool {
	if id != 0 && t.nodes[id].last < 0 {
		return true // named, but never there
	}
	if !yield(Path{t, id, depth}) {
		return false
	}
	for _, c := range t.children(id) {
		if !t.paths(c, depth+1, yield) {
			return false
		}
	}
	return true
}

// Name returns the last component, "" for the root.
func (p Path) Name() string { return p.tree.nodes[p.id].name }

// Depth returns the number of components, 0 for the root.
func (p Path) Depth() int { return p.depth }

// String returns the whole path.
func (p Path) String() string { return p.tree.path(p.id) }

// Versions returns the versions of p, oldest first.
func (p Path) Versions() []Version { return p.AppendVersions(nil) }

// AppendVersions appends the versions of p to dst, oldest first.
func (p Path) AppendVersions(dst []Version) []Version {
	start := len(dst)
	for v := p.tree.nodes[p.id].last; v >= 0; v = p.tree.versions[v].prev {
		dst = append(dst, p.tree.export(&p.tree.versions[v]))
	}
	for i, j := start, len(dst)-1; i < j; i, j = i+1, j-1 {
		dst[i], dst[j] = dst[j], dst[i]
	}
	return dst
}

func (t *Tree) export(v *version) Version {
	e := Version{
		Kind: v.kind, Layer: int(v.layer), Until: int(v.until), Cause: v.cause,
		Implicit: v.flags&flagImplicit != 0, Copied: v.flags&flagCopied != 0, Inode: int(t.linked(v)),
		Attr: t.attr(v), Size: t.size(v), Source: t.source(v).export(),
		Content: none().export(), OpaqueBy: none().export(),
	}
	switch v.kind {
	case imagecore.File:
		e.Content = v.home.export()
	case imagecore.Symlink:
		e.Target = t.at(v.home).Link
	}
	if v.opaque >= 0 {
		e.OpaqueBy = Ref{Layer: int(v.layer), Entry: int(v.opaque)}
	}
	return e
}

func (t *Tree) source(v *version) ref {
	if v.entry < 0 {
		return none()
	}
	return ref{v.layer, v.entry}
}

func (t *Tree) size(v *version) int64 {
	if v.kind != imagecore.File {
		return 0
	}
	return t.at(v.home).Size
}

// attr puts a version's metadata together: a linked file's comes from the
// header that was applied last, its extended attributes from both.
func (t *Tree) attr(v *version) Attr {
	if v.inode >= 0 && t.inodes[v.inode].set != nil {
		return *t.inodes[v.inode].set
	}
	home := t.at(v.home)
	if home == nil {
		if v.kind == imagecore.Whiteout {
			return Attr{}
		}
		return Attr{Mode: 0o755}
	}
	a := Attr{
		Mode: home.Mode, UID: home.UID, GID: home.GID,
		ModTime: home.ModTime, ModNano: home.ModNano, Xattrs: home.Xattrs,
	}
	if v.kind == imagecore.Char || v.kind == imagecore.Block {
		a.Major, a.Minor = home.Major, home.Minor
	}
	if v.inode >= 0 && t.inodes[v.inode].attr != v.home {
		link := t.at(t.inodes[v.inode].attr)
		a.Mode, a.UID, a.GID, a.ModTime, a.ModNano = link.Mode, link.UID, link.GID, link.ModTime, link.ModNano
		a.Xattrs = mergeXattrs(a.Xattrs, link.Xattrs)
	}
	if v.kind == imagecore.Symlink {
		a.Mode = 0o777
	}
	return a
}

// mergeXattrs returns the union, upper's values first where both have a key.
func mergeXattrs(lower, upper []imagecore.Xattr) []imagecore.Xattr {
	if len(upper) == 0 {
		return lower
	}
	merged := append([]imagecore.Xattr(nil), upper...)
	for _, x := range lower {
		i := sort.Search(len(upper), func(i int) bool { return upper[i].Key >= x.Key })
		if i == len(upper) || upper[i].Key != x.Key {
			merged = append(merged, x)
		}
	}
	sort.SliceStable(merged, func(i, j int) bool { return merged[i].Key < merged[j].Key })
	return merged
}
