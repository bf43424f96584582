//go:build linux

package store

import (
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tarscan"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Export merges an image with one more layer that the store does not keep, a
// container's own, and hands the merged tree to use, with random access to the
// tars that its contents lie in. Both are valid within the call.
func (s *Store) Export(ctx context.Context, id digest.Digest, layer io.Reader, use func(v *tree.View, content func(layer int) (io.ReaderAt, error)) error) error {
	r, _, release, err := s.hold(id.String())
	if err != nil {
		return err
	}
	defer release()
	o, give, err := s.open(ctx, r)
	if err != nil {
		return err
	}
	defer give()
	f, err := s.disk.Spool()
	if err != nil {
		return diskError(err)
	}
	defer f.Close()
	size, err := copyAll(ctx, f, layer, func(int64) {})
	if err != nil {
		return diskError(err)
	}
	entries, err := s.entries(ctx, f, size)
	if err != nil {
		return fmt.Errorf("read the container's layer: %w", err)
	}
	layers := append([]imagecore.Layer(nil), o.a.Report().Images[0].Layers...)
	top := len(layers)
	merged, err := tree.Build(append(layers, imagecore.Layer{Index: top, Present: true, Entries: entries}), tree.Spec)
	if err != nil {
		return err
	}
	opened := map[int]*LayerReader{}
	defer func() {
		for _, l := range opened {
			l.Close()
		}
	}()
	return use(merged.Top(), func(layer int) (io.ReaderAt, error) {
		if layer == top {
			return f, nil
		}
		if opened[layer] == nil {
			l, err := s.openLayer(ctx, r, layer)
			if err != nil {
				return nil, err
			}
			opened[layer] = l
		}
		return opened[layer], nil
	})
}

// entries scans the tar of a layer.
func (s *Store) entries(ctx context.Context, f io.ReaderAt, size int64) ([]imagecore.Entry, error) {
	scan := tarscan.NewReaderAt(f, size, tarscan.Options{Limits: s.o.Limits, Whiteouts: true, Tick: func() error { return tick(ctx) }})
	var list []imagecore.Entry
	for {
		var e imagecore.Entry
		err := scan.Next(&e)
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
}
