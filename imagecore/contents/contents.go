// Package contents reads the bytes of an image's files: their digests, and
// single files for `cat`.
package contents

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// ReaderAt is a layer's uncompressed tar.
type ReaderAt = io.ReaderAt

// Layers opens the uncompressed tar of a layer.
type Layers = func(layer int) (ReaderAt, error)

// Archive gives a layer's uncompressed tar, and its size in bytes.
type Archive interface {
	LayerAt(image, layer int) (ReaderAt, int64, error)
}

// Of opens the layers of one image of an archive, which stays open as long.
func Of(a Archive, image int) Layers {
	return func(layer int) (ReaderAt, error) {
		tar, _, err := a.LayerAt(image, layer)
		return tar, err
	}
}

// Sums holds digests of contents, by the entry whose bytes they are; in
// hexadecimal digits.
type Sums map[tree.Ref]string

// SumView hashes the files of a view that keep keeps (nil: all).
func SumView(ctx context.Context, t *tree.Tree, view *tree.View, keep func(tree.Node) bool, layers Layers) (Sums, error) {
	seen := map[tree.Ref]bool{}
	var refs []tree.Ref
	for n := range view.All() {
		if n.Kind() != imagecore.File || keep != nil && !keep(n) {
			continue
		}
		if ref := n.Content(); ref.Entry >= 0 && !seen[ref] {
			seen[ref] = true
			refs = append(refs, ref)
		}
	}
	return sum(ctx, t, refs, layers)
}

// SumLayer hashes the files of one layer, entry by entry.
func SumLayer(ctx context.Context, t *tree.Tree, layer, entries int, layers Layers) (Sums, error) {
	var refs []tree.Ref
	for i := range entries {
		ref := tree.Ref{Layer: layer, Entry: i}
		if e := t.Entry(ref); e != nil && e.Kind == imagecore.File {
			refs = append(refs, ref)
		}
	}
	return sum(ctx, t, refs, layers)
}

// SumEntries hashes the contents of entries, each once, and sorts refs.
func SumEntries(ctx context.Context, t *tree.Tree, refs []tree.Ref, layers Layers) (Sums, error) {
	return sum(ctx, t, refs, layers)
}

// sum hashes in the order of the tars: going back in a compressed layer means
// unpacking it anew.
func sum(ctx context.Context, t *tree.Tree, refs []tree.Ref, layers Layers) (Sums, error) {
	slices.SortFunc(refs, func(a, b tree.Ref) int {
		return cmp.Or(cmp.Compare(a.Layer, b.Layer), cmp.Compare(t.Entry(a).DataOffset, t.Entry(b).DataOffset))
	})
	sums := make(Sums, len(refs))
	h := sha256.New()
	buf := make([]byte, 256<<10)
	var tar ReaderAt
	open := -1
	for _, ref := range refs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if ref.Layer != open {
			var err error
			if tar, err = layers(ref.Layer); err != nil {
				return nil, err
			}
			open = ref.Layer
		}
		h.Reset()
		e := t.Entry(ref)
		if _, err := io.CopyBuffer(onlyWriter{h}, onlyReader{tree.Content(tar, e)}, buf); err != nil {
			return nil, &imagecore.Error{
				Kind: imagecore.ErrInvalid, Code: "truncated", Message: "read the content",
				Layer: ref.Layer, Entry: e.Name, Offset: e.Offset, Err: err,
			}
		}
		sums[ref] = hex.EncodeToString(h.Sum(nil))
	}
	return sums, nil
}

// CopyBuffer uses its buffer only where neither side has a method of its own.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)
