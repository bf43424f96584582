package tree

import (
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// LayerChange is one thing that the folder of an unpacked layer holds.
type LayerChange struct {
	Path string // "" is the folder itself, the layer's root
	// Kind is Dir, File, Symlink, Char, Block or Fifo; Whiteout for a
	// character device 0:0; Hardlink for a further name of Link.
	Kind imagecore.Kind
	// Link is the path that a Hardlink names, which stands earlier in the
	// list, or a Symlink's target.
	Link   string
	Opaque bool // of a Dir: give it overlayfs's opaque mark
	// Attr is not meant for Whiteout and Hardlink. Extended attributes that
	// overlayfs would take for its own are left out.
	Attr
	Size    int64 // bytes of a File
	Content Ref   // of a File: the entry, of this or a lower layer, that has its content
}

// Changeset returns what the folder of a layer must hold so that overlayfs,
// stacking the folders of layers 0 to layer, shows View(layer+1)
// (Documentation/filesystems/overlayfs.rst). Folders stand before what they
// hold; the first is always the root. It is empty of content for an absent
// layer but for the root.
//
// A folder that the layer only passes through is there with the metadata of
// the layers below, since overlayfs shows those of the uppermost folder. A
// folder that a whiteout emptied and the layer made anew is opaque. Overlayfs
// reads no opaque mark on a layer's root, so that an opaque whiteout there
// becomes whiteouts of what it hides.
func (t *Tree) Changeset(layer int) []LayerChange {
	t.touched.Do(t.touch)
	c := changeset{t: t, layer: int32(layer), marked: make([]uint64, (len(t.nodes)+63)/64), first: map[int32]string{}}
	for _, id := range t.byLayer[layer] {
		for n := id; n >= 0 && c.mark(n); n = t.nodes[n].parent {
			continue
		}
	}
	root := t.visible(0, c.layer+1)
	c.list = append(c.list, LayerChange{Kind: imagecore.Dir, Attr: ownXattrs(t.attr(&t.versions[root])), Content: none().export()})
	c.folder(0, "", true)
	return c.list
}

// touch lists, for each layer, the nodes that it changes: a counting sort of
// the versions by the layers where they begin and end.
func (t *Tree) touch() {
	t.byLayer = make([][]int32, len(t.layers))
	counts := make([]int, len(t.layers))
	for i := range t.versions {
		if v := &t.versions[i]; v.kind != 0 {
			counts[v.layer]++
			if v.until >= 0 {
				counts[v.until]++
			}
		}
	}
	for l, n := range counts {
		t.byLayer[l] = make([]int32, 0, n)
	}
	for i := range t.versions {
		if v := &t.versions[i]; v.kind != 0 {
			t.byLayer[v.layer] = append(t.byLayer[v.layer], v.node)
			if v.until >= 0 {
				t.byLayer[v.until] = append(t.byLayer[v.until], v.node)
			}
		}
	}
}

type changeset struct {
	t      *Tree
	layer  int32
	marked []uint64         // nodes that the layer changes, and the folders above them
	first  map[int32]string // inode → its first name
	list   []LayerChange
}

// mark says whether the node was not marked yet.
func (c *changeset) mark(n int32) bool {
	w, bit := n/64, uint64(1)<<(n%64)
	if c.marked[w]&bit != 0 {
		return false
	}
	c.marked[w] |= bit
	return true
}

// folder lists the contents of a folder. merged says that overlayfs looks into
// the layers below for it.
func (c *changeset) folder(dir int32, path string, merged bool) {
	t := c.t
	for _, id := range t.children(dir) {
		if c.marked[id/64]&(1<<(id%64)) == 0 {
			continue
		}
		name := t.nodes[id].name
		if path != "" {
			name = path + "/" + name
		}
		before, after := t.visible(id, c.layer), t.visible(id, c.layer+1)
		if after < 0 {
			if before >= 0 && merged {
				c.list = append(c.list, LayerChange{Path: name, Kind: imagecore.Whiteout, Content: none().export()})
			}
			continue
		}
		v := &t.versions[after]
		if v.kind != imagecore.Dir {
			if v.layer == c.layer {
				c.file(name, v)
			}
			continue
		}
		wasDir := merged && before >= 0 && t.versions[before].kind == imagecore.Dir
		goesOn := wasDir && (before == after || t.versions[before].cause == Replaced)
		emptied := v.layer == c.layer && v.opaque >= 0
		c.list = append(c.list, LayerChange{
			Path: name, Kind: imagecore.Dir, Attr: ownXattrs(t.attr(v)),
			Opaque: wasDir && (!goesOn || emptied), Content: none().export(),
		})
		c.folder(id, name, goesOn && !emptied)
	}
}

func (c *changeset) file(path string, v *version) {
	if v.inode >= 0 {
		if first, ok := c.first[v.inode]; ok {
			c.list = append(c.list, LayerChange{Path: path, Kind: imagecore.Hardlink, Link: first, Content: none().export()})
			return
		}
		c.first[v.inode] = path
	}
	e := c.t.export(v)
	c.list = append(c.list, LayerChange{
		Path: path, Kind: v.kind, Link: e.Target, Attr: ownXattrs(e.Attr), Size: e.Size, Content: e.Content,
	})
}

// ownXattrs leaves out the attributes that overlayfs keeps its own books in:
// an image that brings them along would redirect or hide what is below.
func ownXattrs(a Attr) Attr {
	ours := func(key string) bool {
		return !strings.HasPrefix(key, "trusted.overlay.") && !strings.HasPrefix(key, "user.overlay.")
	}
	for i, x := range a.Xattrs {
		if ours(x.Key) {
			continue
		}
		kept := append([]imagecore.Xattr(nil), a.Xattrs[:i]...)
		for _, x := range a.Xattrs[i+1:] {
			if ours(x.Key) {
				kept = append(kept, x)
			}
		}
		a.Xattrs = kept
		break
	}
	return a
}
