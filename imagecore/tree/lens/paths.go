package lens

import "hash/maphash"

// paths is a set of paths. It keeps 64 bits of each, by a seed that no archive
// knows, where the paths themselves would take more than the files: that two of
// 5 million paths have the same happens once in a million times.
type paths struct {
	seed maphash.Seed
	has  map[uint64]struct{}
}

func newPaths() *paths { return &paths{maphash.MakeSeed(), map[uint64]struct{}{}} }

// add says whether the path is new.
func (p *paths) add(path string) bool {
	before := len(p.has)
	p.has[maphash.String(p.seed, path)] = struct{}{}
	return len(p.has) > before
}

func (p *paths) holds(path string) bool {
	_, ok := p.has[maphash.String(p.seed, path)]
	return ok
}
