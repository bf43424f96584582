package imagetest

import (
	"fmt"
	"io"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Full is a path with everything that is compared with a real file system: a
// Line, its time and its extended attributes. The root's path is "".
type Full struct {
	Line
	// ModTime in seconds, 0 where the tree leaves it to the moment of unpacking.
	ModTime int64
	Xattrs  []imagecore.Xattr
}

// String ends with a newline.
func (f Full) String() string {
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(f.Line.String(), "\n"))
	fmt.Fprintf(&b, " @%d", f.ModTime)
	for _, x := range f.Xattrs {
		fmt.Fprintf(&b, " %s=%q", x.Key, x.Value)
	}
	return b.String() + "\n"
}

// ViewFull returns what a view shows, the root first.
func ViewFull(v *tree.View, content func(layer int) (io.ReaderAt, error)) ([]Full, error) {
	var all []Full
	add := func(n tree.Node) error {
		a := n.Attr()
		f := Full{ModTime: a.ModTime, Xattrs: a.Xattrs, Line: Line{
			Type: letters[n.Kind()], Path: n.Path(), Target: n.Target(), Mode: a.Mode, UID: a.UID, GID: a.GID, Major: a.Major, Minor: a.Minor,
		}}
		if n.Kind() == imagecore.File {
			r, err := content(n.Content().Layer)
			if err != nil {
				return err
			}
			if f.Content, err = io.ReadAll(tree.Content(r, v.Tree().Entry(n.Content()))); err != nil {
				return err
			}
		}
		if n.Path() != "" {
			f.Links, f.First = n.Links()
		}
		all = append(all, f)
		return nil
	}
	if err := add(v.Root()); err != nil {
		return nil, err
	}
	for n := range v.All() {
		if err := add(n); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// letters are the notation's for what a tree shows.
var letters = map[imagecore.Kind]byte{
	imagecore.File: 'f', imagecore.Dir: 'd', imagecore.Symlink: 's',
	imagecore.Char: 'c', imagecore.Block: 'b', imagecore.Fifo: 'p',
}

// CompareFull returns "" if a disk holds what a tree shows, else both as text.
// Times that the tree leaves open are not compared.
func CompareFull(tree, disk []Full) string {
	known := map[string]bool{}
	for _, f := range tree {
		known[f.Path] = f.ModTime != 0
	}
	text := func(all []Full) string {
		var b strings.Builder
		for _, f := range all {
			if !known[f.Path] {
				f.ModTime = 0
			}
			b.WriteString(f.String())
		}
		return b.String()
	}
	want, got := text(tree), text(disk)
	if want == got {
		return ""
	}
	return "the disk holds\n" + got + "the tree shows\n" + want
}
