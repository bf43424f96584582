package tarscan

import (
	"fmt"
	"io"
)

// A source hands out pieces of the tar in ascending order of their offsets.
type source interface {
	// at returns n bytes at off, or fewer if the tar ends before. They are
	// valid until the next call. off never goes back behind an earlier off.
	at(off int64, n int) ([]byte, error)
	// reaches reports whether the tar has at least off bytes, and if not how
	// many it has.
	reaches(off int64) (bool, int64, error)
	// skipped tells that n bytes of content will not be asked for, and how many
	// bytes of headers stand before them.
	skipped(n, headers int64)
}

// window is a source over random access: one buffer whose size follows how far
// apart the headers are.
type window struct {
	src    io.ReaderAt
	size   int64
	access Access
	buf    []byte // grows to Access.Window, or beyond for one large PAX header
	off    int64  // of buf
	mean   int64  // of the contents skipped lately, bytes
	ahead  int64  // bytes of headers that the record before had
	filled func(off int64) error
}

func (w *window) at(off int64, n int) ([]byte, error) {
	if i := off - w.off; i >= 0 && i+int64(n) <= int64(len(w.buf)) {
		return w.buf[i : i+int64(n)], nil
	}
	if rest := w.size - off; rest < int64(n) {
		n = int(max(rest, 0))
		if n == 0 {
			return nil, nil
		}
	}
	want := w.access.Window
	if w.mean > w.access.Skip {
		// A record with extension headers is mostly followed by others like it.
		want = max(w.access.Probe, int(w.ahead))
	}
	want = int(min(int64(max(want, n)), w.size-off))
	if cap(w.buf) < want {
		w.buf = make([]byte, want)
	}
	w.buf, w.off = w.buf[:want], off
	got, err := w.src.ReadAt(w.buf, off)
	w.buf = w.buf[:got]
	if got < n {
		if err == nil || err == io.EOF {
			// The source is shorter than its owner said, as a file is that is
			// being written to: not the archive's fault, but its end.
			w.size = off + int64(got)
			return w.buf, nil
		}
		return nil, fmt.Errorf("read %d bytes at byte %d: %w", want, off, err)
	}
	return w.buf[:n], w.filled(off + int64(got))
}

func (w *window) reaches(off int64) (bool, int64, error) { return off <= w.size, w.size, nil }

func (w *window) skipped(n, headers int64) {
	w.mean += (min(n, 1<<30) - w.mean) / 8
	w.ahead = min(headers, int64(w.access.Window))
}

// stream is a source over a reader: what is passed over is read and dropped.
type stream struct {
	r      io.Reader
	buf    []byte // what was read and not yet passed
	store  []byte // backing array of buf
	off    int64  // of buf
	end    bool
	err    error
	filled func(off int64) error
}

func (s *stream) at(off int64, n int) ([]byte, error) {
	if err := s.pass(off); err != nil {
		return nil, err
	}
	if off > s.off { // the stream ended before off
		return nil, nil
	}
	for len(s.buf) < n && !s.end {
		if err := s.fill(n); err != nil {
			return nil, err
		}
	}
	return s.buf[:min(n, len(s.buf))], nil
}

// pass drops what lies before off, as far as the stream reaches.
func (s *stream) pass(off int64) error {
	for off > s.off {
		if n := min(off-s.off, int64(len(s.buf))); n > 0 {
			s.buf, s.off = s.buf[n:], s.off+n
			continue
		}
		if s.end {
			return nil
		}
		if err := s.fill(1); err != nil {
			return err
		}
	}
	return nil
}

// fill reads some more; room for n bytes in one piece is made first.
func (s *stream) fill(n int) error {
	if s.err != nil {
		return s.err
	}
	if len(s.store) < n {
		grown := make([]byte, n+64<<10)
		s.buf = grown[:copy(grown, s.buf)]
		s.store = grown
	} else if len(s.buf) == 0 {
		s.buf = s.store[:0]
	} else if cap(s.buf) < n || cap(s.buf) == len(s.buf) {
		s.buf = s.store[:copy(s.store, s.buf)]
	}
	got, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+got]
	switch {
	case err == io.EOF:
		s.end = true
	case err != nil:
		s.err = err
		return err
	}
	return s.filled(s.off + int64(len(s.buf)))
}

func (s *stream) reaches(off int64) (bool, int64, error) {
	// All but the last byte is passed, so that at(off) still has something to
	// start from; the last one is asked for.
	if err := s.pass(off); err != nil {
		return false, 0, err
	}
	return s.off >= off, s.off, nil
}

func (s *stream) skipped(int64, int64) {}
