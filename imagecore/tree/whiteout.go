package tree

import (
	"sort"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// whiteoutsFirst applies a layer's whiteouts before its entries, so that they
// hide what is below wherever they stand (image-spec layer.md "Whiteouts").
// Those nearer to the root come first: what they hide needs no second look.
func (b *builder) whiteoutsFirst() {
	type item struct {
		id    int32
		depth int
		path  string
	}
	var items []item
	symlinks := false
	for i := range b.entries {
		e := &b.entries[i]
		symlinks = symlinks || e.Kind == imagecore.Symlink
		if (e.Kind == imagecore.Whiteout || e.Kind == imagecore.Opaque) && !e.Escapes {
			items = append(items, item{id: int32(i), path: e.Path})
		}
	}
	if len(items) == 0 {
		return
	}
	if symlinks {
		own := b.ownLinks()
		for i := range items {
			items[i].path = own.through(items[i].path, items[i].id, b.entries[items[i].id].Kind == imagecore.Opaque)
		}
	}
	for i := range items {
		it := &items[i]
		// Twice the number of components; an opaque whiteout comes after
		// the whiteout of its own folder and before those of its children.
		if it.path != "" {
			it.depth = 2 * (1 + strings.Count(it.path, "/"))
		}
		if b.entries[it.id].Kind == imagecore.Opaque {
			it.depth++
		}
	}
	sort.SliceStable(items, func(i, j int) bool { return items[i].depth < items[j].depth })
	for _, it := range items {
		e := &b.entries[it.id]
		if b.underOwnWhiteout(it.path) {
			b.warn("whiteout-twice", it.id, "another whiteout of the layer hides this already", e.Path, DockerOverlay2, ContainerdOverlayfs)
			continue
		}
		b.whiteout(e, it.id, it.path)
	}
	b.lastDir, b.lastNode = "", 0
}

// underOwnWhiteout says whether path, or a folder above it, was hidden by a
// whiteout of the layer at hand.
func (b *builder) underOwnWhiteout(path string) bool {
	n := int32(0)
	for path != "" {
		var name string
		name, path = cut(path)
		if n, _ = b.table.find(b.nodes, n, name); n < 0 {
			return false
		}
		if v := b.open(n); v >= 0 && b.own(v) && b.versions[v].kind == imagecore.Whiteout {
			return true
		}
	}
	return false
}

// whiteout applies a whiteout or an opaque one.
func (b *builder) whiteout(e *imagecore.Entry, id int32, path string) {
	if e.Kind == imagecore.Opaque {
		b.opaque(id, path)
		return
	}
	dir, name, ok := b.reach(path, id)
	if !ok {
		return
	}
	b.leadsTo(dir, id)
	n := b.child(dir, name)
	b.hide(n, ByWhiteout)
	b.add(n, version{entry: id, home: none(), inode: -1, opaque: -1, kind: imagecore.Whiteout})
}

// leadsTo remembers the last whiteout of the layer beneath a folder: where
// something else than a folder stands before it under the folder's name,
// engines find no place for the whiteout.
func (b *builder) leadsTo(dir, id int32) {
	if b.whited == nil {
		b.whited = map[int32]int32{}
	}
	for n := dir; n > 0; n = b.nodes[n].parent {
		if last, ok := b.whited[n]; ok && last >= id {
			return
		}
		b.whited[n] = id
	}
}

// opaque empties a folder of what lower layers put there.
func (b *builder) opaque(id int32, path string) {
	n := int32(0)
	if path != "" {
		dir, _, ok := b.reach(path+"/.", id)
		if !ok {
			return
		}
		n = dir
	} else {
		b.warn("opaque-root", id, "an opaque whiteout of the root empties the whole tree; overlayfs does not heed it there", path, DockerOverlay2, ContainerdOverlayfs)
	}
	b.leadsTo(n, id)
	b.empty(n)
	v := b.open(n)
	if !b.own(v) {
		// The mark needs a version of this layer, which keeps the metadata.
		home := b.versions[v].home
		b.close(v, Replaced)
		b.derived++
		v = b.add(n, version{entry: -1, home: home, inode: -1, opaque: -1, kind: imagecore.Dir, flags: flagImplicit})
	}
	b.versions[v].opaque = id
}

// empty hides what lower layers put into a folder, once in a layer.
func (b *builder) empty(n int32) {
	if b.nodes[n].cleared == b.layer+1 {
		return
	}
	b.nodes[n].cleared = b.layer + 1
	for c := b.nodes[n].child; c >= 0; {
		next := b.nodes[c].next
		b.hide(c, ByOpaque)
		c = next
	}
}

// hide ends what lower layers put at a node and beneath it. What the layer at
// hand wrote stays, and so do the folders that lead to it.
func (b *builder) hide(n int32, cause Cause) {
	nd := &b.nodes[n]
	if nd.cleared == b.layer+1 {
		return
	}
	nd.cleared = b.layer + 1
	v := b.open(n)
	if v < 0 {
		return
	}
	below := cause
	if cause == ByWhiteout {
		below = Hidden
	}
	isDir := b.versions[v].kind == imagecore.Dir
	if b.own(v) || nd.passed == b.layer+1 {
		if isDir {
			for c := nd.child; c >= 0; {
				next := b.nodes[c].next
				b.hide(c, below)
				c = next
			}
		}
		return
	}
	if isDir {
		b.endChildren(n, below)
	}
	b.close(v, cause)
	b.unlist(n)
}

// ownLinks are the paths that are symbolic links somewhere in one layer, with
// every entry of that name, in order.
type ownLinks map[string][]ownLink

type ownLink struct {
	id     int32
	target string // "" where the entry is no link
}

func (b *builder) ownLinks() ownLinks {
	own := ownLinks{}
	for i := range b.entries {
		if e := &b.entries[i]; e.Kind == imagecore.Symlink && !e.Escapes {
			own[e.Path] = nil
		}
	}
	for i := range b.entries {
		e := &b.entries[i]
		if e.Escapes || e.Kind == imagecore.Whiteout || e.Kind == imagecore.Opaque {
			continue
		}
		if named, ok := own[e.Path]; ok {
			l := ownLink{id: int32(i)}
			if e.Kind == imagecore.Symlink {
				l.target = e.Link
			}
			own[e.Path] = append(named, l)
		}
	}
	return own
}

// target returns where a path points just before entry id, "" for nowhere.
func (own ownLinks) target(path string, id int32) string {
	named := own[path]
	i := sort.Search(len(named), func(i int) bool { return named[i].id > id })
	if i == 0 {
		return ""
	}
	return named[i-1].target
}

// through returns where a whiteout's path leads when its folders are symbolic
// links that stand before it in its own layer. An opaque whiteout's path is a
// folder itself.
func (own ownLinks) through(path string, id int32, folder bool) string {
	for range maxLinks {
		next, ok := own.step(path, id, folder)
		if !ok {
			return path
		}
		path = next
	}
	return path
}

func (own ownLinks) step(path string, id int32, folder bool) (string, bool) {
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' || i == len(path) && !folder {
			continue
		}
		target := own.target(path[:i], id)
		if target == "" {
			continue
		}
		if !strings.HasPrefix(target, "/") {
			target = path[:strings.LastIndexByte(path[:i], '/')+1] + target
		}
		return clamp(target + "/" + path[i:]), true
	}
	return "", false
}
