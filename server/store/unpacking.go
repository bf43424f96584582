//go:build linux

package store

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

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
