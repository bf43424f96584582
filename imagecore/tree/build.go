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

// Build applies the layers, base first, and returns the tree as lens shows it.
// Layers need their Entries; absent ones (Present is false) contribute
// nothing. The tree keeps the layers' entries, which must not be changed.
//
// The Spec lens refuses only what would need more memory than the entries
// justify (ErrTooLarge, code "too-many-derived"). Engine lenses refuse what
// their engine refuses: ErrInvalid, code "engine-refuses", with layer, entry
// and offset.
func Build(layers []imagecore.Layer, lens Lens) (*Tree, error) {
	lens, err := ParseLens(string(lens))
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
		Tree:   &Tree{rules: rulesOf(lens), layers: layers},
		table:  newTable(total + 1),
		limit:  4*total + freeDerived,
		counts: map[string]int{},
	}
	b.nodes = make([]node, 1, total+total/8+1)
	b.versions = make([]version, 0, total+total/8+1)
	b.nodes[0] = node{parent: -1, last: -1, child: -1, next: -1, prev: unlisted}
	if len(layers) > 0 {
		b.add(0, version{entry: -1, home: none(), inode: -1, opaque: -1, kind: imagecore.Dir, flags: flagImplicit})
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

	if b.rules.whiteoutsFirst {
		if err := b.whiteoutsFirst(); err != nil {
			return err
		}
	}
	lost := b.lostWhiteouts()
	for i := range b.entries {
		e, id := &b.entries[i], int32(i)
		var err error
		switch {
		case e.Escapes:
			err = b.escaped(e, id)
		case e.Kind == imagecore.Whiteout || e.Kind == imagecore.Opaque:
			if !b.rules.whiteoutsFirst {
				err = b.whiteout(e, id, e.Path, lost[id])
			}
		default:
			err = b.entry(e, id, e.Path)
		}
		if err != nil {
			return err
		}
		if b.derived > b.limit {
			return imagecore.NewError(imagecore.ErrTooLarge, "too-many-derived",
				"the layers make more than "+strconv.Itoa(b.limit)+" folders and copies that no entry names",
				"limit", strconv.Itoa(b.limit)).At(e.Name, e.Offset).In(int(b.layer))
		}
	}
	if err := b.linkPending(); err != nil {
		return err
	}
	b.noteParents()
	return nil
}

