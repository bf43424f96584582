package diff

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Tally is a row of a summary. What a container sees and what the image
// carries are two things: a layer that changes the owner of 400 MB gains
// nothing and stores 400 MB.
type Tally struct {
	Added   int   `json:"added"`   // paths
	Changed int   `json:"changed"` // paths
	Deleted int   `json:"deleted"` // paths
	Gained  int64 `json:"gained"`  // bytes that containers see more
	Lost    int64 `json:"lost"`    // bytes that they see less
	Stored  int64 `json:"stored"`  // bytes of content that the layers carry more
	Dropped int64 `json:"dropped"` // bytes that they carry less
}

func (t *Tally) change(ch Change) {
	switch ch.Kind {
	case Added:
		t.Added++
	case Changed:
		t.Changed++
	case Deleted:
		t.Deleted++
	}
	before, after := seen(ch.Before), seen(ch.After)
	t.Gained += max(0, after-before)
	t.Lost += max(0, before-after)
}

func (t *Tally) carry(n int64) {
	t.Stored += max(0, n)
	t.Dropped += max(0, -n)
}

// seen returns a file's bytes; those of several names count under the first.
func seen(n *tree.Node) int64 {
	if n == nil || n.Kind() != imagecore.File {
		return 0
	}
	if count, first := n.Links(); count > 1 && first != n.Path() {
		return 0
	}
	return n.Size()
}

// LayerTally is a layer's row. Image is 1 or 2 where two images are compared,
// else 0.
type LayerTally struct {
	Image     int
	Layer     int
	CreatedBy string
	Tally
}

// NamedTally is the row of a command or of a folder.
type NamedTally struct {
	Name string
	Tally
}

// Summary adds up what changes gained and lost, and what layers carry. The zero
// value is ready.
type Summary struct {
	Total    Tally
	layers   map[layerKey]*LayerTally
	commands map[string]*Tally
	folders  map[string]*Tally
}

type layerKey struct{ image, layer int }

// Change counts a change that a layer of an image made.
func (s *Summary) Change(ch Change, image int, layer *imagecore.Layer) {
	s.each(image, layer, ch.Path, func(t *Tally) { t.change(ch) })
}

// carry counts n bytes more, or less, that a layer carries under a path.
func (s *Summary) carry(image int, layer *imagecore.Layer, path string, n int64) {
	s.each(image, layer, path, func(t *Tally) { t.carry(n) })
}

func (s *Summary) each(image int, layer *imagecore.Layer, path string, count func(*Tally)) {
	if s.layers == nil {
		s.layers, s.commands, s.folders = map[layerKey]*LayerTally{}, map[string]*Tally{}, map[string]*Tally{}
	}
	count(&s.Total)
	key := layerKey{image, layer.Index}
	if s.layers[key] == nil {
		s.layers[key] = &LayerTally{Image: image, Layer: layer.Index, CreatedBy: layer.CreatedBy}
	}
	count(&s.layers[key].Tally)
	for _, row := range []struct {
		in   map[string]*Tally
		name string
	}{{s.commands, layer.CreatedBy}, {s.folders, folder(path)}} {
		if row.in[row.name] == nil {
			row.in[row.name] = &Tally{}
		}
		count(row.in[row.name])
	}
}

// folder gives two levels, which tell most: usr/lib, not every folder beneath.
func folder(path string) string {
	parts := strings.SplitN(path, "/", 3)
	switch len(parts) {
	case 1:
		return "."
	case 2:
		return parts[0]
	}
	return parts[0] + "/" + parts[1]
}

// Carried counts the content of one layer as stored.
func (s *Summary) Carried(image int, layer *imagecore.Layer) {
	for i := range layer.Entries {
		if e := &layer.Entries[i]; e.Stored > 0 {
			s.carry(image, layer, e.Path, e.Stored)
		}
	}
}

