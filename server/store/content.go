//go:build linux

package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// keepOpen is the number of images whose scanned layers are kept at hand.
const keepOpen = 4

// opened is a stored image read as an OCI layout of its own: for merged trees
// and for random access to layers that are stored compressed. It is closed
// when nobody uses it and it is no longer kept at hand.
type opened struct {
	a    *archive.Archive
	tree func() (*tree.Tree, error) // merges once

	users int       // under Store.mu
	kept  bool      // under Store.mu: in Store.opened
	used  time.Time // under Store.mu
}

func (o *opened) close() {
	if o.kept = false; o.users == 0 {
		o.a.Close()
	}
}

// open gives a scanned image and the function that gives it back. The image
// must be held.
func (s *Store) open(ctx context.Context, r *record) (*opened, func(), error) {
	s.mu.Lock()
	o := s.opened[r.ID]
	s.mu.Unlock()
	if o == nil {
		fsys, err := s.layoutOf(r)
		if err != nil {
			return nil, nil, err
		}
		a, err := s.scan(ctx, fsys)
		if err != nil {
			return nil, nil, fmt.Errorf("read stored image %s: %w", r.ID, err)
		}
		o = &opened{a: a, tree: sync.OnceValues(func() (*tree.Tree, error) { return treeOf(&a.Report().Images[0]) })}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.opened[r.ID]; other != nil && other != o {
		if o.users == 0 && !o.kept {
			o.a.Close() // somebody was faster
		}
		o = other
	}
	if !o.kept {
		s.opened[r.ID], o.kept = o, true
	}
	o.users++
	o.used = s.o.Now()
	s.evict()
	return o, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if o.users--; o.users == 0 && !o.kept {
			o.a.Close()
		}
	}), nil
}

// look holds an image, opens it, and gives the function that lets go of both,
// and the image's references.
func (s *Store) look(ctx context.Context, ref string) (*opened, []string, func(), error) {
	r, refs, release, err := s.hold(ref)
	if err != nil {
		return nil, nil, nil, err
	}
	o, give, err := s.open(ctx, r)
	if err != nil {
		release()
		return nil, nil, nil, err
	}
	return o, refs, func() { give(); release() }, nil
}

// scan reads an image of the store. ctx ends the scan; the archive outlives it.
func (s *Store) scan(ctx context.Context, fsys fs.FS) (*archive.Archive, error) {
	var scanned atomic.Bool
	defer scanned.Store(true)
	return archive.OpenFS(fsys, archive.Options{
		Limits: s.o.Limits,
		Spool:  spooler(s.o.Dir),
		Tick: func() error {
			if scanned.Load() {
				return nil
			}
			return tick(ctx)
		},
	})
}

// evict closes what was not used for longest. The caller holds s.mu.
func (s *Store) evict() {
	for len(s.opened) > keepOpen {
		var oldest digest.Digest
		for id, o := range s.opened {
			if oldest == "" || o.used.Before(s.opened[oldest].used) {
				oldest = id
			}
		}
		s.opened[oldest].close()
		delete(s.opened, oldest)
	}
}

// forget closes a removed image.
func (s *Store) forget(id digest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.opened[id]; o != nil {
		o.close()
		delete(s.opened, id)
	}
}

// Tree gives the merged tree of an image's layers through the spec lens. It is
// shared and must not be changed.
func (s *Store) Tree(ctx context.Context, id digest.Digest) (*tree.Tree, error) {
	t, _, give, err := s.merged(ctx, id.String())
	if err != nil {
		return nil, err
	}
	give()
	return t, nil
}

// merged is look and the merged tree.
func (s *Store) merged(ctx context.Context, ref string) (*tree.Tree, *opened, func(), error) {
	o, _, give, err := s.look(ctx, ref)
	if err != nil {
		return nil, nil, nil, err
	}
	t, err := o.tree()
	if err != nil {
		give()
		return nil, nil, nil, fmt.Errorf("merge the layers of image %s: %w", ref, err)
	}
	return t, o, give, nil
}

// LayerReader is random access to the uncompressed tar of a layer. Close gives
// the image back.
type LayerReader struct {
	io.ReaderAt
	size  int64
	close func()
}

// Size is the length of the tar in bytes.
func (l *LayerReader) Size() int64 { return l.size }

