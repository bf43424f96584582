//go:build linux

package store

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore/contents"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/store/folders"
)

// Unpack returns when the folders of a held image's layers are there. Those that
// are still missing, since they are being made or something cut that short, are
// made now. Codes: disk-full.
func (s *Store) Unpack(ctx context.Context, id digest.Digest) error {
	r, _, release, err := s.hold(id.String())
	if err != nil {
		return err
	}
	defer release()
	err = s.folders.Make(ctx, r.stack(), func() (*folders.Source, error) {
		o, give, err := s.open(ctx, r)
		if err != nil {
			return nil, err
		}
		t, err := o.tree()
		if err != nil {
			give()
			return nil, err
		}
		return s.contents(&built{r, t, contents.Of(o.a, 0)}, give), nil
	})
	if err != nil && ctx.Err() != nil {
		return canceled(ctx)
	}
	if err != nil {
		return fmt.Errorf("image %s: %w", id, diskError(err))
	}
	return nil
}

// calm returns when no archive came for a while: those who wait come first.
func (s *Store) calm(ctx context.Context) {
	for s.o.Calm > 0 {
		select {
		case <-time.After(s.o.Calm):
		case <-ctx.Done():
			return
		}
		if s.loading.Load() == 0 {
			return
		}
	}
}

// stack is the image as package folders wants it.
func (r *record) stack() folders.Image {
	img := folders.Image{ID: r.ID}
	for _, l := range r.Layers {
		img.Chains = append(img.Chains, l.ChainID)
	}
	return img
}

// unpackable says whether the layers that have no folder yet can be unpacked: who
// stored an image is not told later that it can't be.
func (s *Store) unpackable(merged *tree.Tree, layers []layerRecord) error {
	missing, err := s.folders.Missing((&record{Layers: layers}).stack())
	if err != nil {
		return err
	}
	for _, l := range missing {
		if err := snapshot.Check(snapshot.Located(merged, merged.Changeset(l))); err != nil {
			return fmt.Errorf("unpack layer %d (%s): %w", l, layers[l].DiffID, err)
		}
	}
	return nil
}

// built is an image that was just stored, and what its layers are unpacked from.
type built struct {
	*record
	tree *tree.Tree
	tar  contents.Layers
}

// behind begins to unpack an image's layers. from is open until that has ended.
func (s *Store) behind(b *built, from *source) {
	from.use()
	s.folders.Behind(b.stack(), s.contents(b, from.drop))
}

// contents gives the tars of an image: blobs that hold one are read in place.
func (s *Store) contents(b *built, drop func()) *folders.Source {
	var mu sync.Mutex
	var blobs []io.Closer
	return &folders.Source{
		Tree: b.tree,
		Content: func(layer int) (io.ReaderAt, error) {
			l := b.Layers[layer]
			if l.Blob != l.DiffID {
				return b.tar(layer)
			}
			f, err := s.openFile(blobFile(l.Blob))
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			blobs = append(blobs, f)
			return io.NewSectionReader(f, 0, l.Size), nil
		},
		Close: func() {
			for _, f := range blobs {
				f.Close()
			}
			drop()
		},
	}
}

// source is what was received or read, open as long as somebody uses it.
type source struct {
	close []func() error // the last one first

	mu    sync.Mutex
	users int // beside the first
}

func (s *source) use() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users++
}

func (s *source) drop() {
	s.mu.Lock()
	s.users--
	last := s.users < 0
	s.mu.Unlock()
	if last {
		for i := len(s.close) - 1; i >= 0; i-- {
			_ = s.close[i]() // nameless files that were read
		}
	}
}
