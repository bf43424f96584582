package index

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// foretellAt is after how many nodes room is made for all of them, by what those
// took: growing piece by piece takes five times the memory.
const foretellAt = 1000

// Append appends the index of a tree to dst. head.Lens is taken from the tree.
// The same head and layers give the same bytes everywhere.
func Append(dst []byte, head Head, t *tree.Tree) ([]byte, error) {
	head.Lens = string(t.Lens())
	if head.Warnings == nil {
		head.Warnings = []imagecore.Warning{}
	}
	raw, err := json.Marshal(head)
	if err != nil {
		return dst, fmt.Errorf("index head: %w", err)
	}
	nodes := 0
	for range t.Paths() {
		nodes++
	}
	w := writer{b: append(append(dst, magic...), format)}
	w.string(string(raw))
	w.uint(uint64(nodes))

	var versions []tree.Version
	inodes := map[int]int{} // numbers of the tree → numbers of the index, as they come
	begin, done := len(w.b), 0
	for p := range t.Paths() {
		if done++; done == foretellAt && nodes > done {
			each := (len(w.b) - begin) / done
			w.b = slices.Grow(w.b, (nodes-done)*(each+each/8+1))
		}
		versions = p.AppendVersions(versions[:0])
		w.uint(uint64(p.Depth()))
		w.string(p.Name())
		w.uint(uint64(len(versions)))
		for i := range versions {
			v := of(t, &versions[i])
			if v.Flags&Linked != 0 {
				n, ok := inodes[v.Inode]
				if !ok {
					n = len(inodes)
					inodes[v.Inode] = n
				}
				v.Inode = n
			}
			w.version(&v)
		}
	}
	return w.b, nil
}

// of puts a version of the tree into the index's terms.
func of(t *tree.Tree, v *tree.Version) Version {
	x := Version{
		Kind: v.Kind, Layer: v.Layer, Until: v.Until, Cause: v.Cause,
		Mode: v.Mode, UID: v.UID, GID: v.GID, ModTime: v.ModTime, ModNano: v.ModNano,
		Size: v.Size, Inode: v.Inode, Target: v.Target, Major: v.Major, Minor: v.Minor,
		Xattrs: v.Xattrs, Home: v.Layer,
	}
	flag := func(yes bool, f Flags) {
		if yes {
			x.Flags |= f
		}
	}
	flag(v.Implicit, Implicit)
	flag(len(v.Xattrs) > 0, Xattrs)
	flag(v.ModNano != 0, Nanoseconds)
	flag(v.Inode >= 0, Linked)
	flag(v.OpaqueBy.Entry >= 0, Opaque)
	flag(v.Copied, Copied)
	if e := t.Entry(v.Source); e != nil {
		x.Offset = e.Offset
	}
	if e := t.Entry(v.OpaqueBy); e != nil {
		x.OpaqueOffset = e.Offset
	}
	if e := t.Entry(v.Content); e != nil {
		x.Data, x.Home = e.DataOffset, v.Content.Layer
	}
	return x
}

type writer struct {
	b     []byte
	mtime int64 // of the version written before
}

func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }

func (w *writer) string(s string) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) version(v *Version) {
	w.b = append(w.b, byte(v.Kind), byte(v.Flags))
	w.uint(uint64(v.Layer))
	w.uint(uint64(v.Until + 1)) // 0 while it holds
	if v.Until >= 0 {
		w.b = append(w.b, byte(v.Cause))
	}
	if v.Flags&Implicit == 0 {
		w.uint(uint64(v.Offset))
	}
	if v.Kind != imagecore.Whiteout {
		w.uint(uint64(v.Mode))
		w.uint(uint64(v.UID))
		w.uint(uint64(v.GID))
		w.b = binary.AppendVarint(w.b, v.ModTime-w.mtime)
		w.mtime = v.ModTime
	}
	if v.Flags&Nanoseconds != 0 {
		w.uint(uint64(v.ModNano))
	}
	if v.Kind == imagecore.File {
		w.uint(uint64(v.Size))
		if v.Flags&Copied != 0 {
			w.uint(uint64(v.Home))
		}
		w.uint(uint64(v.Data))
	}
	if v.Flags&Linked != 0 {
		w.uint(uint64(v.Inode))
	}
	switch v.Kind {
	case imagecore.Symlink:
		w.string(v.Target)
	case imagecore.Char, imagecore.Block:
		w.uint(uint64(v.Major))
		w.uint(uint64(v.Minor))
	}
	if v.Flags&Xattrs != 0 {
		w.uint(uint64(len(v.Xattrs)))
		for _, x := range v.Xattrs {
			w.string(x.Key)
			w.string(x.Value)
		}
	}
	if v.Flags&Opaque != 0 {
		w.uint(uint64(v.OpaqueOffset))
	}
}
