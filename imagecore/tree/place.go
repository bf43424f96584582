package tree

import (
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// open returns the version of a node that nothing ended yet, -1 for none. It
// may be a whiteout.
func (b *builder) open(n int32) int32 {
	if v := b.nodes[n].last; v >= 0 && b.versions[v].until < 0 {
		return v
	}
	return -1
}

// own says whether a version was made by the layer at hand.
func (b *builder) own(v int32) bool { return b.versions[v].layer == b.layer }

// child returns the node of that name in a folder, and makes it if need be.
func (b *builder) child(dir int32, name string) int32 {
	id, slot := b.table.find(b.nodes, dir, name)
	if id >= 0 {
		return id
	}
	id = int32(len(b.nodes))
	b.nodes = append(b.nodes, node{name: name, parent: dir, last: -1, child: -1, next: -1, prev: unlisted})
	b.table.insert(b.nodes, slot, id)
	return id
}

// add gives a node a new open version, of the layer at hand.
func (b *builder) add(n int32, v version) int32 {
	id := int32(len(b.versions))
	v.node, v.layer, v.until, v.prev, v.link = n, b.layer, -1, b.nodes[n].last, -1
	b.versions = append(b.versions, v)
	nd := &b.nodes[n]
	nd.last = id
	if nd.prev == unlisted && n != 0 {
		p := &b.nodes[nd.parent]
		nd.prev, nd.next = -1, p.child
		if p.child >= 0 {
			b.nodes[p.child].prev = n
		}
		p.child = n
	}
	return id
}

// unlist takes a node without an open version out of its parent's list.
func (b *builder) unlist(n int32) {
	nd := &b.nodes[n]
	if nd.prev == unlisted {
		return
	}
	if nd.prev >= 0 {
		b.nodes[nd.prev].next = nd.next
	} else {
		b.nodes[nd.parent].child = nd.next
	}
	if nd.next >= 0 {
		b.nodes[nd.next].prev = nd.prev
	}
	nd.prev, nd.next = unlisted, -1
}

// close ends a version of a lower layer.
func (b *builder) close(v int32, cause Cause) {
	b.versions[v].until, b.versions[v].cause = b.layer, cause
}

// drop forgets a version of the layer at hand: a later entry of the same layer
// took its place, so that it was never there.
func (b *builder) drop(v int32) {
	ver := &b.versions[v]
	b.nodes[ver.node].last = ver.prev
	ver.kind = 0
}

// vacate ends what is open at a node, beneath it as well, and leaves the node
// listed: the caller adds a version.
func (b *builder) vacate(n int32, cause Cause) {
	v := b.open(n)
	if v < 0 {
		return
	}
	if b.versions[v].kind == imagecore.Dir {
		b.endChildren(n, Retyped)
	}
	if b.own(v) {
		b.drop(v)
		if p := b.nodes[n].last; cause != Replaced && p >= 0 && b.versions[p].until == b.layer {
			b.versions[p].cause = cause
		}
	} else {
		b.close(v, cause)
	}
}

// endChildren ends everything open beneath a folder: each version once, since
// the list holds only what is open.
func (b *builder) endChildren(n int32, cause Cause) {
	b.lastDir, b.lastNode = "", 0
	for c := b.nodes[n].child; c >= 0; {
		v, next := b.open(c), b.nodes[c].next
		if b.versions[v].kind == imagecore.Dir {
			b.endChildren(c, cause)
		}
		if b.own(v) {
			b.drop(v)
			if p := b.nodes[c].last; p >= 0 && b.versions[p].until == b.layer && b.versions[p].cause == Replaced {
				b.versions[p].cause = cause
			}
		} else {
			b.close(v, cause)
		}
		b.nodes[c].prev, b.nodes[c].next = unlisted, -1
		c = next
	}
	b.nodes[n].child = -1
}

// reach walks to the folder that holds the last component of path and makes
// the folders that are missing (rule 4). Names pass through symbolic links of
// their own layer, as in every engine; those of lower layers are replaced by
// folders (rule 6). ok is false where the entry is left out.
func (b *builder) reach(path string, entry int32) (dir int32, name string, ok bool) {
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 {
		return 0, path, true
	}
	name = path[slash+1:]
	if path[:slash] == b.lastDir {
		return b.lastNode, name, true
	}
	rest, links, length := path[:slash], 0, len(name)
	for rest != "" {
		var c string
		switch c, rest = cut(rest); c {
		case "", ".":
			continue
		case "..": // only in the targets of links
			if dir != 0 {
				length -= len(b.nodes[dir].name) + 1
				dir = b.nodes[dir].parent
			}
			continue
		}
		n := b.child(dir, c)
		if v := b.open(n); v >= 0 && b.versions[v].kind == imagecore.Symlink && b.own(v) {
			if links++; links > maxLinks {
				b.leaveOut(entry, "link-loop", "the name passes through too many symbolic links")
				return 0, "", false
			}
			target := b.at(b.versions[v].home).Link
			if strings.HasPrefix(target, "/") {
				dir, length = 0, len(name)
			}
			rest = target + "/" + rest
			continue
		}
		// The scanner bounds names; links that lead into links could still
		// make folders without end, and listings of the square of that.
		if length += len(c) + 1; length > maxPath && links > 0 {
			b.leaveOut(entry, "path-too-long", "symbolic links make the name longer than a path can be")
			return 0, "", false
		}
		b.ensure(n, entry)
		dir = n
	}
	b.doubt = b.doubt || links > 0
	if links == 0 {
		b.lastDir, b.lastNode = path[:slash], dir
	}
	return dir, name, true
}

// ensure makes a node a folder for what lies beneath it.
func (b *builder) ensure(n, entry int32) {
	v := b.open(n)
	if n == 0 {
		return
	}
	if v >= 0 && b.versions[v].kind == imagecore.Dir {
		if !b.own(v) {
			b.note(n, v, entry)
		}
		b.nodes[n].passed = b.layer + 1
		return
	}
	if v >= 0 {
		b.doubt = true
		ver := &b.versions[v]
		path := b.path(n)
		switch {
		case b.own(v) && ver.kind == imagecore.Whiteout:
			lenses := []Lens{DockerOverlay2, ContainerdOverlayfs}
			if ver.entry > entry && ver.prev >= 0 && b.versions[ver.prev].until == b.layer {
				lenses = append(lenses, Umoci) // finds the old thing there, and takes it for the parent
			}
			b.warn("whiteout-beside-name", ver.entry, "a whiteout of a folder whose contents stand in the same layer: it hides only the layers below", path, lenses...)
			b.drop(v)
		case ver.kind == imagecore.Whiteout:
			b.close(v, Replaced)
		case b.own(v):
			b.warn("parent-not-dir", entry, "the name passes through what is no folder in its own layer: a folder takes its place", path, DockerOverlay2, ContainerdOverlayfs, Umoci)
			b.drop(v)
		default:
			if ver.kind == imagecore.Symlink {
				b.warn("through-link", entry, "the name passes through a symbolic link of a lower layer: a folder takes the link's place", path, Umoci)
			} else {
				b.warn("parent-not-dir", entry, "the name passes through what is no folder in the layers below: a folder takes its place", path, Umoci)
			}
			b.close(v, Replaced)
		}
	}
	b.doubt = b.doubt || b.wasOther(n)
	b.implicit(n)
	b.nodes[n].passed = b.layer + 1
	if k := b.entries[entry].Kind; k == imagecore.Whiteout || k == imagecore.Opaque {
		b.doubt = true
		b.parents = append(b.parents, passed{node: n, entry: -1 - entry})
	}
}

// implicit adds a folder that no entry names: 0755 root:root.
func (b *builder) implicit(n int32) {
	b.derived++
	b.add(n, version{entry: -1, home: none(), inode: -1, opaque: -1, kind: imagecore.Dir, flags: flagImplicit})
}
