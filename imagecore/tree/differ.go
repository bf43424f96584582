package tree

import (
	"errors"
	"slices"
	"sort"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// compareLenses makes the warnings say which lenses show another tree: it
// builds those trees, takes the names of lenses that show the same out of the
// warnings, and adds a warning for what none explains.
func (t *Tree) compareLenses() {
	differ := map[Lens]bool{}
	var found []difference
	for _, l := range Lenses()[1:] {
		if !t.doubt {
			found = append(found, (&comparison{a: t, b: t, lens: l, keeps: l.unpacker().Keeps}).run()...)
			differ[l] = len(found) > 0 && found[len(found)-1].lens == l
			continue
		}
		other, err := Build(t.layers, l)
		var e *imagecore.Error
		switch {
		case errors.As(err, &e) && e.Code == "engine-refuses":
			found = append(found, difference{lens: l, layer: e.Layer, entry: e.Entry, offset: e.Offset, reason: e.Args["reason"]})
		case err != nil: // too much is made on the way: another lens may have less to make
			found = append(found, difference{lens: l, layer: -1, reason: err.Error()})
		default:
			found = append(found, (&comparison{a: t, b: other, lens: l}).run()...)
		}
		differ[l] = len(found) > 0 && found[len(found)-1].lens == l
	}
	for i := range t.warnings {
		t.warnings[i] = onlyLenses(t.warnings[i], differ)
	}
	t.warnings = append(t.warnings, t.unexplained(found)...)
	sortWarnings(t.warnings)
}

// difference is a path that a lens shows otherwise, or its refusal, with the
// entry that has to do with it.
type difference struct {
	lens   Lens
	path   string
	reason string // of a refusal
	layer  int
	entry  string
	offset int64
}

// onlyLenses returns a warning without the lenses that show the same tree.
func onlyLenses(w imagecore.Warning, differ map[Lens]bool) imagecore.Warning {
	named, ok := w.Args["lenses"]
	if !ok {
		return w
	}
	var kept []string
	for _, l := range strings.Fields(named) {
		if differ[Lens(l)] {
			kept = append(kept, l)
		}
	}
	args := map[string]string{}
	for k, v := range w.Args {
		args[k] = v
	}
	delete(args, "lenses")
	if len(kept) > 0 {
		args["lenses"] = strings.Join(kept, " ")
	}
	w.Args = args
	return w
}

// unexplained returns warnings for the differences that no warning so far names:
// one with the lens, of the same entry or of a path above or beneath.
func (t *Tree) unexplained(found []difference) []imagecore.Warning {
	var more []imagecore.Warning
	counts := map[string]int{}
	for _, d := range found {
		explains := func(w imagecore.Warning) bool {
			if !slices.Contains(strings.Fields(w.Args["lenses"]), string(d.lens)) {
				return false
			}
			p := w.Args["path"]
			return w.Layer == d.layer && w.Offset == d.offset || d.reason == "" && (p == d.path || within(p, d.path) || within(d.path, p))
		}
		if slices.ContainsFunc(t.warnings, explains) {
			continue
		}
		code, message := "lens-differs", "an engine shows this path otherwise"
		if d.reason != "" {
			code, message = "lens-refuses", "an engine refuses this layer: "+d.reason
		}
		same := func(w imagecore.Warning) bool {
			return w.Code == code && w.Layer == d.layer && w.Offset == d.offset && w.Args["path"] == d.path && w.Args["reason"] == d.reason
		}
		if i := slices.IndexFunc(more, same); i >= 0 {
			more[i].Args["lenses"] += " " + string(d.lens)
			continue
		}
		if counts[code]++; counts[code] > maxWarnings {
			continue
		}
		w := imagecore.Warning{Code: code, Message: message, Layer: d.layer, Entry: d.entry, Offset: d.offset}
		if w.Args = imagecore.Args("path", d.path, "lenses", string(d.lens)); d.reason != "" {
			w.Args = imagecore.Args("reason", d.reason, "lenses", string(d.lens))
		}
		more = append(more, w)
	}
	return more
}

func within(p, dir string) bool { return dir == "" || strings.HasPrefix(p, dir+"/") }

// comparison walks two trees of the same layers side by side.
type comparison struct {
	a, b *Tree
	lens Lens // of b
	// keeps, if set, says that b is a but for the attributes which it is false
	// of.
	keeps func(key string) bool
	found []difference
}

func (c *comparison) run() []difference {
	c.node(0, 0, "")
	return c.found
}

// node compares a path, and what lies beneath it unless it is another thing
// altogether. A node is -1 in a tree that never had it.
func (c *comparison) node(a, b int32, path string) {
	if len(c.found) > maxWarnings {
		return
	}
	if layer, deep := c.differ(a, b); layer >= 0 {
		c.found = append(c.found, c.place(a, b, path, layer))
		if deep {
			return
		}
	}
	var ka, kb []int32
	if a >= 0 {
		ka = c.a.children(a)
	}
	if b >= 0 {
		kb = c.b.children(b)
	}
	for len(ka) > 0 || len(kb) > 0 {
		na, nb := int32(-1), int32(-1)
		order := 0
		switch {
		case len(ka) == 0:
			order = 1
		case len(kb) == 0:
			order = -1
		default:
			order = strings.Compare(c.a.nodes[ka[0]].name, c.b.nodes[kb[0]].name)
		}
		name := ""
		if order <= 0 {
			na, name, ka = ka[0], c.a.nodes[ka[0]].name, ka[1:]
		}
		if order >= 0 {
			nb, name, kb = kb[0], c.b.nodes[kb[0]].name, kb[1:]
		}
		if path != "" {
			name = path + "/" + name
		}
		c.node(na, nb, name)
	}
}

// differ returns the first layer after which the trees show something else at a
// path, -1 for none. deep says that one shows another kind, or nothing.
func (c *comparison) differ(a, b int32) (layer int, deep bool) {
	for n, end := int32(1), int32(len(c.a.layers)); n <= end; {
		va, vb := int32(-1), int32(-1)
		next := end + 1
		if a >= 0 {
			va = c.a.visible(a, n)
			next = c.a.nextChange(a, n, next)
		}
		if b >= 0 {
			vb = c.b.visible(b, n)
			next = c.b.nextChange(b, n, next)
		}
		switch {
		case va < 0 && vb < 0:
		case va < 0 || vb < 0 || c.a.versions[va].kind != c.b.versions[vb].kind:
			return int(n) - 1, true
		case !c.same(va, vb, n):
			return int(n) - 1, false
		case c.a.linked(&c.a.versions[va]) >= 0 || c.b.linked(&c.b.versions[vb]) >= 0:
			next = n + 1 // its other names have layers of their own
		}
		n = next
	}
	return -1, false
}

// nextChange returns after how many layers, more than n, a node is next another
// version or gone; otherwise if that comes first.
func (t *Tree) nextChange(id, n, otherwise int32) int32 {
	for v := t.nodes[id].last; v >= 0; v = t.versions[v].prev {
		for _, at := range [2]int32{t.versions[v].layer + 1, t.versions[v].until + 1} {
			if at > n && at < otherwise {
				otherwise = at
			}
		}
	}
	return otherwise
}

// same compares two versions of one kind.
func (c *comparison) same(va, vb, n int32) bool {
	a, b := &c.a.versions[va], &c.b.versions[vb]
	x, y := c.a.attr(a), c.b.attr(b)
	if c.keeps != nil {
		return !slices.ContainsFunc(x.Xattrs, func(x imagecore.Xattr) bool { return !c.keeps(x.Key) })
	}
	x.ModTime, x.ModNano, y.ModTime, y.ModNano = 0, 0, 0, 0
	if !equalAttr(x, y) {
		return false
	}
	switch a.kind {
	case imagecore.Dir:
		return true
	case imagecore.File:
		if a.home != b.home {
			return false
		}
	case imagecore.Symlink:
		if c.a.at(a.home).Link != c.b.at(b.home).Link {
			return false
		}
	}
	if c.a.linked(a) < 0 && c.b.linked(b) < 0 {
		return true
	}
	ca, fa := (Node{c.a.View(int(n)), a.node, va}).Links()
	cb, fb := (Node{c.b.View(int(n)), b.node, vb}).Links()
	return ca == cb && (ca == 1 || fa == fb)
}

// place finds the entry that a difference is about: the one that wrote the path
// in either tree, else the first of the layer that names it, or something above
// or beneath.
func (c *comparison) place(a, b int32, path string, layer int) difference {
	d := difference{lens: c.lens, path: path, layer: layer, offset: -1}
	at := -1
	for _, side := range []struct {
		t *Tree
		n int32
	}{{c.a, a}, {c.b, b}} {
		if side.n < 0 || at >= 0 {
			continue
		}
		if v := side.t.visible(side.n, int32(layer)+1); v >= 0 && int(side.t.versions[v].layer) == layer {
			at = int(side.t.versions[v].entry)
		}
	}
	entries := c.a.layers[layer].Entries
	if at < 0 {
		at = slices.IndexFunc(entries, func(e imagecore.Entry) bool {
			return e.Path == path || within(e.Path, path) || e.Path != "" && within(path, e.Path)
		})
	}
	if at < 0 && len(entries) > 0 {
		at = 0 // a link of the layer leads there
	}
	if at < 0 && a >= 0 { // a layer without entries: its folder's own metadata
		if v := c.a.visible(a, int32(layer)+1); v >= 0 && c.a.versions[v].home.entry >= 0 {
			home := c.a.versions[v].home
			d.layer, at, entries = int(home.layer), int(home.entry), c.a.layers[home.layer].Entries
		}
	}
	if at >= 0 {
		d.entry, d.offset = entries[at].Name, entries[at].Offset
	}
	return d
}

// sortWarnings puts them in the order of their entries; those of no layer last.
func sortWarnings(all []imagecore.Warning) {
	sort.SliceStable(all, func(i, j int) bool {
		a, b := &all[i], &all[j]
		if (a.Layer < 0) != (b.Layer < 0) {
			return b.Layer < 0
		}
		if a.Layer != b.Layer {
			return a.Layer < b.Layer
		}
		return a.Offset < b.Offset
	})
}