// Close ends the reading; it may be called more than once.
func (l *LayerReader) Close() error { l.close(); return nil }

// LayerAt opens a layer's uncompressed tar. Until it is closed the image stays.
func (s *Store) LayerAt(ctx context.Context, id digest.Digest, layer int) (*LayerReader, error) {
	return s.layerAt(ctx, id.String(), layer)
}

func (s *Store) layerAt(ctx context.Context, ref string, layer int) (*LayerReader, error) {
	r, _, release, err := s.hold(ref)
	if err != nil {
		return nil, err
	}
	l, err := s.openLayer(ctx, r, layer)
	if err != nil {
		release()
		return nil, err
	}
	inner := l.close
	l.close = sync.OnceFunc(func() { inner(); release() })
	return l, nil
}

// openLayer opens a layer of a held image.
func (s *Store) openLayer(ctx context.Context, r *record, layer int) (*LayerReader, error) {
	if layer < 0 || layer >= len(r.Layers) {
		return nil, imagecore.NewError(imagecore.ErrNotFound, "layer-not-found",
			fmt.Sprintf("image %s has %d layers, none of number %d", r.ID, len(r.Layers), layer), "layer", fmt.Sprint(layer))
	}
	if l := r.Layers[layer]; l.Blob == l.DiffID {
		f, err := s.openFile(blobFile(l.Blob))
		if err != nil {
			return nil, fmt.Errorf("layer %d of image %s: %w", layer, r.ID, err)
		}
		return &LayerReader{ReaderAt: f, size: l.TarSize, close: func() { f.Close() }}, nil
	}
	o, give, err := s.open(ctx, r)
	if err != nil {
		return nil, err
	}
	at, size, err := o.a.LayerAt(0, layer)
	if err != nil {
		give()
		return nil, fmt.Errorf("layer %d of image %s: %w", layer, r.ID, err)
	}
	return &LayerReader{ReaderAt: at, size: size, close: give}, nil
}

// Content opens size bytes of a layer's uncompressed tar from offset on.
func (s *Store) Content(ctx context.Context, ref string, layer int, offset, size int64) (io.ReadCloser, error) {
	l, err := s.layerAt(ctx, ref, layer)
	if err != nil {
		return nil, err
	}
	if offset < 0 || size < 0 || offset > l.size || size > l.size-offset {
		l.Close()
		return nil, imagecore.NewError(imagecore.ErrInvalid, "bad-range",
			fmt.Sprintf("%d bytes from %d on are not within the layer's %d", size, offset, l.size))
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(l, offset, size), l}, nil
}

// layoutOf shows one image as an OCI layout.
func (s *Store) layoutOf(r *record) (fs.FS, error) {
	index, err := json.Marshal(v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex,
		Manifests: []v1.Descriptor{r.Manifest},
	})
	return layoutFS{blobs: s.root.FS(), index: index}, err
}

type layoutFS struct {
	blobs fs.FS
	index []byte
}

// Open gives index.json from memory and the rest from the data folder.
func (l layoutFS) Open(name string) (fs.File, error) {
	switch name {
	case v1.ImageIndexFile:
		return &memFile{Reader: bytes.NewReader(l.index)}, nil
	case v1.ImageLayoutFile, ".", "blobs", "blobs/sha256":
		return l.blobs.Open(name)
	}
	if len(name) == len("blobs/sha256/")+64 && name[:13] == "blobs/sha256/" {
		return l.blobs.Open(name)
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// memFile is index.json.
type memFile struct{ *bytes.Reader }

func (m *memFile) Stat() (fs.FileInfo, error) { return memInfo{m.Reader.Size()}, nil }
func (m *memFile) Close() error               { return nil }

type memInfo struct{ size int64 }

func (memInfo) Name() string       { return v1.ImageIndexFile }
func (i memInfo) Size() int64      { return i.size }
func (memInfo) Mode() fs.FileMode  { return 0o444 }
func (memInfo) ModTime() time.Time { return time.Time{} }
func (memInfo) IsDir() bool        { return false }
func (memInfo) Sys() any           { return nil }

// openBlob opens a blob as stored.
func (s *Store) openBlob(d digest.Digest) (io.ReadCloser, error) {
	f, err := s.openFile(blobFile(d))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("blob %s is missing from the data folder: load the image again", d)
	}
	return f, err
}
