package tree

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// builder holds what is needed only while layers are applied.
type builder struct {
	*Tree
	table *table

	layer   int32
	first   bool // the layer is the base
	entries []imagecore.Entry
	derived int // versions that no entry names: implicit folders, copied links
	limit   int // how many of them there may be

	// The folder that the last name was found in: entries of a folder stand
	// together, so most names need no walk from the root.
	lastDir  string
	lastNode int32

	aufs    map[string]int32 // files of AUFS's link folder, by path
	inAufs  map[string]int32 // the first link to each: its version
	whited  map[int32]int32  // folders of whiteouts, each with the last of them
	pending []pending        // hard links whose target was not there yet
	parents []passed         // folders that the layer did not list, see note
	counts  map[string]int   // warnings by code
}

// passed is a folder that a name of the layer passes through, with that name's
// entry, or -1 - entry where a whiteout made the folder.
type passed struct{ node, entry int32 }

const (
	// maxLinks is how many symbolic links a name may pass through; Linux
	// allows 40 (path_resolution(7)).
	maxLinks = 40
	// maxPath is how many bytes a path may have once links on its way are
	// followed: PATH_MAX (limits.h).
	maxPath = 4096
	// maxWarnings bounds the warnings of one code.
	maxWarnings = 1000
	// freeDerived is how many folders and copies may be made that no entry
	// names, before they are counted against the entries: a name of 4,096
	// bytes can ask for 512 folders, a link to a file with many names copies
	// them all.
	freeDerived = 1 << 16
)

// Build applies the layers, base first, and returns the tree as that lens shows it.
// Layers need their Entries; absent ones (Present is false) contribute
// nothing. The tree keeps the layers' entries, which must not be changed.
//
// The Spec lens refuses only what would need more memory than the entries
// justify (ErrTooLarge, code "too-many-derived"). Engine lenses refuse what
// their engine refuses: ErrInvalid, code "engine-refuses", with layer, entry
// and offset.
func Build(layers []imagecore.Layer, as Lens) (*Tree, error) {
	as, err := ParseLens(string(as))
	if err != nil {
		return nil, err
	}
	total := 0
	for i := range layers {
		if layers[i].Present {
			total += len(layers[i].Entries)
		}
	}
	b := &builder{
		Tree:   &Tree{lens: as, layers: layers},
		table:  newTable(total + 1),
		first:  true,
		limit:  4*total + freeDerived,
		counts: map[string]int{},
	}
	b.nodes = make([]node, 1, total+total/8+1)
	b.versions = make([]version, 0, total+total/8+1)
	b.nodes[0] = node{parent: -1, last: -1, child: -1, next: -1, prev: unlisted}
	if len(layers) > 0 {
		b.add(0, version{entry: -1, home: none(), inode: -1, opaque: -1, kind: imagecore.Dir, flags: flagImplicit})
	}
	if u := as.unpacker(); u != nil {
		if err := b.applyAs(u); err != nil {
			return nil, err
		}
		b.finish()
		return b.Tree, nil
	}
	for i := range layers {
		if !layers[i].Present {
			continue
		}
		b.layer, b.entries = int32(i), layers[i].Entries
		if err := b.apply(); err != nil {
			return nil, err
		}
	}
	b.finish()
	return b.Tree, nil
}

// apply applies one layer.
func (b *builder) apply() error {
	b.lastDir, b.lastNode = "", 0
	b.aufs, b.inAufs, b.whited, b.pending, b.parents = nil, nil, nil, b.pending[:0], b.parents[:0]

	b.whiteoutsFirst()
	for i := range b.entries {
		e, id := &b.entries[i], int32(i)
		switch {
		case e.Escapes: // left out; the scanner warned of it
			b.doubt = true
		case e.Kind == imagecore.Whiteout || e.Kind == imagecore.Opaque:
			b.doubt = b.doubt || b.first || oddName(e)
		default:
			odd, passed := oddXattrs(e)
			b.doubt, b.passed = b.doubt || odd || oddName(e), b.passed || passed
			b.entry(e, id, e.Path)
		}
		if b.derived > b.limit {
			return imagecore.NewError(imagecore.ErrTooLarge, "too-many-derived",
				"the layers make more than "+strconv.Itoa(b.limit)+" folders and copies that no entry names",
				"limit", strconv.Itoa(b.limit)).At(e.Name, e.Offset).In(int(b.layer))
		}
	}
	b.linkPending()
	b.noteParents()
	b.first = false
	return nil
}

// entry applies any entry but a whiteout.
func (b *builder) entry(e *imagecore.Entry, id int32, path string) {
	if e.Kind == imagecore.Metadata {
		b.metadata(e, id, path)
		return
	}
	if path == "" {
		b.folder(0, id) // the scanner lets nothing else name the root
		b.doubt = b.doubt || !bareFolder(e)
		return
	}
	dir, name, ok := b.reach(path, id)
	if !ok {
		return
	}
	n := b.child(dir, name)
	if v := b.open(n); v >= 0 && b.own(v) {
		b.twice(&b.versions[v], e, id)
	}
	if last, ok := b.whited[n]; ok && last > id && e.Kind != imagecore.Dir {
		b.warn("parent-not-dir", last, "the whiteout passes through what is no folder in its own layer", e.Path, DockerOverlay2, ContainerdOverlayfs, Umoci)
	}
	switch {
	case e.Kind == imagecore.Hardlink:
		b.hardlink(n, e, id)
	case e.Kind == imagecore.Char && e.Major == 0 && e.Minor == 0:
		b.doubt = true
		b.warn("whiteout-device", id, "a character device 0:0 is a whiteout to overlayfs: it hides its own name", e.Path, Umoci)
		b.vacate(n, ByWhiteout)
		b.add(n, version{entry: id, home: none(), inode: -1, opaque: -1, kind: imagecore.Whiteout})
	case e.Kind == imagecore.Dir:
		b.folder(n, id)
	default:
		b.vacate(n, Replaced)
		b.add(n, version{entry: id, home: ref{b.layer, id}, inode: -1, opaque: -1, kind: e.Kind})
	}
}