// Growth counts what the layers of after carry more and less than those of
// before. Layers with the same diffID are the same. In the others a path's
// contents are paired, those of the same command first, and a pair counts by
// its difference; what has no partner is stored anew, or dropped.
//
// first and second are the numbers of the images, as in LayerTally.
func (s *Summary) Growth(before, after []imagecore.Layer, first, second int) {
	b, a := apart(before, after), apart(after, before)
	old := contents(b)
	now := contents(a)
	for _, path := range slices.SortedFunc(maps.Keys(now), tree.ComparePaths) {
		left := old[path]
		delete(old, path)
		var alone []piece
		for _, p := range now[path] {
			i := slices.IndexFunc(left, func(q piece) bool { return q.layer.CreatedBy == p.layer.CreatedBy })
			if i < 0 {
				alone = append(alone, p)
				continue
			}
			s.carry(second, p.layer, path, p.bytes-left[i].bytes)
			left = slices.Delete(slices.Clone(left), i, i+1)
		}
		for _, p := range alone {
			n := p.bytes
			if len(left) > 0 {
				n, left = n-left[0].bytes, left[1:]
			}
			s.carry(second, p.layer, path, n)
		}
		if len(left) > 0 {
			old[path] = left
		}
	}
	for path, pieces := range old {
		for _, p := range pieces {
			s.carry(first, p.layer, path, -p.bytes)
		}
	}
}

// apart returns the layers that the other stack does not have; of equal ones
// that stand in a stack more than once, as many as it has more.
func apart(layers, other []imagecore.Layer) []*imagecore.Layer {
	have := map[string]int{}
	for i := range other {
		have[other[i].DiffID.String()]++
	}
	var own []*imagecore.Layer
	for i := range layers {
		if id := layers[i].DiffID.String(); have[id] > 0 {
			have[id]--
			continue
		}
		own = append(own, &layers[i])
	}
	return own
}

// piece is what a layer carries under a path.
type piece struct {
	layer *imagecore.Layer
	bytes int64
}

// contents lists what layers carry by path, base first. A layer that has a
// name twice carries both: one piece.
func contents(layers []*imagecore.Layer) map[string][]piece {
	m := map[string][]piece{}
	for _, l := range layers {
		for i := range l.Entries {
			e := &l.Entries[i]
			if e.Stored <= 0 {
				continue
			}
			if all := m[e.Path]; len(all) > 0 && all[len(all)-1].layer == l {
				all[len(all)-1].bytes += e.Stored
				continue
			}
			m[e.Path] = append(m[e.Path], piece{l, e.Stored})
		}
	}
	return m
}

// weigh orders rows by what the layers carry, then by what containers see,
// largest first.
func weigh(x, y Tally) int {
	return cmp.Or(cmp.Compare(y.Stored+y.Dropped, x.Stored+x.Dropped), cmp.Compare(y.Gained+y.Lost, x.Gained+x.Lost))
}

// Layers returns the rows by layer, largest first.
func (s *Summary) Layers() []LayerTally {
	rows := []LayerTally{}
	for _, l := range s.layers {
		rows = append(rows, *l)
	}
	slices.SortFunc(rows, func(x, y LayerTally) int {
		return cmp.Or(weigh(x.Tally, y.Tally), cmp.Compare(x.Image, y.Image), cmp.Compare(x.Layer, y.Layer))
	})
	return rows
}

// Commands returns the rows by the command that made the layers, largest first.
func (s *Summary) Commands() []NamedTally { return named(s.commands) }

// Folders returns the rows by folder, of two levels at most, largest first.
func (s *Summary) Folders() []NamedTally { return named(s.folders) }

func named(m map[string]*Tally) []NamedTally {
	rows := []NamedTally{}
	for name, t := range m {
		rows = append(rows, NamedTally{name, *t})
	}
	slices.SortFunc(rows, func(x, y NamedTally) int {
		return cmp.Or(weigh(x.Tally, y.Tally), tree.ComparePaths(x.Name, y.Name))
	})
	return rows
}
