package elf

import (
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Look tells what the file at a cleaned path is after a layer, and where that
// tree has the libraries that it needs; layers opens the uncompressed tar of
// one. Codes: path-not-found, elf-sparse, and those of Read.
func Look(t *tree.Tree, layer int, path string, layers func(layer int) (io.ReaderAt, error)) (*Binary, error) {
	v := t.View(layer + 1)
	n, ok := v.Lookup(path)
	if !ok || n.Kind() != imagecore.File {
		return nil, imagecore.NewError(imagecore.ErrNotFound, "path-not-found", "there is no such path in the image", "path", path).At(path, -1)
	}
	open := func(n tree.Node) (io.ReaderAt, int64, error) {
		ref := n.Content()
		e := t.Entry(ref)
		if e == nil {
			return nil, 0, imagecore.NewError(imagecore.ErrNotFound, "path-not-found", "there is no such path in the image", "path", n.Path()).At(n.Path(), -1)
		}
		if e.Sparse != nil {
			return nil, 0, imagecore.NewError(imagecore.ErrUnsupported, "elf-sparse", "the file is sparse: its bytes do not lie side by side in the tar").At(n.Path(), -1)
		}
		tar, err := layers(ref.Layer)
		if err != nil {
			return nil, 0, err
		}
		return io.NewSectionReader(tar, e.DataOffset, e.Size), e.Size, nil
	}
	r, size, err := open(n)
	if err != nil {
		return nil, err
	}
	facts, err := Read(r, size)
	if err != nil {
		return nil, err
	}
	facts.Resolve(v, path, open)
	return facts, nil
}
