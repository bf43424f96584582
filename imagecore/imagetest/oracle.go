package imagetest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"
)

// Inode is what a path of the oracle's tree leads to. Names that are hard links
// to one another share one.
type Inode struct {
	Record Record // with the content, mode and owner that hold in the end
	layer  int
}

// Oracle applies the merge rules of the specification in the plainest way: a
// map from path to inode, copied for each layer, scanned from end to end for
// each whiteout. It shares no code with package tree. It returns the tree
// after the first n layers, without the root.
func Oracle(s Stack, n int) map[string]*Inode {
	o := &oracle{}
	view := map[string]*Inode{}
	for i := range n {
		view = o.apply(i, s[i], view)
	}
	return view
}

type oracle struct {
	layer int
	below map[string]*Inode // the view of the layers below
	view  map[string]*Inode
	later []Record       // hard links whose target was not there
	order []int          // where they stood
	at    []string       // and where they lead
	wrote map[string]int // the record that wrote a path, or made it as a parent
	now   int            // the record at hand, -1 while whiteouts are applied

	aufs   map[string]Record // files of AUFS's bookkeeping, by path
	linked map[string]string // where the first link to each of them is
	first  map[string]*Inode
}

func isWhiteout(name string) bool {
	return strings.HasPrefix(path.Base(path.Join("/", name)), ".wh.")
}

// leavesRoot says whether a name or a hard link's target climbs out of the root
// on its way.
func leavesRoot(name string) bool {
	depth := 0
	for _, c := range strings.Split(name, "/") {
		switch c {
		case "", ".":
		case "..":
			depth--
		default:
			depth++
		}
		if depth < 0 {
			return true
		}
	}
	return false
}

// leftOut says whether a record is in no tree: it leaves the root, is AUFS's
// bookkeeping, or a whiteout that names nothing.
func leftOut(r Record) bool {
	p := path.Join("/", r.Name)
	switch base := path.Base(p); base {
	case ".wh.", ".wh..", ".wh...":
		return true
	case ".wh..wh..opq":
		return leavesRoot(r.Name)
	}
	return leavesRoot(r.Name) || r.Type == 'h' && !isWhiteout(r.Name) && leavesRoot(r.Link) ||
		p == "/" && r.Type != 'd' || strings.Contains(p, "/.wh..wh.")
}

func (o *oracle) apply(layer int, l Layer, below map[string]*Inode) map[string]*Inode {
	*o = oracle{layer: layer, below: below, view: maps.Clone(below), wrote: map[string]int{}, now: -1}
	o.aufs, o.linked, o.first = map[string]Record{}, map[string]string{}, map[string]*Inode{}
	o.whiteouts(l)
	for i, r := range l {
		if p := path.Join("/", r.Name); leftOut(r) && r.Type == 'f' && !leavesRoot(r.Name) {
			o.aufs[p[1:]] = r
		}
		if isWhiteout(r.Name) || leftOut(r) {
			continue
		}
		o.now = i
		p, ok := o.place(r.Name)
		if !ok || p == "" {
			continue
		}
		if r.Type == 'h' {
			if !o.link(p, r) {
				o.later, o.order, o.at = append(o.later, r), append(o.order, i), append(o.at, p)
			} else {
				o.wrote[p] = i
			}
			continue
		}
		o.put(p, &Inode{Record: r, layer: layer})
		o.wrote[p] = i
	}
	o.linkLater()
	return o.view
}

// whiteouts hides what is below, those nearest to the root first, then makes
// the folders that the whiteouts stand in.
func (o *oracle) whiteouts(l Layer) {
	type wh struct {
		p      string
		opaque bool
	}
	var all []wh
	for i, r := range l {
		if !isWhiteout(r.Name) || leftOut(r) {
			continue
		}
		dir, base := path.Split(path.Join("/", r.Name))
		dir = o.through(l[:i], strings.Trim(dir, "/"))
		if base == ".wh..wh..opq" {
			all = append(all, wh{dir, true})
		} else {
			all = append(all, wh{join(dir, base[len(".wh."):]), false})
		}
	}
	sort.SliceStable(all, func(i, j int) bool {
		di, dj := depth(all[i].p), depth(all[j].p)
		return di < dj || di == dj && !all[i].opaque && all[j].opaque
	})
	gone := map[string]bool{}
	for _, w := range all {
		redundant := false
		for p := w.p; p != ""; p = parent(p) {
			redundant = redundant || gone[p]
		}
		if redundant {
			continue
		}
		dir := w.p
		if !w.opaque {
			dir = parent(w.p)
		}
		o.mkdirs(dir)
		for p, in := range o.view {
			if in.layer != o.layer && (beneath(p, w.p) || p == w.p && !w.opaque) {
				delete(o.view, p)
			}
		}
		if !w.opaque {
			gone[w.p] = true
		}
	}
}

