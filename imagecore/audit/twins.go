package audit

import (
	"cmp"
	"slices"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// twins finds visible files of equal content that are stored more than once.
// Only files whose size another one shares are read.
func twins(t *tree.Tree, sums Sums) ([]Twins, error) {
	bySize := map[int64][]tree.Ref{}
	paths := map[tree.Ref][]string{}
	for n := range t.Top().All() {
		if n.Kind() != imagecore.File || n.Size() == 0 {
			continue
		}
		ref := n.Content()
		if paths[ref] == nil {
			bySize[n.Size()] = append(bySize[n.Size()], ref)
		}
		paths[ref] = append(paths[ref], n.Path())
	}
	var refs []tree.Ref
	for _, same := range bySize {
		if len(same) > 1 {
			refs = append(refs, same...)
		}
	}
	if len(refs) == 0 {
		return nil, nil
	}
	slices.SortFunc(refs, func(x, y tree.Ref) int { return cmp.Or(cmp.Compare(x.Layer, y.Layer), cmp.Compare(x.Entry, y.Entry)) })
	digests, err := sums(refs)
	if err != nil {
		return nil, err
	}
	groups := map[string][]tree.Ref{}
	var order []string
	for _, ref := range refs {
		d := digests[ref]
		if groups[d] == nil {
			order = append(order, d)
		}
		groups[d] = append(groups[d], ref)
	}
	var found []Twins
	for _, d := range order {
		if len(groups[d]) < 2 {
			continue
		}
		w := Twins{Digest: d, Size: t.Entry(groups[d][0]).Size, Copies: len(groups[d])}
		least := t.Entry(groups[d][0]).Stored
		for _, ref := range groups[d] {
			w.Bytes += t.Entry(ref).Stored
			least = min(least, t.Entry(ref).Stored)
			w.Paths = append(w.Paths, paths[ref]...)
		}
		w.Bytes -= least
		slices.SortFunc(w.Paths, tree.ComparePaths)
		found = append(found, w)
	}
	slices.SortStableFunc(found, func(x, y Twins) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), tree.ComparePaths(x.Paths[0], y.Paths[0]))
	})
	return found, nil
}
