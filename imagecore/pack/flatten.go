package pack

import (
	"archive/tar"
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Flatten writes a view as one tar, the form of docker export. content gives
// random access to the uncompressed tar of a layer, and is asked once for each
// layer that has content here, when it is first needed. The root is written
// only where an entry of the image lists it.
//
// An image with a name that leaves the root is refused: ErrInvalid, code
// "escapes-root", with layer, entry and offset.
func Flatten(w io.Writer, v *tree.View, content func(layer int) (io.ReaderAt, error)) error {
	if err := v.Tree().Confined(); err != nil {
		return err
	}
	open := opener(content)
	tw := tar.NewWriter(w)
	if root := v.Root(); !root.Implicit() {
		if err := writeItem(tw, &Item{Kind: imagecore.Dir, Attr: root.Attr()}); err != nil {
			return err
		}
	}
	for n := range v.All() {
		it := item(n, open)
		if err := writeItem(tw, &it); err != nil {
			return err
		}
	}
	return tw.Close()
}

// item describes a node; a further name of a file as a hard link to the first.
func item(n tree.Node, open func(layer int) (io.ReaderAt, error)) Item {
	it := fileItem(n, open)
	if n.Inode() >= 0 {
		if count, first := n.Links(); count > 1 && first != it.Path {
			return Item{Path: it.Path, Kind: imagecore.Hardlink, Link: first, Attr: it.Attr}
		}
	}
	return it
}

// fileItem describes a node by itself.
func fileItem(n tree.Node, open func(layer int) (io.ReaderAt, error)) Item {
	it := Item{Path: n.Path(), Kind: n.Kind(), Link: n.Target(), Attr: n.Attr(), Size: n.Size()}
	if it.Kind == imagecore.File && it.Size > 0 {
		it.Open = func() (io.ReadCloser, error) {
			ref := n.Content()
			r, err := open(ref.Layer)
			if err != nil {
				return nil, err
			}
			return io.NopCloser(tree.Content(r, n.View().Tree().Entry(ref))), nil
		}
	}
	return it
}

// Subtree writes a node and what lies beneath it as one tar, the way docker cp
// gives it: names begin with the node's own name, those of the root's contents
// with nothing. Hard links between names within are kept; a file whose other
// names all lie outside is a file.
func Subtree(w io.Writer, n tree.Node, content func(layer int) (io.ReaderAt, error)) error {
	if err := n.View().Tree().Confined(); err != nil {
		return err
	}
	open, tw := opener(content), tar.NewWriter(w)
	prefix := ""
	if path := n.Path(); path != "" {
		prefix, _ = split(path)
	}
	first := map[int]string{} // inode → its first name within
	var write func(n tree.Node) error
	write = func(n tree.Node) error {
		it := fileItem(n, open)
		it.Path = it.Path[len(prefix):]
		if in := n.Inode(); in >= 0 {
			if name, ok := first[in]; ok {
				it = Item{Path: it.Path, Kind: imagecore.Hardlink, Link: name, Attr: it.Attr}
			} else {
				first[in] = it.Path
			}
		}
		if n.Path() != "" {
			if err := writeItem(tw, &it); err != nil {
				return err
			}
		}
		if n.Kind() != imagecore.Dir {
			return nil
		}
		for c := range n.Children() {
			if err := write(c); err != nil {
				return err
			}
		}
		return nil
	}
	if err := write(n); err != nil {
		return err
	}
	return tw.Close()
}

// opener asks for each layer once.
func opener(content func(layer int) (io.ReaderAt, error)) func(int) (io.ReaderAt, error) {
	opened := map[int]io.ReaderAt{}
	return func(layer int) (io.ReaderAt, error) {
		if r, ok := opened[layer]; ok {
			return r, nil
		}
		r, err := content(layer)
		if err == nil {
			opened[layer] = r
		}
		return r, err
	}
}

// LayerItems turns a layer's changeset into items, so that the layer can be
// written anew: WriteLayer(w, LayerItems(t, n, content)). Folders that the
// layer only passes through are among them.
func LayerItems(t *tree.Tree, layer int, content func(layer int) (io.ReaderAt, error)) []Item {
	open := opener(content)
	var items []Item
	for _, c := range t.Changeset(layer) {
		it := Item{Path: c.Path, Kind: c.Kind, Link: c.Link, Opaque: c.Opaque, Attr: c.Attr, Size: c.Size}
		if c.Size > 0 {
			ref := c.Content
			it.Open = func() (io.ReadCloser, error) {
				r, err := open(ref.Layer)
				if err != nil {
					return nil, err
				}
				return io.NopCloser(tree.Content(r, t.Entry(ref))), nil
			}
		}
		items = append(items, it)
	}
	return items
}
