//go:build linux

package store

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/audit"
	"github.com/layerlab/layerlab/imagecore/audit/account"
	"github.com/layerlab/layerlab/imagecore/contents"
	"github.com/layerlab/layerlab/imagecore/elf"
	"github.com/layerlab/layerlab/imagecore/index"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Account says what an image wastes; compare reads the files of equal size.
func (s *Store) Account(ctx context.Context, ref string, compare bool) (*account.Account, error) {
	t, o, give, err := s.merged(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer give()
	var sums audit.Sums
	if compare {
		sums = func(refs []tree.Ref) (map[tree.Ref]string, error) {
			return contents.SumEntries(ctx, t, refs, contents.Of(o.a, 0))
		}
	}
	return account.Of(t, o.a.Report().Images[0].Layers, sums)
}

// ELF tells what a file of an image is after a layer; see elf.Look.
func (s *Store) ELF(ctx context.Context, ref string, layer int, path string) (*elf.Binary, error) {
	t, o, give, err := s.merged(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer give()
	if layer < 0 || layer >= t.Layers() {
		return nil, imagecore.NewError(imagecore.ErrNotFound, "layer-not-found", "no such layer")
	}
	return elf.Look(t, layer, path, contents.Of(o.a, 0))
}

// IndexWith gives the binary index of an image with one more layer on top, such
// as a container's own: what Index would give after a commit.
func (s *Store) IndexWith(ctx context.Context, id digest.Digest, top imagecore.Layer, lens tree.Lens) ([]byte, error) {
	o, refs, give, err := s.look(ctx, id.String())
	if err != nil {
		return nil, err
	}
	defer give()
	img := o.a.Report().Images[0]
	img.Refs = append([]string{}, refs...)
	top.Index = len(img.Layers)
	img.Layers = append(img.Layers[:top.Index:top.Index], top)
	t, err := tree.Build(img.Layers, lens)
	if err != nil {
		return nil, err
	}
	return index.Append(nil, index.Head{Image: img, Warnings: t.Warnings()}, t)
}
