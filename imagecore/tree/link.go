package tree

import (
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// pending is a hard link whose target was not there when its entry came.
type pending struct {
	node, entry int32
	versions    int32 // how many there were then
}

// hardlink applies a hard link (rule 5): its target is looked for in its own
// layer so far, then in the view of the layers below, and, where both lack it,
// among what follows in the layer.
func (b *builder) hardlink(n int32, e *imagecore.Entry, id int32) {
	if home, ok := b.aufs[e.Link]; ok {
		b.linkAufs(n, e, id, home)
		return
	}
	target := b.seek(e.Link, false)
	tv := int32(-1)
	if target >= 0 {
		tv = b.now(target)
	} else if target = b.seek(e.Link, true); target >= 0 {
		tv = b.below(target)
	}
	switch {
	case tv < 0:
		b.pending = append(b.pending, pending{node: n, entry: id, versions: int32(len(b.versions))})
	case b.within(target, n):
		b.leaveOut(id, "hardlink-missing", "the hard link takes its own target away")
	case b.versions[tv].kind == imagecore.Dir:
		b.leaveOut(id, "hardlink-to-dir", "a hard link cannot name a folder")
	default:
		b.link(n, target, tv, id)
	}
}

// within says whether n is dir or lies beneath it.
func (b *builder) within(n, dir int32) bool {
	for ; n >= 0; n = b.nodes[n].parent {
		if n == dir {
			return true
		}
	}
	return false
}

// link makes node n a further name of the file that version tv of target is.
func (b *builder) link(n, target, tv, id int32) {
	t := b.versions[tv]
	b.doubt = b.doubt || !b.own(tv) || t.kind != imagecore.File
	b.vacate(n, Replaced)
	if b.own(tv) {
		in := t.inode
		if in < 0 {
			in = b.newInode(t.home)
			b.join(tv, in)
		}
		b.join(b.add(n, version{entry: id, home: t.home, opaque: -1, kind: t.kind, flags: t.flags & flagCopied}), in)
		if t.kind != imagecore.Symlink && t.flags&flagCopied == 0 {
			b.linkAttr(in, id)
		}
		return
	}
	// The file belongs to a lower layer, whose folder is not ours to write
	// to: a copy with all its visible names takes its place.
	attr := t.home
	if t.inode >= 0 {
		attr = b.inodes[t.inode].attr
	}
	in := b.newInode(attr)
	copied := version{entry: id, home: t.home, opaque: -1, kind: t.kind, flags: flagCopied}
	rename := func(v int32) {
		if b.open(b.versions[v].node) != v {
			return
		}
		b.close(v, Replaced)
		b.derived++
		b.join(b.add(b.versions[v].node, copied), in)
	}
	if t.inode < 0 {
		rename(tv)
	} else {
		for v := b.inodes[t.inode].names; v >= 0; v = b.versions[v].link {
			if b.versions[v].kind != 0 {
				rename(v)
			}
		}
	}
	b.join(b.add(n, copied), in)
	b.warn("hardlink-copy", id, "a hard link to a file of a lower layer copies that file into its own layer", b.entries[id].Path, DockerOverlay2, ContainerdOverlayfs)
	if w := len(b.warnings) - 1; w >= 0 && b.warnings[w].Code == "hardlink-copy" {
		b.warnings[w].Args["target"] = b.path(target)
	}
}

func (b *builder) newInode(attr ref) int32 {
	b.inodes = append(b.inodes, inode{attr: attr, names: -1})
	return int32(len(b.inodes) - 1)
}

func (b *builder) join(v, in int32) {
	b.versions[v].inode, b.versions[v].link = in, b.inodes[in].names
	b.inodes[in].names = v
}

// linkAttr gives the file the metadata of the link's own header, as Docker and
// containerd do by setting them on each name in turn.
func (b *builder) linkAttr(in, id int32) {
	was, is := b.at(b.inodes[in].attr), &b.entries[id]
	b.doubt = b.doubt || was.Mode != is.Mode || was.UID != is.UID || was.GID != is.GID || !sameXattrs(was, is)
	if was.Mode != is.Mode || was.UID != is.UID || was.GID != is.GID {
		b.warn("link-metadata", id, "the hard link's own header changes mode or owner of the file that it names", is.Path, Umoci)
	}
	b.inodes[in].attr = ref{b.layer, id}
}

// linkAufs links to a file of AUFS's link folder, which is in no tree.
func (b *builder) linkAufs(n int32, e *imagecore.Entry, id, home int32) {
	if first, ok := b.inAufs[e.Link]; ok && b.versions[first].kind != 0 && b.versions[first].node != n {
		b.link(n, b.versions[first].node, first, id)
		return
	}
	b.vacate(n, Replaced)
	b.inAufs[e.Link] = b.add(n, version{entry: id, home: ref{b.layer, home}, inode: -1, opaque: -1, kind: imagecore.File})
}

// linkPending links what waited for its target, in the order in which targets
// come to be, and leaves out what never gets one.
func (b *builder) linkPending() {
	if len(b.pending) == 0 {
		return
	}
	b.doubt = true
	waiting := make(map[string][]pending, len(b.pending))
	for _, p := range b.pending {
		link := b.entries[p.entry].Link
		waiting[link] = append(waiting[link], p)
	}
	done := make(map[int32]bool, len(b.pending))
	queue := append([]pending(nil), b.pending...)
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if done[p.entry] {
			continue
		}
		e := &b.entries[p.entry]
		target := b.seek(e.Link, false)
		if target < 0 {
			continue
		}
		done[p.entry] = true
		b.warn("hardlink-later", p.entry, "the hard link's target follows later in the layer", e.Path, DockerOverlay2, ContainerdOverlayfs, Umoci)
		if !b.stands(p) {
			continue
		}
		tv := b.now(target)
		if b.versions[tv].kind == imagecore.Dir || b.within(target, p.node) {
			b.warn("hardlink-to-dir", p.entry, "a hard link cannot name a folder: left out", e.Path, DockerOverlay2, ContainerdOverlayfs, Umoci)
			continue
		}
		b.link(p.node, target, tv, p.entry)
		queue = append(queue, waiting[b.path(p.node)]...)
	}
	for _, p := range b.pending {
		if !done[p.entry] {
			b.warn("hardlink-missing", p.entry, "the hard link's target is nowhere: left out", b.entries[p.entry].Path, DockerOverlay2, ContainerdOverlayfs, Umoci)
		}
	}
}

