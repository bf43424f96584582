package elf

import (
	"io"
	"path"
	"slices"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// How far a loader's configuration is followed.
const (
	maxConf      = 64 << 10 // bytes of one file
	maxConfDepth = 4        // of include
	maxConfFiles = 256
	maxFolders   = 1024
)

// Open gives the bytes of a regular file of the tree.
type Open = func(tree.Node) (io.ReaderAt, int64, error)

// Resolve finds the interpreter and the libraries that the file at a path needs,
// as its loader would in a container of this tree: glibc's by ld.so(8), musl's
// by its own two lists. LD_LIBRARY_PATH and what a program opens by itself while
// it runs are not known here. What the libraries need in their turn is for the
// one who looks at them.
func (facts *Binary) Resolve(v *tree.View, file string, open Open) {
	n, err := v.Resolve(file)
	if err != nil {
		return
	}
	s := search{v: v, open: open, want: facts, origin: "/" + path.Dir(n.Path())}
	if i := facts.Interpreter; i != nil {
		if found, ok := s.file(i.Name); ok {
			i.Path, i.By = found.Path(), "path"
		}
	}
	places := s.places()
	for i := range facts.Needed {
		s.find(&facts.Needed[i], places)
	}
}

type search struct {
	v      *tree.View
	open   Open
	want   *Binary
	origin string // the folder of the file itself
	files  int    // of configuration, that were read
}

// place is a folder to look in, by a rule.
type place struct{ folder, by string }

func (s *search) find(l *Library, places []place) {
	if strings.Contains(l.Name, "/") {
		if found, ok := s.file(s.expand(l.Name)); ok {
			l.Path, l.By = found.Path(), "path"
		}
		return
	}
	for _, p := range places {
		if found, ok := s.file(p.folder + "/" + l.Name); ok && s.fits(found) {
			l.Path, l.By = found.Path(), p.by
			return
		}
	}
}

func (s *search) file(name string) (tree.Node, bool) {
	n, err := s.v.Resolve(name)
	return n, err == nil && n.Kind() == imagecore.File
}

// fits says whether a library is for the same machine: others are passed over.
func (s *search) fits(n tree.Node) bool {
	r, size, err := s.open(n)
	if err != nil {
		return false
	}
	f := &file{r: r, size: size}
	h, err := f.header()
	return err == nil && machine(h.machine) == s.want.Machine && f.wide == (s.want.Bits == 64)
}

// places lists the folders in the loader's order.
func (s *search) places() []place {
	var out []place
	add := func(by string, folders ...string) {
		for _, f := range folders {
			if len(out) < maxFolders {
				out = append(out, place{s.expand(f), by})
			}
		}
	}
	if len(s.want.RunPath) == 0 { // which puts the older RPATH out of force
		add("rpath", s.want.RPath...)
	}
	add("runpath", s.want.RunPath...)
	if i := s.want.Interpreter; i != nil && strings.Contains(path.Base(i.Name), "musl") {
		if list := s.muslPath(path.Base(i.Name)); list != nil {
			add("conf", list...)
		} else {
			add("default", "/lib", "/usr/local/lib", "/usr/lib")
		}
		return out
	}
	add("conf", s.conf("/etc/ld.so.conf", 0)...)
	if s.want.Bits == 64 {
		add("default", "/lib64", "/usr/lib64")
	}
	add("default", "/lib", "/usr/lib")
	return out
}

// expand puts in what $ORIGIN and $LIB stand for.
func (s *search) expand(folder string) string {
	lib := "lib"
	if s.want.Bits == 64 {
		lib = "lib64"
	}
	return strings.NewReplacer("${ORIGIN}", s.origin, "$ORIGIN", s.origin, "${LIB}", lib, "$LIB", lib).Replace(folder)
}

// muslPath reads the list of musl's loader; nil where there is none. The file is
// named after the machine as the loader is: ld-musl-x86_64.so.1.
func (s *search) muslPath(loader string) []string {
	name := strings.TrimSuffix(loader, ".so.1")
	b := s.read("/etc/" + name + ".path")
	if b == "" {
		return nil
	}
	return paths(strings.Join(strings.Fields(b), ":"))
}

// conf reads ld.so.conf: folders, and include with a pattern. The image's
// ld.so.cache is made of it by ldconfig(8).
func (s *search) conf(name string, depth int) []string {
	if depth > maxConfDepth {
		return nil
	}
	var out []string
	for line := range strings.Lines(s.read(name)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "hwcap":
		case words[0] == "include":
			for _, pattern := range words[1:] {
				for _, f := range s.glob(name, pattern) {
					out = append(out, s.conf(f, depth+1)...)
				}
			}
		default:
			out = append(out, words[0])
		}
		if len(out) > maxFolders {
			break
		}
	}
	return out
}

// glob lists the files of one folder that a pattern means, sorted.
func (s *search) glob(from, pattern string) []string {
	if !strings.HasPrefix(pattern, "/") {
		pattern = path.Join(path.Dir(from), pattern)
	}
	dir, err := s.v.Resolve(path.Dir(pattern))
	if err != nil || dir.Kind() != imagecore.Dir {
		return nil
	}
	var out []string
	for c := range dir.Children() {
		name := c.Name()
		if ok, err := path.Match(path.Base(pattern), name); err == nil && ok {
			out = append(out, path.Dir(pattern)+"/"+name)
		}
	}
	slices.Sort(out)
	return out
}

// read returns a small file of the tree, "" where there is none.
func (s *search) read(name string) string {
	n, ok := s.file(name)
	if s.files++; !ok || s.files > maxConfFiles {
		return ""
	}
	r, size, err := s.open(n)
	if err != nil {
		return ""
	}
	f := &file{r: r, size: size}
	return string(f.at(0, uint64(max(0, min(size, maxConf)))))
}
