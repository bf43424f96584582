package lens

import (
	"hash/maphash"
	"path"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// clean is what a name becomes before an engine looks at it; ".." in front
// stays unless the name is absolute.
func clean(e *imagecore.Entry) string {
	if name := strings.TrimSuffix(e.Name, "/"); name == e.Path && name != "" {
		return name // which the scanner cleaned
	}
	return path.Clean(e.Name)
}

// absolute is path.Join("/", name) of a cleaned name.
func absolute(name string) string {
	if name == "." || strings.HasPrefix(name, "..") || strings.HasPrefix(name, "/") {
		return path.Join("/", name)
	}
	return "/" + name
}

// join is path.Join of a cleaned path that begins with a slash, and a name.
func join(dir, name string) string {
	switch {
	case name == "" || name == "." || name == ".." || strings.Contains(name, "/"):
		return path.Join(dir, name)
	case dir == "/":
		return "/" + name
	}
	return dir + "/" + name
}

// split cuts a cleaned path that begins with a slash into its folder and its
// last component, "/" and "/" for the root.
func split(at string) (dir, base string) {
	switch i := strings.LastIndexByte(at, '/'); {
	case at == "/":
		return "/", "/"
	case i == 0:
		return "/", at[1:]
	default:
		return at[:i], at[i+1:]
	}
}

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