// stands says whether the place of a pending link is still its own: no later
// entry of the layer took the name, or made a folder above something else.
func (b *builder) stands(p pending) bool {
	if v := b.open(p.node); v >= 0 && b.own(v) && (b.versions[v].entry > p.entry || v >= p.versions) {
		return b.versions[v].kind == imagecore.Whiteout
	}
	for dir := b.nodes[p.node].parent; dir >= 0; dir = b.nodes[dir].parent {
		if v := b.open(dir); v < 0 || b.versions[v].kind != imagecore.Dir {
			return false
		}
	}
	return true
}

// now returns the version that a node shows at this moment, -1 for none.
func (b *builder) now(n int32) int32 {
	if v := b.open(n); v >= 0 && b.versions[v].kind != imagecore.Whiteout {
		return v
	}
	return -1
}

// below returns the version that a node shows in the view of the layers below.
func (b *builder) below(n int32) int32 { return b.visible(n, b.layer) }

// seek finds the node of a path and makes nothing, -1 for what is not there.
// Symbolic links on the way are followed, the last component is not.
func (b *builder) seek(path string, below bool) int32 {
	shows := b.now
	if below {
		shows = b.below
	}
	n, links := int32(0), 0
	for path != "" {
		var c string
		switch c, path = cut(path); c {
		case "", ".":
			continue
		case "..":
			n = max(b.nodes[n].parent, 0)
			continue
		}
		next, _ := b.table.find(b.nodes, n, c)
		if next < 0 {
			return -1
		}
		v := shows(next)
		if v < 0 {
			return -1
		}
		if ver := &b.versions[v]; ver.kind == imagecore.Symlink && path != "" {
			if links++; links > maxLinks {
				return -1
			}
			target := b.at(ver.home).Link
			if strings.HasPrefix(target, "/") {
				n = 0
			}
			path = target + "/" + path
			continue
		}
		n = next
	}
	return n
}
