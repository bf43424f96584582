//go:build linux

package engine

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/server/engine/inside"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Images is what the engine needs of the store.
type Images interface {
	// Hold resolves an id, a prefix of one or a name. Until release is called
	// the image stays.
	Hold(ctx context.Context, ref string) (Image, func(), error)
	// Unpack returns when the layers of a held image are in their folders.
	Unpack(ctx context.Context, id digest.Digest) error
	// Tree gives the merged tree of an image's layers.
	Tree(ctx context.Context, id digest.Digest) (*tree.Tree, error)
	// LayerAt gives the uncompressed tar of a layer.
	LayerAt(ctx context.Context, id digest.Digest, layer int) (inside.Layer, error)
	// Export merges an image's layers and one more, and hands the tree to use.
	Export(ctx context.Context, id digest.Digest, layer io.Reader, use func(v *tree.View, content func(layer int) (io.ReaderAt, error)) error) error
	// Commit stores an image made of parent's layers and one more.
	Commit(ctx context.Context, c Commit) (wire.Image, error)
}

// Image is what the engine needs to know of an image.
type Image struct {
	ID     digest.Digest
	Config []byte   // the config document
	Dirs   []string // of the layers, base first, absolute; there once Unpack has returned
	Layers []Layer  // the same, by name and size
}

// Layer is a layer of an Image.
type Layer struct {
	ChainID digest.Digest
	Size    int64 // bytes of its uncompressed tar
}

// Commit is a new image for the store.
type Commit struct {
	Parent digest.Digest
	Layer  io.Reader // uncompressed tar
	Config []byte    // as it will be, but for the new layer's diffID
	Ref    string    // "" leaves the image dangling
	From   string    // the container's id
}
