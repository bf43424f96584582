package diff

import (
	"bytes"
	"io"
	"iter"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Kind is the letter of a change.
type Kind byte

const (
	Added   Kind = 'A'
	Changed Kind = 'C'
	Deleted Kind = 'D'
)

// Change is a path that differs between two views.
type Change struct {
	Kind Kind
	Path string
	// Before is nil for what was added, After for what was deleted.
	Before, After *tree.Node
	// What says what differs, for Changed: type, mode, uid, gid, size,
	// mtime, content, target, dev, xattrs, links. Nothing but type where
	// the type differs.
	What []string
	// Implied marks an added folder that no entry names and that holds
	// something: it came with the paths beneath it, which are listed as
	// well. Listings leave it out, as Docker's image specification does in
	// its example of a changeset.
	Implied bool
}

// Same compares the contents of two files of equal size that have their bytes
// from different entries.
type Same func(before, after tree.Node) (bool, error)

// Trees yields what differs between two views, of one tree or of two, in the
// order of path components; everything beneath an added or deleted folder
// included. same may be nil: then files that were written anew count as
// changed, whatever their bytes. An error of same ends the sequence.
func Trees(before, after *tree.View, same Same) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		w := walker{yield: yield, same: same, oneTree: before.Tree() == after.Tree()}
		a, b := before.Root(), after.Root()
		if what, err := w.compare(a, b); err != nil {
			yield(Change{}, err)
			return
		} else if len(what) > 0 && !b.Implicit() && before.Layers() > 0 {
			if !yield(Change{Kind: Changed, Before: &a, After: &b, What: what}, nil) {
				return
			}
		}
		w.folders(&a, &b)
	}
}

// Layer yields what one layer changes of the layers below it.
func Layer(t *tree.Tree, layer int, same Same) iter.Seq2[Change, error] {
	return Trees(t.View(layer), t.View(layer+1), same)
}

type walker struct {
	yield   func(Change, error) bool
	same    Same
	oneTree bool
}

// folders compares the contents of two folders, either of which may be nil.
func (w *walker) folders(before, after *tree.Node) bool {
	nextB, stopB := pull(before)
	defer stopB()
	nextA, stopA := pull(after)
	defer stopA()
	b, okB := nextB()
	a, okA := nextA()
	for okB || okA {
		switch {
		case !okA || okB && b.Name() < a.Name():
			if !w.deleted(b) {
				return false
			}
			b, okB = nextB()
		case !okB || a.Name() < b.Name():
			if !w.added(a) {
				return false
			}
			a, okA = nextA()
		default:
			if !w.both(b, a) {
				return false
			}
			b, okB = nextB()
			a, okA = nextA()
		}
	}
	return true
}

func pull(dir *tree.Node) (next func() (tree.Node, bool), stop func()) {
	if dir == nil || dir.Kind() != imagecore.Dir {
		return func() (tree.Node, bool) { return tree.Node{}, false }, func() {}
	}
	return iter.Pull(dir.Children())
}

func (w *walker) deleted(n tree.Node) bool {
	return w.yield(Change{Kind: Deleted, Path: n.Path(), Before: &n}, nil) && w.folders(&n, nil)
}

func (w *walker) added(n tree.Node) bool {
	c := Change{Kind: Added, Path: n.Path(), After: &n}
	if n.Implicit() {
		for range n.Children() {
			c.Implied = true
			break
		}
	}
	return w.yield(c, nil) && w.folders(nil, &n)
}

func (w *walker) both(b, a tree.Node) bool {
	what, err := w.compare(b, a)
	if err != nil {
		w.yield(Change{}, err)
		return false
	}
	if len(what) > 0 && !w.yield(Change{Kind: Changed, Path: a.Path(), Before: &b, After: &a, What: what}, nil) {
		return false
	}
	return w.folders(&b, &a)
}

// compare says what differs between two nodes of one path.
func (w *walker) compare(b, a tree.Node) ([]string, error) {
	if b.Kind() != a.Kind() {
		return []string{"type"}, nil
	}
	var what []string
	differs := func(yes bool, name string) {
		if yes {
			what = append(what, name)
		}
	}
	x, y := b.Attr(), a.Attr()
	kind := a.Kind()
	differs(x.Mode != y.Mode && kind != imagecore.Symlink, "mode")
	differs(x.UID != y.UID, "uid")
	differs(x.GID != y.GID, "gid")
	if kind != imagecore.Dir {
		differs(x.ModTime != y.ModTime || x.ModNano != y.ModNano, "mtime")
	}
	differs(!sameXattrs(x.Xattrs, y.Xattrs), "xattrs")
	switch kind {
	case imagecore.File:
		if b.Size() != a.Size() {
			what = append(what, "size", "content")
			break
		}
		changed, err := w.content(b, a)
		if err != nil {
			return nil, err
		}
		differs(changed, "content")
	case imagecore.Symlink:
		differs(b.Target() != a.Target(), "target")
	case imagecore.Char, imagecore.Block:
		differs(x.Major != y.Major || x.Minor != y.Minor, "dev")
	}
	if b.Inode() >= 0 || a.Inode() >= 0 {
		n, first := b.Links()
		m, second := a.Links()
		differs(n != m || first != second, "links")
	}
	return what, nil
}

func (w *walker) content(b, a tree.Node) (bool, error) {
	if a.Size() == 0 || w.oneTree && b.Content() == a.Content() {
		return false, nil
	}
	if w.same == nil {
		return true, nil
	}
	same, err := w.same(b, a)
	return !same, err
}

func sameXattrs(a, b []imagecore.Xattr) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// SameContent compares contents byte by byte, given random access to the
// uncompressed tar of a layer of either image.
func SameContent(before, after func(layer int) (io.ReaderAt, error)) Same {
	var p, q [32 << 10]byte
	return func(b, a tree.Node) (bool, error) {
		x, err := contentOf(b, before)
		if err != nil {
			return false, err
		}
		y, err := contentOf(a, after)
		if err != nil {
			return false, err
		}
		for left := a.Size(); left > 0; {
			n := min(left, int64(len(p)))
			if _, err := io.ReadFull(x, p[:n]); err != nil {
				return false, err
			}
			if _, err := io.ReadFull(y, q[:n]); err != nil {
				return false, err
			}
			if !bytes.Equal(p[:n], q[:n]) {
				return false, nil
			}
			left -= n
		}
		return true, nil
	}
}

func contentOf(n tree.Node, open func(layer int) (io.ReaderAt, error)) (io.Reader, error) {
	ref := n.Content()
	r, err := open(ref.Layer)
	if err != nil {
		return nil, err
	}
	return tree.Content(r, n.View().Tree().Entry(ref)), nil
}
