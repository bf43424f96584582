package tree

import (
	"errors"
	"slices"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree/lens"
)

// applyAs applies the layers as an engine does: package lens unpacks them, what
// comes of it is entered into the tree.
func (b *builder) applyAs(u lens.Unpacker) error {
	for i := range b.layers {
		if !b.layers[i].Present {
			continue
		}
		b.layer, b.entries = int32(i), b.layers[i].Entries
		f, err := u.Layer(i, b.entries)
		var r *lens.Refusal
		switch {
		case errors.As(err, &r):
			return b.refusal(int32(r.Entry), r.Reason)
		case err != nil:
			return err
		case f.Alone:
			b.stack(0, f.Root)
		default:
			b.replay(f)
		}
	}
	err := u.Done()
	var r *lens.Refusal
	if errors.As(err, &r) {
		b.layer, b.entries = int32(r.Layer), b.layers[r.Layer].Entries
		return b.refusal(int32(r.Entry), r.Reason)
	}
	return err
}

// stack lays a layer's folder over what is there, as overlayfs does
// (Documentation/filesystems/overlayfs.rst): folders merge unless they are
// opaque, anything else hides what is below. The mark has no effect on a
// layer's root.
func (b *builder) stack(n int32, dir *lens.Inode) {
	by := int32(-1)
	if n == 0 {
		by = dir.Entry
		if v := b.open(0); !b.same(v, dir) {
			b.endRoot(v)
			b.enter(0, dir, by)
		}
	}
	for _, name := range dir.Names() {
		k := dir.Lookup(name)
		c := b.child(n, name)
		v := b.open(c)
		switch {
		case k.IsWhiteout():
			b.vacate(c, ByWhiteout)
			b.add(c, version{entry: k.By, home: none(), inode: -1, opaque: -1, kind: imagecore.Whiteout})
		case k.Kind != imagecore.Dir:
			b.vacate(c, Replaced)
			b.enter(c, k.Inode, k.By)
		case v >= 0 && b.versions[v].kind == imagecore.Dir:
			if k.Opaque >= 0 {
				b.endChildren(c, ByOpaque)
			}
			if k.By >= 0 || k.Opaque >= 0 || !b.same(v, k.Inode) {
				b.close(v, Replaced)
				b.enter(c, k.Inode, k.By)
			}
			b.stack(c, k.Inode)
		default:
			b.vacate(c, Replaced)
			b.enter(c, k.Inode, k.By)
			b.stack(c, k.Inode)
		}
	}
}

// endRoot ends the root's version. That of the base is the layer's own, and was
// never there.
func (b *builder) endRoot(v int32) {
	if b.own(v) {
		b.drop(v)
	} else {
		b.close(v, Replaced)
	}
}

// same says whether a version of a folder has an inode's metadata.
func (b *builder) same(v int32, in *lens.Inode) bool {
	return equalAttr(b.attr(&b.versions[v]), Attr(in.Attr))
}

func equalAttr(a, b Attr) bool {
	xa, xb := a.Xattrs, b.Xattrs
	return a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && a.ModTime == b.ModTime && a.ModNano == b.ModNano &&
		a.Major == b.Major && a.Minor == b.Minor && slices.Equal(xa, xb)
}

// replay enters what a layer changed in the one folder of all layers. Only the
// end counts: a name is looked at once, where it was touched first.
func (b *builder) replay(f lens.Folder) {
	if f.Root.Node < 0 {
		f.Root.Node, f.Root.Version = 0, b.open(0)
	}
	type place struct {
		dir  *lens.Inode
		name string
	}
	gone := map[place]int32{} // what was removed, with the last entry that did it
	root, touched := int32(-1), false
	for _, t := range f.Touched {
		switch {
		case t.Dir == nil:
			touched = true
			if t.By >= 0 {
				root = t.By
			}
		case t.Removed:
			gone[place{t.Dir, t.Name}] = t.By
		}
	}
	for _, t := range f.Touched {
		if t.Dir == nil {
			if touched {
				b.endRoot(f.Root.Version)
				f.Root.Version, touched = b.enter(0, f.Root, root), false
			}
			continue
		}
		p := place{t.Dir, t.Name}
		k := t.Dir.Lookup(t.Name)
		by, removed := gone[p]
		if k == nil && !removed || k != nil && k.Settled == b.layer+1 {
			continue
		}
		delete(gone, p)
		if k != nil {
			k.Settled = b.layer + 1
		}
		if t.Dir.Gone() || t.Dir.Node < 0 {
			continue
		}
		if c := b.child(t.Dir.Node, t.Name); k != nil {
			b.settle(c, k)
		} else {
			b.remove(c, by)
		}
	}
	// Folders in which something was made, and whose time nobody gave back.
	for _, t := range f.Touched {
		in := t.Dir
		if in == nil || in.Gone() || in.Node < 0 || b.same(in.Version, in) {
			continue
		}
		if v := in.Version; b.own(v) {
			set := Attr(in.Attr)
			if b.versions[v].inode < 0 {
				b.join(v, b.newInode(b.versions[v].home))
			}
			b.inodes[b.versions[v].inode].set = &set
		} else {
			b.close(v, Replaced)
			in.Version = b.enter(in.Node, in, -1)
		}
	}
}

// remove ends a node whose name is gone, which an entry of the layer removed.
func (b *builder) remove(c, by int32) {
	v, e := b.open(c), &b.entries[by]
	switch {
	case e.Kind == imagecore.Opaque:
		b.vacate(c, ByOpaque)
	case v >= 0:
		b.vacate(c, ByWhiteout)
	}
	if e.Kind == imagecore.Whiteout && v >= 0 {
		b.add(c, version{entry: by, home: none(), inode: -1, opaque: -1, kind: imagecore.Whiteout})
	} else if v >= 0 {
		b.unlist(c)
	}
}

// settle gives a node what its name leads to in the end.
func (b *builder) settle(c int32, k *lens.Name) {
	v := b.open(c)
	switch {
	case k.Kind == imagecore.Dir && k.Version >= 0 && k.Version == v:
		if k.By >= 0 && !b.own(v) {
			b.close(v, Replaced)
			k.Version = b.enter(c, k.Inode, k.By)
		}
	default:
		b.vacate(c, Replaced)
		if v := b.enter(c, k.Inode, k.By); k.Kind == imagecore.Dir {
			k.Node, k.Version = c, v
		}
	}
}

// enter adds the version that an inode is, under one of its names.
func (b *builder) enter(n int32, in *lens.Inode, by int32) int32 {
	v := version{entry: by, home: none(), inode: -1, opaque: in.Opaque, kind: in.Kind}
	if in.Entry >= 0 {
		v.home = ref{in.Layer, in.Entry}
	}
	if by < 0 {
		v.flags = flagImplicit
	}
	id := b.add(n, v)
	if in.Kind != imagecore.Dir {
		switch { // most files have one name
		case in.Group >= 0:
			b.join(id, in.Group)
			b.inodes[in.Group].set = nil
		case in.Version >= 0:
			in.Group = b.newInode(v.home)
			b.join(in.Version, in.Group)
			b.join(id, in.Group)
		}
		in.Version = id
	}
	if b.same(id, in) {
		return id
	}
	if b.versions[id].inode < 0 {
		group := b.newInode(v.home)
		b.join(id, group)
		if in.Kind != imagecore.Dir {
			in.Group = group
		}
	}
	set := Attr(in.Attr)
	b.inodes[b.versions[id].inode].set = &set
	return id
}