// through follows the symbolic links that stand before a whiteout in its layer.
func (o *oracle) through(before Layer, dir string) string {
	links := map[string]string{}
	for _, r := range before {
		if leftOut(r) || isWhiteout(r.Name) {
			continue
		}
		if p := strings.Trim(path.Join("/", r.Name), "/"); r.Type == 's' {
			links[p] = r.Link
		} else {
			delete(links, p)
		}
	}
	for range 40 {
		parts, i := strings.Split(dir, "/"), 0
		for i = range parts {
			at := strings.Join(parts[:i+1], "/")
			if to, ok := links[at]; ok && at != "" {
				if !strings.HasPrefix(to, "/") {
					to = parent(at) + "/" + to
				}
				dir = strings.Trim(path.Join("/", to, strings.Join(parts[i+1:], "/")), "/")
				i = -1
				break
			}
		}
		if i >= 0 {
			break
		}
	}
	return dir
}

// place returns where a name leads, after making its folders.
func (o *oracle) place(name string) (string, bool) {
	p := strings.Trim(path.Join("/", name), "/")
	dir, base := parent(p), path.Base("/"+p)
	todo := strings.Split(dir, "/")
	at, links := "", 0
	for len(todo) > 0 {
		c := todo[0]
		todo = todo[1:]
		switch c {
		case "", ".":
			continue
		case "..":
			at = parent(at)
			continue
		}
		next := join(at, c)
		if in := o.view[next]; in != nil && in.layer == o.layer && in.Record.Type == 's' {
			if links++; links > 40 {
				return "", false
			}
			if strings.HasPrefix(in.Record.Link, "/") {
				at = ""
			}
			todo = append(strings.Split(in.Record.Link, "/"), todo...)
			continue
		}
		at = next
		o.mkdirs(at)
	}
	if p == "" {
		return "", true
	}
	return join(at, base), true
}

// mkdirs makes a folder and those above it.
func (o *oracle) mkdirs(dir string) {
	if dir == "" {
		return
	}
	o.mkdirs(parent(dir))
	if in := o.view[dir]; in == nil || in.Record.Type != 'd' {
		o.view[dir] = &Inode{Record: Record{Type: 'd', Mode: 0o755}, layer: o.layer}
		o.wrote[dir] = o.now
	}
}

func (o *oracle) put(p string, in *Inode) {
	if in.Record.Type == 'c' && in.Record.Major == 0 && in.Record.Minor == 0 {
		delete(o.view, p)
		o.clear(p)
		return
	}
	if old := o.view[p]; old == nil || old.Record.Type != 'd' || in.Record.Type != 'd' {
		o.clear(p)
	}
	o.view[p] = in
}

func (o *oracle) clear(dir string) {
	for p := range o.view {
		if beneath(p, dir) {
			delete(o.view, p)
		}
	}
}

// link makes p a name of the link's target; false if the target is not there.
func (o *oracle) link(p string, r Record) bool {
	to := strings.Trim(path.Join("/", r.Link), "/")
	if file, ok := o.aufs[to]; ok && o.now >= 0 {
		in, at := o.first[to], o.linked[to]
		o.clear(p)
		if in != nil && at != p && o.view[at] == in {
			in.Record.Mode, in.Record.UID, in.Record.GID, in.Record.ModTime = r.Mode, r.UID, r.GID, r.ModTime
		} else {
			in = &Inode{Record: file, layer: o.layer}
			o.first[to], o.linked[to] = in, p
		}
		o.view[p] = in
		return true
	}
	target, ok := o.resolve(o.view, r.Link)
	in := o.view[target]
	if !ok || in == nil {
		if target, ok = o.resolve(o.below, r.Link); !ok {
			return false
		}
		in = o.below[target]
	}
	if in == nil {
		return false
	}
	if target == p || beneath(target, p) || in.Record.Type == 'd' {
		return true // left out
	}
	if in.layer == o.layer {
		o.clear(p)
		if !in.copied() && in.Record.Type != 's' {
			in.Record.Mode, in.Record.UID, in.Record.GID, in.Record.ModTime = r.Mode, r.UID, r.GID, r.ModTime
		}
		o.view[p] = in
		return true
	}
	o.clear(p)
	fresh := &Inode{Record: in.Record, layer: o.layer}
	fresh.Record.Name = copiedMark
	for q, other := range o.view {
		if other == in && q != p {
			o.view[q] = fresh
		}
	}
	o.view[p] = fresh
	return true
}

