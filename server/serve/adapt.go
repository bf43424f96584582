//go:build linux

package serve

import (
	"context"
	"io"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/runtime/unpack"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/engine/inside"
	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/store"
	"github.com/layerlab/layerlab/server/store/folders"
)

// images shows the store as the engine wants it.
type images struct{ store *store.Store }

func (i images) Hold(ctx context.Context, ref string) (engine.Image, func(), error) {
	img, release, err := i.store.Hold(ctx, ref)
	if err != nil {
		return engine.Image{}, nil, err
	}
	out := engine.Image{ID: img.ID, Config: img.Config}
	for _, l := range img.Layers {
		out.Dirs = append(out.Dirs, l.Dir)
		out.Layers = append(out.Layers, engine.Layer{ChainID: l.ChainID, Size: l.TarSize})
	}
	return out, release, nil
}

func (i images) Unpack(ctx context.Context, id digest.Digest) error { return i.store.Unpack(ctx, id) }

func (i images) Tree(ctx context.Context, id digest.Digest) (*tree.Tree, error) {
	return i.store.Tree(ctx, id)
}

func (i images) LayerAt(ctx context.Context, id digest.Digest, layer int) (inside.Layer, error) {
	l, err := i.store.LayerAt(ctx, id, layer)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (i images) Export(ctx context.Context, id digest.Digest, layer io.Reader, use func(v *tree.View, content func(layer int) (io.ReaderAt, error)) error) error {
	return i.store.Export(ctx, id, layer, use)
}

func (i images) Commit(ctx context.Context, c engine.Commit) (wire.Image, error) {
	return i.store.Commit(ctx, store.Commit{Parent: c.Parent, Layer: c.Layer, Config: c.Config, Ref: c.Ref, From: c.From})
}

// unpack is how the store makes the folders of layers, unless Options say
// otherwise: in processes of the sealed program that can reach nothing else.
func (s *server) unpack(executable *os.File) folders.Unpack {
	program := unpack.Program{Executable: executable}
	return func(ctx context.Context, dir string, t *tree.Tree, layer int, content func(layer int) (io.ReaderAt, error)) error {
		return program.Unpack(ctx, dir, t, layer, content, snapshot.UnpackOptions{Shift: s.shift()})
	}
}
