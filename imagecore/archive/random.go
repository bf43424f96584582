package archive

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/layerlab/layerlab/imagecore/archive/outer"
	"github.com/layerlab/layerlab/imagecore/codec"
)

// LayerAt gives random access to the uncompressed tar of a layer and its size
// in bytes. A layer that is compressed, or lies in a compressed archive, is
// unpacked as far as what is read asks for: from the last restart point on, or
// from the start where its compression has none. Once that has cost as much as
// unpacking all of it, it is unpacked into Options.Spool and read from there;
// without a Spool it goes on, so that reads in ascending order cost one pass.
// All calls for one layer share what was read. The reader is valid until Close
// and safe for concurrent use.
func (a *Archive) LayerAt(image, layer int) (io.ReaderAt, int64, error) {
	b, err := a.at(image, layer)
	if err != nil {
		return nil, 0, err
	}
	if b.compression == codec.None {
		if src, ok, err := a.files.At(b.file); ok || err != nil {
			return src, b.tarSize, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	u, ok := a.unpacked[b]
	if !ok {
		u = &unpacked{a: a, b: b}
		u.replay = outer.NewReplay(b.tarSize, u)
		a.unpacked[b] = u
	}
	return u, b.tarSize, nil
}

// maxReplays is how many layers are being unpacked at a time: each holds some
// two megabytes and the memory of a decompressor.
const maxReplays = 8

// running makes u one of those that are being unpacked, and stops the one that
// was longest not asked if they become too many.
func (a *Archive) running(u *unpacked) {
	a.mu.Lock()
	var idle *unpacked
	if i := slices.Index(a.replays, u); i >= 0 {
		a.replays = slices.Delete(a.replays, i, i+1)
	} else if len(a.replays) >= maxReplays {
		idle = a.replays[0]
		a.replays = slices.Delete(a.replays, 0, 1)
	}
	a.replays = append(a.replays, u)
	a.mu.Unlock()
	if idle != nil {
		idle.replay.Close()
	}
}

// unpacked is a layer that is read at random although it is not stored so.
type unpacked struct {
	a      *Archive
	b      *blob
	replay *outer.Replay

	mu      sync.Mutex
	spooled Spool // nil until it pays
}

// ReadAt implements io.ReaderAt.
func (u *unpacked) ReadAt(p []byte, off int64) (int, error) {
	s, err := u.spool(off)
	if err != nil {
		return 0, err
	}
	if s != nil {
		return s.ReadAt(p, off)
	}
	u.a.running(u)
	return u.replay.ReadAt(p, off)
}

// spool returns the layer's spool, made if unpacking as far as off costs more
// than that; nil without one.
func (u *unpacked) spool(off int64) (Spool, error) {
	if u.a.o.Spool == nil {
		return nil, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.spooled != nil || u.replay.Cost(off) <= u.b.tarSize {
		return u.spooled, nil
	}
	tar, err := u.a.openTar(u.b)
	if err != nil {
		return nil, err
	}
	defer tar.Close()
	s, err := u.a.o.Spool()
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(s, bufio.NewReaderSize(ticking{tar, u.a.o.Tick}, 1<<20)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	u.spooled = s
	return s, u.replay.Close()
}

// Begin implements outer.Stream.
func (u *unpacked) Begin(off int64) int64 {
	if u.b.compression == codec.None {
		return u.a.files.Begin(u.b.file, off)
	}
	p, _ := u.b.restarts.Before(off)
	return p.Out
}

// Open implements outer.Stream.
func (u *unpacked) Open(off int64) (io.ReadCloser, error) {
	a, b := u.a, u.b
	if b.compression == codec.None {
		return a.files.Open(b.file, off)
	}
	p, ok := b.restarts.Before(off)
	if !ok {
		return a.openTar(b)
	}
	stored, err := a.files.Open(b.file, p.Byte())
	if err != nil {
		return nil, err
	}
	return both{codec.Resume(stored, p, a.o.Limits), stored}, nil
}

// Close frees what was unpacked.
func (u *unpacked) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	err := u.replay.Close()
	if u.spooled != nil {
		err = errors.Join(err, u.spooled.Close())
		u.spooled = nil
	}
	return err
}

// ticking asks before each read whether to go on.
type ticking struct {
	io.Reader
	tick func() error
}

func (t ticking) Read(p []byte) (int, error) {
	if t.tick != nil {
		if err := t.tick(); err != nil {
			return 0, err
		}
	}
	return t.Reader.Read(p)
}