// entry applies any entry but a whiteout.
func (b *builder) entry(e *imagecore.Entry, id int32, path string) error {
	if e.Kind == imagecore.Metadata {
		return b.metadata(e, id, path)
	}
	if path == "" {
		return b.root(e, id)
	}
	dir, name, ok, err := b.reach(path, id)
	if err != nil || !ok {
		return err
	}
	n := b.child(dir, name)
	if v := b.open(n); v >= 0 && b.own(v) {
		if err := b.twice(&b.versions[v], n, e, id); err != nil {
			return err
		}
	}
	if last, ok := b.whited[n]; ok && last > id && e.Kind != imagecore.Dir {
		b.warn("parent-not-dir", last, "the whiteout passes through what is no folder in its own layer", e.Path, DockerOverlay2, ContainerdOverlayfs, Umoci)
	}
	switch {
	case e.Kind == imagecore.Hardlink:
		return b.hardlink(n, e, id)
	case e.Kind == imagecore.Char && e.Major == 0 && e.Minor == 0 && b.rules.devices:
		b.warn("whiteout-device", id, "a character device 0:0 is a whiteout to overlayfs: it hides its own name", e.Path, Umoci)
		b.vacate(n, ByWhiteout)
		b.add(n, version{entry: id, home: none(), inode: -1, opaque: -1, kind: imagecore.Whiteout})
	case e.Kind == imagecore.Dir:
		b.folder(n, id)
	default:
		b.vacate(n, Replaced)
		b.add(n, version{entry: id, home: ref{b.layer, id}, inode: -1, opaque: -1, kind: e.Kind})
	}
	return nil
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

// root applies an entry for the root itself.
func (b *builder) root(e *imagecore.Entry, id int32) error {
	if e.Kind != imagecore.Dir {
		return b.refuse(id, "root-not-dir", "the root can only be a folder", "the root is a folder")
	}
	if b.rules.rootAttr {
		b.folder(0, id)
	}
	return nil
}

// escaped leaves out what leaves the root; the scanner warned of it. containerd
// and umoci stop at the root instead, as chroot does; Docker refuses.
func (b *builder) escaped(e *imagecore.Entry, id int32) error {
	if b.rules.lenient {
		return nil
	}
	if b.rules.lens == DockerOverlay2 {
		return b.refusal(id, "breakout: the name leaves the root")
	}
	if e.Kind == imagecore.Whiteout || e.Kind == imagecore.Opaque {
		return b.refusal(id, "the whiteout leaves the root")
	}
	return b.entry(e, id, clamp(e.Name))
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
func (b *builder) twice(ver *version, n int32, e *imagecore.Entry, id int32) error {
	if ver.kind == imagecore.Whiteout {
		if ver.entry > id {
			b.warn("whiteout-beside-name", ver.entry, "a whiteout of a name that stands in the same layer: it hides only the layers below", e.Path, DockerOverlay2, ContainerdOverlayfs)
		} else if p := ver.prev; e.Kind == imagecore.Dir && p >= 0 && b.versions[p].kind == imagecore.Dir && b.versions[p].until == b.layer {
			b.warn("whiteout-beside-name", ver.entry, "a whiteout of a name that stands in the same layer: it hides only the layers below", e.Path, DockerOverlay2, ContainerdOverlayfs)
		}
		return nil
	}
	if ver.entry < 0 || clamp(b.entries[ver.entry].Name) != clamp(e.Name) {
		return nil
	}
	if b.rules.unique {
		return b.refusal(id, "duplicates of file paths not supported")
	}
	if b.rules.lenient {
		b.warn("duplicate-name", id, "the name stands in the layer more than once: the last one wins", e.Path, DockerOverlay2)
	}
	return nil
}

// metadata deals with AUFS's bookkeeping, .wh..wh.*: in no tree of the spec.
// Engines take the name for a whiteout of .wh.NAME, which nothing can be
// called, and what lies beneath it for files. Files in .wh..wh.plnk are the
// targets of hard links in layers that Docker's AUFS driver wrote.
//
// The scanner keeps no type of such entries: it is a file unless its name ends
// in a slash.
func (b *builder) metadata(e *imagecore.Entry, id int32, path string) error {
	beneath := !strings.HasPrefix(path[strings.LastIndexByte(path, '/')+1:], ".wh.")
	isDir := strings.HasSuffix(e.Name, "/")
	if b.rules.lenient {
		if b.aufs == nil {
			b.aufs, b.inAufs = map[string]int32{}, map[string]int32{}
		}
		if beneath && !isDir {
			b.aufs[path] = id
		}
		if beneath {
			b.warn("aufs-metadata", id, "bookkeeping of AUFS: in no tree of the specification", e.Path, DockerOverlay2, ContainerdOverlayfs, Umoci)
		}
		return nil
	}
	if !beneath && !b.rules.parents {
		return nil
	}
	dir, name, ok, err := b.reach(path, id)
	if err != nil || !ok || !beneath {
		return err
	}
	n := b.child(dir, name)
	if isDir {
		b.folder(n, id)
		return nil
	}
	b.vacate(n, Replaced)
	b.add(n, version{entry: id, home: ref{b.layer, id}, inode: -1, opaque: -1, kind: imagecore.File})
	return nil
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
	if len(t.warnings) > 1 {
		sort.SliceStable(t.warnings, func(i, j int) bool {
			a, b := &t.warnings[i], &t.warnings[j]
			if a.Layer != b.Layer {
				return a.Layer < b.Layer
			}
			return a.Offset < b.Offset
		})
	}
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
