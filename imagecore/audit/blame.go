package audit

import (
	"slices"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// blame finds the entry that hid a path. Whiteouts are looked up among the
// layer's entries rather than among versions, since a path that its own layer
// writes anew has no version for the whiteout.
type blame struct {
	tree   *tree.Tree
	layers []imagecore.Layer
	marks  map[int]map[mark]int32 // by layer: its whiteouts
	sorted map[int][]int32        // by layer: its entries in the order of paths
	last   map[int]map[string]final

	// Paths that die together lie in one folder: the last answer is kept.
	lastDir   string
	lastLayer int
	lastCause tree.Cause
	lastEntry int
}

type mark struct {
	kind imagecore.Kind // Whiteout or Opaque
	path string
}

func newBlame(t *tree.Tree, layers []imagecore.Layer) *blame {
	return &blame{tree: t, layers: layers, marks: map[int]map[mark]int32{}, sorted: map[int][]int32{}, last: map[int]map[string]final{}, lastLayer: -1}
}

// of returns the entry of a layer that ended path for a cause other than
// Replaced, -1 where none can be named.
func (b *blame) of(cause tree.Cause, layer int, path string) int {
	dir := parent(path)
	if cause == tree.ByWhiteout {
		if e, ok := b.whiteouts(layer)[mark{imagecore.Whiteout, path}]; ok {
			return int(e)
		}
		return -1
	}
	if dir == b.lastDir && layer == b.lastLayer && cause == b.lastCause {
		return b.lastEntry
	}
	b.lastDir, b.lastLayer, b.lastCause = dir, layer, cause
	b.lastEntry = b.above(cause, layer, path)
	return b.lastEntry
}

// above looks for the culprit among the folders above path, nearest first.
func (b *blame) above(cause tree.Cause, layer int, path string) int {
	for path != "" {
		path = parent(path)
		switch cause {
		case tree.Hidden:
			if e, ok := b.whiteouts(layer)[mark{imagecore.Whiteout, path}]; ok && path != "" {
				return int(e)
			}
		case tree.ByOpaque:
			if e, ok := b.whiteouts(layer)[mark{imagecore.Opaque, path}]; ok {
				return int(e)
			}
		default: // Retyped, maybe only until a later entry of the layer
			for _, v := range b.tree.Versions(path) {
				if v.Layer == layer && v.Kind != imagecore.Dir && v.Source.Entry >= 0 {
					return v.Source.Entry
				}
			}
			if f, ok := b.finals(layer)[path]; ok && f.file >= 0 {
				return int(f.file)
			}
		}
	}
	return -1
}

// whiteouts returns those of a layer; the last of a name counts.
func (b *blame) whiteouts(layer int) map[mark]int32 {
	if m, ok := b.marks[layer]; ok {
		return m
	}
	m := map[mark]int32{}
	for i := range b.layers[layer].Entries {
		if e := &b.layers[layer].Entries[i]; !e.Escapes && (e.Kind == imagecore.Whiteout || e.Kind == imagecore.Opaque) {
			m[mark{e.Kind, e.Path}] = int32(i)
		}
	}
	b.marks[layer] = m
	return m
}

// order returns a layer's entries sorted by path, those of one path in the
// order of the tar.
func (b *blame) order(layer int) []int32 {
	if o, ok := b.sorted[layer]; ok {
		return o
	}
	entries := b.layers[layer].Entries
	o := make([]int32, len(entries))
	for i := range o {
		o[i] = int32(i)
	}
	slices.SortStableFunc(o, func(x, y int32) int { return tree.ComparePaths(entries[x].Path, entries[y].Path) })
	b.sorted[layer] = o
	return o
}

// beneath returns the first entry of a layer, by path, that lies beneath path:
// the one for whose sake path became a folder.
func (b *blame) beneath(layer int, path string) int {
	entries, o := b.layers[layer].Entries, b.order(layer)
	i, _ := slices.BinarySearchFunc(o, path+"/", func(x int32, want string) int { return tree.ComparePaths(entries[x].Path, want) })
	if i < len(o) && strings.HasPrefix(entries[o[i]].Path, path+"/") {
		return int(o[i])
	}
	if e, ok := b.whiteouts(layer)[mark{imagecore.Opaque, path}]; ok {
		return int(e)
	}
	return -1
}

// final is the last entry of a path in a layer, and the last that is no folder;
// -1 for none.
type final struct{ any, file int32 }

// finals returns them for all paths of a layer, whiteouts aside. One pass: a
// layer may have one name half a million times.
func (b *blame) finals(layer int) map[string]final {
	if m, ok := b.last[layer]; ok {
		return m
	}
	m := map[string]final{}
	for i := range b.layers[layer].Entries {
		e := &b.layers[layer].Entries[i]
		if e.Escapes || e.Kind == imagecore.Whiteout || e.Kind == imagecore.Opaque {
			continue
		}
		f, ok := m[e.Path]
		if !ok {
			f.file = -1
		}
		f.any = int32(i)
		if e.Kind != imagecore.Dir {
			f.file = int32(i)
		}
		m[e.Path] = f
	}
	b.last[layer] = m
	return m
}

// sameLayer returns the entry of a layer that stands behind entry and took
// its place: of the same path, else of one above it and no folder, else of one
// beneath it, which makes it a folder; else -1.
func (b *blame) sameLayer(layer int, path string, entry int) int {
	m := b.finals(layer)
	if f, ok := m[path]; ok && int(f.any) > entry {
		return int(f.any)
	}
	for at := parent(path); at != ""; at = parent(at) {
		if f, ok := m[at]; ok && int(f.file) > entry {
			return int(f.file)
		}
	}
	entries, o := b.layers[layer].Entries, b.order(layer)
	i, _ := slices.BinarySearchFunc(o, path+"/", func(x int32, want string) int { return tree.ComparePaths(entries[x].Path, want) })
	for ; i < len(o) && strings.HasPrefix(entries[o[i]].Path, path+"/"); i++ {
		if int(o[i]) > entry {
			return int(o[i])
		}
	}
	return -1
}

// parent returns the folder of a path, "" for the root and what lies in it.
func parent(path string) string {
	return path[:max(strings.LastIndexByte(path, '/'), 0)]
}
