// Package account is what an image wastes as one JSON object, with the verdict
// of the rules of `layerlab ci`: for the page, which gets it of the core in the
// browser for a file and of the server for a stored image.
//
//	layers + tree → audit.Waste, audit.Dive → ci.Evaluate → Account
//
// The figures are those of `layerlab waste` and `layerlab ci`; nothing is
// counted here.
package account

import (
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/audit"
	"github.com/layerlab/layerlab/imagecore/audit/ci"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Most is how many duplicated paths and how many twins are listed; the sums
// count all.
const Most = 200

// Account is an image's.
type Account struct {
	Pass  bool        `json:"pass"`
	Rules []ci.Result `json:"rules"`
	Dive  ci.Figures  `json:"dive"` // as the tool dive counts
	True  ci.Figures  `json:"true"` // as containers see it

	Bytes       int64 `json:"bytes"`       // content of all layers
	Wasted      int64 `json:"wasted"`      // of them, in no container
	Hidden      int64 `json:"hidden"`      // deleted by a later layer
	Replaced    int64 `json:"replaced"`    // written anew by a later layer
	Duplicated  int64 `json:"duplicated"`  // written again with the same bytes; 0 unless Compared
	Unreachable int64 `json:"unreachable"` // seen after no layer

	// Merges says what merging two neighbouring layers, that is writing both
	// commands as one, would save; the most first.
	Merges []Merge `json:"merges"`
	// Same are paths that a later layer wrote again with equal bytes, for the
	// sake of a mode, an owner or a time; the most first.
	Same []Same `json:"same"`
	// Twins are equal files that containers see, stored more than once.
	Twins []Twins `json:"twins"`
	// Compared says that contents were read: only then are Duplicated, Same
	// and Twins known.
	Compared bool `json:"compared"`
}

// Merge is two layers that could be one.
type Merge struct {
	Layer int   `json:"layer"` // and the one above it
	Bytes int64 `json:"bytes"` // that the image would lose
}

// Same is a file that was written again as it was.
type Same struct {
	Path  string `json:"path"`  // escaped where it is not UTF-8
	Layer int    `json:"layer"` // whose copy nobody sees
	By    int    `json:"by"`    // the layer that wrote it again
	Bytes int64  `json:"bytes"`
}

// Twins are files of equal content.
type Twins struct {
	Digest string   `json:"digest"`
	Size   int64    `json:"size"`   // bytes of one
	Copies int      `json:"copies"` // how often the bytes are stored
	Bytes  int64    `json:"bytes"`  // what storing them once would save
	Paths  []string `json:"paths"`  // sorted, escaped where they are not UTF-8
}

// Of judges an image by the rules' defaults. sums reads contents; nil leaves
// them unread.
func Of(t *tree.Tree, layers []imagecore.Layer, sums audit.Sums) (*Account, error) {
	r, err := audit.Waste(t, layers, sums)
	if err != nil {
		return nil, err
	}
	m := ci.Measure(audit.Dive(layers), r)
	v, err := ci.Default().Evaluate(m)
	if err != nil {
		return nil, err
	}
	a := &Account{
		Pass: v.Pass, Rules: v.Results, Dive: m.Dive, True: m.True,
		Bytes: r.Bytes, Wasted: r.Wasted, Compared: r.Compared,
		Hidden: r.ByWhy[audit.Hidden], Replaced: r.ByWhy[audit.Replaced],
		Duplicated: r.ByWhy[audit.Duplicated], Unreachable: r.ByWhy[audit.Unreachable],
		Merges: []Merge{}, Same: []Same{}, Twins: []Twins{},
	}
	for _, x := range r.Merges {
		a.Merges = append(a.Merges, Merge{x.Layer, x.Bytes})
	}
	for _, f := range r.Findings {
		if f.Why == audit.Duplicated && len(a.Same) < Most {
			path, _ := diff.Escape(f.Path)
			a.Same = append(a.Same, Same{path, f.Entry.Layer, f.Until, f.Bytes})
		}
	}
	for _, w := range r.Twins[:min(Most, len(r.Twins))] {
		paths := make([]string, len(w.Paths))
		for i, p := range w.Paths {
			paths[i], _ = diff.Escape(p)
		}
		a.Twins = append(a.Twins, Twins{w.Digest, w.Size, w.Copies, w.Bytes, paths})
	}
	return a, nil
}
