package audit

import (
	"cmp"
	"slices"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Why says in what way bytes are wasted.
type Why string

const (
	// Hidden: a later layer deleted the path, by a whiteout of its own, of a
	// folder above it or an opaque one, or made a folder above it something else.
	Hidden Why = "hidden"
	// Replaced: a later layer wrote something else to the same path.
	Replaced Why = "replaced"
	// Duplicated: a later layer wrote the same bytes to the same path, for the
	// sake of a mode, an owner, a time or an attribute. Told apart from
	// Replaced only where contents are compared.
	Duplicated Why = "duplicated"
	// Unreachable: no prefix of the stack shows them: a later entry of the
	// same layer has the same name, the name leaves the root, or it is
	// bookkeeping of AUFS.
	Unreachable Why = "unreachable"
)

// Sums returns the digests of entries' contents; equal contents have equal
// strings. It is asked at most twice, with each entry once.
type Sums func([]tree.Ref) (map[tree.Ref]string, error)

// Finding is the content of one entry that no container will see.
type Finding struct {
	Why   Why
	Path  string
	Entry tree.Ref // whose content it is
	Bytes int64    // of content, as the tar has them
	// Until is the layer that hid it: Entry.Layer where it was never seen.
	Until int
	// Cause is tree.Cause's word; for Unreachable one of "same-layer",
	// "escapes-root", "metadata".
	Cause string
	// By is the entry that hid it; By.Entry is -1 where none can be named,
	// such as one whose name leads here through a symbolic link.
	By tree.Ref
}

// LayerSum adds up one layer.
type LayerSum struct {
	Layer  int
	Bytes  int64 // all content of the layer
	Wasted int64 // of them, those that nobody will see
	Caused int64 // bytes of this layer and those below that this layer made invisible
}

// Merge is what the image would lose if two neighbouring layers were one.
type Merge struct {
	Layer int // and the one above it
	Bytes int64
}

// Twins are visible files of equal content that are stored more than once.
// They are no waste in the sense of Report: containers see them all.
type Twins struct {
	Digest string
	Size   int64    // bytes of one
	Copies int      // how often the bytes are stored
	Bytes  int64    // what storing them once would save
	Paths  []string // all that show this content, sorted
}

// Report is what Waste found.
type Report struct {
	Bytes  int64         // content of all layers
	Wasted int64         // what squashing all layers into one would reclaim
	ByWhy  map[Why]int64 // Wasted, parted
	Layers []LayerSum    // in the order of the stack
	// Findings are sorted by bytes, largest first.
	Findings []Finding
	Merges   []Merge // those that would save something, largest first
	Twins    []Twins // largest first
	// Compared says that contents were read: only then Duplicated and Twins
	// can be told.
	Compared bool
}

// Waste finds the bytes that no container of the whole stack will see, each
// counted once however many names a hard-linked file has. layers are those
// that t was built from. sums may be nil: then nothing is read, rewritten files
// all count as Replaced, and there are no Twins.
func Waste(t *tree.Tree, layers []imagecore.Layer, sums Sums) (*Report, error) {
	a := &auditor{tree: t, layers: layers, fate: make([][]fate, len(layers)), blame: newBlame(t, layers)}
	for i := range layers {
		if layers[i].Present {
			a.fate[i] = make([]fate, len(layers[i].Entries))
		}
	}
	a.follow()
	r := &Report{ByWhy: map[Why]int64{}, Compared: sums != nil}
	a.collect(r)
	if sums != nil {
		if err := a.compare(r, sums); err != nil {
			return nil, err
		}
		twins, err := twins(t, sums)
		if err != nil {
			return nil, err
		}
		r.Twins = twins
	}
	a.total(r)
	return r, nil
}

// fate is what became of an entry's content.
type fate struct {
	named bool // some version shows it
	alive bool // one that nothing ended does
	until int32
	last  *last // where it was seen last; nil while alive
}

// last is the version that showed a content longest.
type last struct {
	path  string
	cause tree.Cause
	next  tree.Ref // content of the file that replaced it, Entry -1 for none
	size  int64    // bytes of that file
	by    tree.Ref // the entry of the next version
}

type auditor struct {
	tree   *tree.Tree
	layers []imagecore.Layer
	fate   [][]fate
	blame  *blame
	same   []tree.Ref // dead contents with an heir of equal size, by finding
}

// follow walks all versions and notes for each content how long it was seen.
func (a *auditor) follow() {
	var versions []tree.Version
	for p := range a.tree.Paths() {
		versions = p.AppendVersions(versions[:0])
		for i := range versions {
			v := &versions[i]
			if v.Kind != imagecore.File || v.Content.Entry < 0 {
				continue
			}
			f := &a.fate[v.Content.Layer][v.Content.Entry]
			f.named = true
			switch {
			case f.alive:
			case v.Until < 0:
				f.alive, f.last = true, nil
			case f.last == nil || int32(v.Until) > f.until:
				f.until = int32(v.Until)
				f.last = &last{path: p.String(), cause: v.Cause, next: tree.Ref{Layer: -1, Entry: -1}, by: tree.Ref{Layer: v.Until, Entry: -1}}
				if i+1 < len(versions) && versions[i+1].Layer == v.Until {
					n := &versions[i+1]
					f.last.by.Entry = n.Source.Entry
					if n.Kind == imagecore.File && n.Content != v.Content {
						f.last.next, f.last.size = n.Content, n.Size
					}
				}
			}
		}
	}
}

// collect makes a finding of each content that is dead.
func (a *auditor) collect(r *Report) {
	for l := range a.layers {
		sum := LayerSum{Layer: l}
		for i := range a.fate[l] {
			e, f := &a.layers[l].Entries[i], &a.fate[l][i]
			if e.Stored <= 0 {
				continue
			}
			sum.Bytes += e.Stored
			if f.alive {
				continue
			}
			ref := tree.Ref{Layer: l, Entry: i}
			if f.last == nil {
				r.Findings = append(r.Findings, a.unreachable(ref, e))
			} else {
				r.Findings = append(r.Findings, a.dead(ref, e, f))
			}
			a.same = append(a.same, a.heir(f, e))
		}
		r.Layers = append(r.Layers, sum)
	}
}

// dead describes content that was seen once.
func (a *auditor) dead(ref tree.Ref, e *imagecore.Entry, f *fate) Finding {
	d := Finding{
		Why: Hidden, Path: f.last.path, Entry: ref, Bytes: e.Stored, Until: int(f.until),
		Cause: f.last.cause.String(), By: f.last.by,
	}
	if f.last.cause == tree.Replaced {
		d.Why = Replaced
		if d.By.Entry < 0 { // an implicit folder took its place
			d.By.Entry = a.blame.beneath(d.Until, d.Path)
		}
		return d
	}
	if by := a.blame.of(f.last.cause, d.Until, d.Path); by >= 0 {
		d.By.Entry = by
	}
	return d
}

// unreachable describes content that no prefix of the stack shows.
func (a *auditor) unreachable(ref tree.Ref, e *imagecore.Entry) Finding {
	d := Finding{Why: Unreachable, Path: e.Path, Entry: ref, Bytes: e.Stored, Until: ref.Layer, By: tree.Ref{Layer: ref.Layer, Entry: -1}}
	switch {
	case e.Escapes:
		d.Cause, d.Path = "escapes-root", e.Name
	case e.Kind == imagecore.File:
		d.Cause = "same-layer"
		d.By.Entry = a.blame.sameLayer(ref.Layer, e.Path, ref.Entry)
	default:
		d.Cause = "metadata"
	}
	return d
}

// heir returns the content that replaced a dead one, if it may be the same.
func (a *auditor) heir(f *fate, e *imagecore.Entry) tree.Ref {
	if f.last != nil && f.last.cause == tree.Replaced && f.last.next.Entry >= 0 && f.last.size == e.Size {
		return f.last.next
	}
	return tree.Ref{Layer: -1, Entry: -1}
}

// compare reads the contents of equal size and tells Duplicated from Replaced.
func (a *auditor) compare(r *Report, sums Sums) error {
	seen := map[tree.Ref]bool{}
	var refs []tree.Ref
	ask := func(ref tree.Ref) {
		if !seen[ref] {
			seen[ref] = true
			refs = append(refs, ref)
		}
	}
	for i, heir := range a.same {
		if heir.Entry >= 0 {
			ask(r.Findings[i].Entry)
			ask(heir)
		}
	}
	if len(refs) == 0 {
		return nil
	}
	digests, err := sums(refs)
	if err != nil {
		return err
	}
	for i, heir := range a.same {
		if heir.Entry >= 0 && digests[r.Findings[i].Entry] == digests[heir] {
			r.Findings[i].Why = Duplicated
		}
	}
	return nil
}

// total adds the findings up and sorts them.
func (a *auditor) total(r *Report) {
	merges := make([]int64, len(a.layers))
	for _, f := range r.Findings {
		r.Wasted += f.Bytes
		r.ByWhy[f.Why] += f.Bytes
		r.Layers[f.Entry.Layer].Wasted += f.Bytes
		r.Layers[f.Until].Caused += f.Bytes
		if f.Until == f.Entry.Layer+1 {
			merges[f.Entry.Layer] += f.Bytes
		}
	}
	for _, l := range r.Layers {
		r.Bytes += l.Bytes
	}
	for i, n := range merges {
		if n > 0 {
			r.Merges = append(r.Merges, Merge{Layer: i, Bytes: n})
		}
	}
	slices.SortStableFunc(r.Merges, func(x, y Merge) int { return cmp.Compare(y.Bytes, x.Bytes) })
	slices.SortStableFunc(r.Findings, func(x, y Finding) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(x.Entry.Layer, y.Entry.Layer), tree.ComparePaths(x.Path, y.Path))
	})
}
