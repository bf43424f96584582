//go:build linux

package snapshot

import (
	"errors"
	"fmt"
	"iter"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Item is one thing that a folder is to hold, with all that is needed to make
// it: no tree, no archive.
type Item struct {
	tree.LayerChange
	// Pieces of a File, in the tar of layer Content.Layer: what lies between
	// them is a hole.
	Pieces []Piece
	// Entry and Offset say where in that tar the content is described, for
	// errors.
	Entry  string
	Offset int64
}

// Piece is a run of bytes of a file.
type Piece struct {
	To   int64 // in the file
	From int64 // in the tar
	Size int64
}

// Located adds to a list of changes where their contents are. The items are the
// caller's.
func Located(t *tree.Tree, changes []tree.LayerChange) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		for i := range changes {
			it := &Item{LayerChange: changes[i]}
			var err error
			if it.Kind == imagecore.File && it.Size > 0 {
				err = it.locate(t.Entry(it.Content))
			}
			if !yield(it, err) {
				return
			}
		}
	}
}

// locate notes where the content is: the stored fragments of a sparse file, or
// all of it.
func (it *Item) locate(e *imagecore.Entry) error {
	if e == nil {
		return fmt.Errorf("%q: no entry holds its %d bytes", it.Path, it.Size)
	}
	it.Entry, it.Offset = e.Name, e.Offset
	if e.Sparse == nil {
		it.Pieces = []Piece{{To: 0, From: e.DataOffset, Size: e.Size}}
		return nil
	}
	from := e.DataOffset
	it.Pieces = make([]Piece, 0, len(e.Sparse))
	for _, f := range e.Sparse {
		it.Pieces = append(it.Pieces, Piece{To: f.Offset, From: from, Size: f.Length})
		from += f.Length
	}
	return nil
}

// Check says whether Execute would refuse one of the items by itself, before
// anything is made of them. What only a file system can refuse it cannot know.
func Check(items iter.Seq2[*Item, error]) error {
	for it, err := range items {
		if err != nil {
			return err
		}
		if err := it.check(); err != nil {
			return fmt.Errorf("%q: %w", it.Path, err)
		}
	}
	return nil
}

func (it *Item) check() error {
	switch it.Kind {
	case imagecore.Dir, imagecore.File, imagecore.Hardlink, imagecore.Whiteout, imagecore.Symlink, imagecore.Block, imagecore.Fifo:
		return nil
	case imagecore.Char:
		if it.Major == 0 && it.Minor == 0 {
			return errors.New("a character device 0:0 is a whiteout to overlayfs")
		}
		return nil
	}
	return fmt.Errorf("a layer's folder cannot hold a %s", it.Kind)
}
