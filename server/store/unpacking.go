//go:build linux

package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/contents"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// unpacking makes the folders of an image's layers that are not there yet, a few
// at a time: none needs another's. Whoever made one waits for it.
type unpacking struct {
	w       *writer
	archive contents.Layers
	work    errgroup.Group
	given   map[digest.Digest]bool // a stack may hold a layer twice, but no chain

	mu     sync.Mutex
	layers map[int]layerRecord
	blobs  []*os.File // opened for content
}

// unpacking takes what the blobs that w moved do not hold from the archive.
func (w *writer) unpacking(archive contents.Layers) *unpacking {
	u := &unpacking{w: w, archive: archive, given: map[digest.Digest]bool{}, layers: map[int]layerRecord{}}
	u.work.SetLimit(parallel)
	return u
}

// begin unpacks a layer, which is stored as those below are that were begun
// before. It waits while as many as may are under way.
func (u *unpacking) begin(t *tree.Tree, layer int, l layerRecord) error {
	u.mu.Lock()
	u.layers[layer] = l
	u.mu.Unlock()
	s, name := u.w.store, layerDir(l.ChainID)
	if ok, err := exists(s.root, name); err != nil || ok || u.given[l.ChainID] {
		return err
	}
	u.given[l.ChainID] = true
	u.work.Go(func() error {
		if err := s.o.Unpack(u.w.ctx, filepath.Join(s.o.Dir, name), t, layer, u.content); err != nil {
			return fmt.Errorf("unpack layer %d (%s): %w", layer, l.DiffID, diskError(err))
		}
		return nil
	})
	return nil
}

// wait is for the end of all.
func (u *unpacking) wait() error {
	err := u.work.Wait()
	for _, f := range u.blobs {
		err = errors.Join(err, f.Close())
	}
	return err
}

// content gives a layer's tar, from the archive while it is there.
func (u *unpacking) content(layer int) (io.ReaderAt, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	l, known := u.layers[layer]
	if !known || !u.w.gave(l.Blob) {
		return u.archive(layer)
	}
	f, err := u.w.store.root.Open(blobFile(l.Blob))
	if err != nil {
		return nil, err
	}
	u.blobs = append(u.blobs, f)
	return io.NewSectionReader(f, 0, l.Size), nil
}

// place is where a layer's bytes lie in the archive that was received.
type place struct{ offset, size int64 }

// placeOf finds a layer's tar in the spool; ok says whether it lies there.
func (w *writer) placeOf(a Archive, image, layer int) (at place, ok bool) {
	if w.spool == nil {
		return at, false
	}
	r, size, err := a.LayerAt(image, layer)
	at.size = size
	for err == nil {
		section, is := r.(*io.SectionReader)
		if !is {
			f, is := r.(File)
			return at, is && f == w.spool
		}
		var from int64
		r, from, _ = section.Outer()
		at.offset += from
	}
	return at, false
}

// turn waits until nobody else stores the layer that lies there, whose bytes go
// when it is stored.
func (w *writer) turn(at place) (give func()) {
	w.mu.Lock()
	one := w.turns[at]
	if one == nil {
		one = &sync.Mutex{}
		w.turns[at] = one
	}
	w.mu.Unlock()
	one.Lock()
	return one.Unlock
}

// move notes that a layer's bytes are a blob now and gives their room in the
// spool back: its pages serve for what is written next, and the disk never sees
// them. Where the file system has no holes they stay.
func (w *writer) move(at place, l layerRecord) {
	f, ok := w.spool.(*os.File)
	if !ok || at.size == 0 || unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at.offset, at.size) != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved[at] = l
}

// wasMoved gives what became of a place in the spool: images of one archive
// share layers.
func (w *writer) wasMoved(at place) (layerRecord, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, ok := w.moved[at]
	return l, ok
}

// gave reports whether a blob was moved out of the spool.
func (w *writer) gave(blob digest.Digest) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.moved {
		if l.Blob == blob {
			return true
		}
	}
	return false
}