// folder applies a folder's entry: over a folder it only brings metadata.
func (b *builder) folder(n, id int32) {
	home := ref{b.layer, id}
	if v := b.open(n); v >= 0 && b.versions[v].kind == imagecore.Dir {
		if ver := &b.versions[v]; b.own(v) {
			ver.entry, ver.home = id, home
			ver.flags &^= flagImplicit
			return
		}
		b.close(v, Replaced)
	} else {
		b.vacate(n, Replaced)
	}
	b.add(n, version{entry: id, home: home, inode: -1, opaque: -1, kind: imagecore.Dir})
}

// clamp cleans a name as if ".." at the root were the root.
func clamp(name string) string {
	var parts []string
	for name != "" {
		var c string
		switch c, name = cut(name); c {
		case "", ".":
		case "..":
			parts = parts[:max(len(parts)-1, 0)]
		default:
			parts = append(parts, c)
		}
	}
	return strings.Join(parts, "/")
}

// twice deals with a name that stands in the layer a second time; a whiteout
// of the same name counts.
func (b *builder) twice(ver *version, e *imagecore.Entry, id int32) {
	b.doubt = b.doubt || e.Kind != imagecore.Dir || ver.kind != imagecore.Dir || ver.flags&flagImplicit == 0
	if ver.kind == imagecore.Whiteout {
		if ver.entry > id {
			b.warn("whiteout-beside-name", ver.entry, "a whiteout of a name that stands in the same layer: it hides only the layers below", e.Path, DockerOverlay2, ContainerdOverlayfs)
		} else if p := ver.prev; e.Kind == imagecore.Dir && p >= 0 && b.versions[p].kind == imagecore.Dir && b.versions[p].until == b.layer {
			b.warn("whiteout-beside-name", ver.entry, "a whiteout of a name that stands in the same layer: it hides only the layers below", e.Path, DockerOverlay2, ContainerdOverlayfs)
		}
		return
	}
	if ver.entry < 0 || clamp(b.entries[ver.entry].Name) != clamp(e.Name) {
		return
	}
	b.warn("duplicate-name", id, "the name stands in the layer more than once: the last one wins", e.Path, DockerOverlay2)
}

// metadata deals with AUFS's bookkeeping, .wh..wh.*: in no tree of the
// specification. Files in .wh..wh.plnk are the targets of hard links in layers
// that Docker's AUFS driver wrote.
func (b *builder) metadata(e *imagecore.Entry, id int32, path string) {
	b.doubt = true
	if b.aufs == nil {
		b.aufs, b.inAufs = map[string]int32{}, map[string]int32{}
	}
	if strings.HasPrefix(path[strings.LastIndexByte(path, '/')+1:], ".wh.") {
		return
	}
	if e.Header == imagecore.File {
		b.aufs[path] = id
	}
	b.warn("aufs-metadata", id, "bookkeeping of AUFS: in no tree of the specification", e.Path, DockerOverlay2, ContainerdOverlayfs, Umoci)
}

// finish sorts the children and drops what only building needs.
func (b *builder) finish() {
	t := b.Tree
	for i := range t.nodes {
		t.nodes[i].child, t.nodes[i].next = 0, 0
	}
	for i := 1; i < len(t.nodes); i++ {
		t.nodes[t.nodes[i].parent].next++
	}
	start := int32(0)
	for i := range t.nodes {
		n := &t.nodes[i]
		count := n.next
		n.child, n.next = start, start
		start += count
	}
	t.kids = make([]int32, start)
	for i := 1; i < len(t.nodes); i++ {
		p := &t.nodes[t.nodes[i].parent]
		t.kids[p.next] = int32(i)
		p.next++
	}
	for i := range t.nodes {
		kids := t.children(int32(i))
		byName := func(a, b int32) int { return strings.Compare(t.nodes[a].name, t.nodes[b].name) }
		if len(kids) > 1 && !slices.IsSortedFunc(kids, byName) {
			slices.SortFunc(kids, byName)
		}
	}
	for i := range t.versions {
		if v := &t.versions[i]; v.kind != 0 && v.inode >= 0 {
			t.inodes[v.inode].count++
		}
	}
	sortWarnings(t.warnings)
	for _, code := range sortedCodes(b.counts) {
		if more := b.counts[code] - maxWarnings; more > 0 {
			t.warnings = append(t.warnings, imagecore.Warning{
				Code: "more-warnings", Args: imagecore.Args("code", code, "count", strconv.Itoa(more)),
				Message: strconv.Itoa(more) + " more warnings of the kind " + code, Layer: -1,
			})
		}
	}
}

func sortedCodes(m map[string]int) []string {
	codes := make([]string, 0, len(m))
	for c := range m {
		codes = append(codes, c)
	}
	sort.Strings(codes)
	return codes
}