// copiedMark is the name of a record that a hard link copied from below.
const copiedMark = "\x00copied"

func (in *Inode) copied() bool { return in.Record.Name == copiedMark }

// resolve follows the links of the folders of a hard link's target.
func (o *oracle) resolve(view map[string]*Inode, name string) (string, bool) {
	todo := strings.Split(strings.Trim(path.Join("/", name), "/"), "/")
	at, links := "", 0
	for len(todo) > 0 {
		c := todo[0]
		todo = todo[1:]
		switch c {
		case "", ".":
			continue
		case "..":
			at = parent(at)
			continue
		}
		next := join(at, c)
		in := view[next]
		if in == nil {
			return "", false
		}
		if in.Record.Type == 's' && len(todo) > 0 {
			if links++; links > 40 {
				return "", false
			}
			if strings.HasPrefix(in.Record.Link, "/") {
				at = ""
			}
			todo = append(strings.Split(in.Record.Link, "/"), todo...)
			continue
		}
		at = next
	}
	return at, at != ""
}

// linkLater links what waited for its target until nothing moves any more.
func (o *oracle) linkLater() {
	done := make([]bool, len(o.later))
	for moved := true; moved; {
		moved = false
		for i, r := range o.later {
			if done[i] {
				continue
			}
			target, ok := o.resolve(o.view, r.Link)
			if !ok || o.view[target] == nil {
				continue
			}
			done[i], moved = true, true
			p := o.at[i]
			if at, ok := o.wrote[p]; ok && at > o.order[i] && o.view[p] != nil && o.view[p].layer == o.layer {
				continue
			}
			free := true
			for d := parent(p); d != ""; d = parent(d) {
				free = free && o.view[d] != nil && o.view[d].Record.Type == 'd'
			}
			if free {
				o.link(p, r)
				o.wrote[p] = o.order[i]
			}
		}
	}
}

func parent(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

func beneath(p, dir string) bool { return dir == "" && p != "" || strings.HasPrefix(p, dir+"/") }

func depth(p string) int {
	if p == "" {
		return 0
	}
	return 1 + strings.Count(p, "/")
}

// Lines renders a tree of the oracle, a line for each path, in the order of
// path components:
//
//	d usr/bin 0755 0:0
//	f usr/bin/tool 4755 1000:0 7 1c9a4b2e…  links=2 usr/bin/other
//	s bin -> usr/bin 0:0
func Lines(view map[string]*Inode) string {
	paths := slices.SortedFunc(maps.Keys(view), func(a, b string) int {
		return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
	})
	names := map[*Inode][]string{}
	for _, p := range paths {
		names[view[p]] = append(names[view[p]], p)
	}
	var b strings.Builder
	for _, p := range paths {
		r := view[p].Record
		l := Line{Type: r.Type, Path: p, Mode: r.Mode, UID: r.UID, GID: r.GID, Target: r.Link, Major: r.Major, Minor: r.Minor, Content: []byte(r.Content)}
		if n := names[view[p]]; len(n) > 1 {
			l.Links, l.First = len(n), n[0]
		}
		b.WriteString(l.String())
	}
	return b.String()
}

// Line is one line of Lines.
type Line struct {
	Type         byte // 'd', 'f', 's', 'c', 'b' or 'p'
	Path, Target string
	Mode         uint32
	UID, GID     uint32
	Major, Minor uint32
	Content      []byte
	Links        int // 0 unless there are several
	First        string
}

// String ends with a newline.
func (l Line) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%c %s", l.Type, l.Path)
	if l.Type == 's' {
		fmt.Fprintf(&b, " -> %s", l.Target)
	} else {
		fmt.Fprintf(&b, " %04o", l.Mode)
	}
	fmt.Fprintf(&b, " %d:%d", l.UID, l.GID)
	switch l.Type {
	case 'f':
		sum := sha256.Sum256(l.Content)
		fmt.Fprintf(&b, " %d %s", len(l.Content), hex.EncodeToString(sum[:8]))
	case 'c', 'b':
		fmt.Fprintf(&b, " %d:%d", l.Major, l.Minor)
	}
	if l.Links > 1 {
		fmt.Fprintf(&b, " links=%d %s", l.Links, l.First)
	}
	return b.String() + "\n"
}
