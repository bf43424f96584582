// Package ahead reads a stream in a goroutine of its own, so that what gives the
// bytes (copying out of a file, decompression) and what takes them (hashing)
// each have a processor:
//
//	io.Reader ─▶ goroutine ─▶ a few pieces ─▶ Read · WriteTo
//
// Where there is one processor only, as in a browser's worker, it reads when it
// is asked: switching between goroutines would gain nothing.
package ahead

import (
	"io"
	"runtime"
)

const (
	// piece is how much is handed over at once, in bytes: small enough for the
	// second-level cache, large beside the cost of handing it over.
	piece = 256 << 10
	// pieces is how many there are: one being filled, one being used, and some
	// between them so that neither waits for the other's hiccups.
	pieces = 4
)

// Reader reads ahead. It is to be closed; it is not safe for concurrent use.
type Reader struct {
	src  io.Reader
	full chan filled
	free chan []byte
	stop chan struct{}

	now filled
	pos int
}

// filled is a piece with bytes, and what came after them.
type filled struct {
	b   []byte
	err error
}

// New begins to read src, which nobody else may read any more before Close
// has returned.
func New(src io.Reader) *Reader {
	r := &Reader{src: src}
	if runtime.GOMAXPROCS(0) == 1 {
		return r
	}
	r.full, r.free, r.stop = make(chan filled, pieces), make(chan []byte, pieces), make(chan struct{})
	for range pieces {
		r.free <- make([]byte, piece)
	}
	go r.fill()
	return r
}

// fill is the goroutine: it ends with the stream, or on Close.
func (r *Reader) fill() {
	defer close(r.full)
	for {
		var b []byte
		select {
		case b = <-r.free:
		case <-r.stop:
			return
		}
		f := read(r.src, b)
		select {
		case r.full <- f:
		case <-r.stop:
			return
		}
		if f.err != nil {
			return
		}
	}
}

// read fills b as far as the stream goes.
func read(src io.Reader, b []byte) filled {
	n := 0
	for n < len(b) {
		k, err := src.Read(b[n:])
		if n += k; err != nil {
			return filled{b[:n], err}
		}
	}
	return filled{b[:n], nil}
}

// next makes the next piece the present one.
func (r *Reader) next() error {
	if r.now.err != nil {
		return r.now.err
	}
	if r.full == nil {
		if r.now.b == nil {
			r.now.b = make([]byte, piece)
		}
		r.now, r.pos = read(r.src, r.now.b[:cap(r.now.b)]), 0
		return nil
	}
	if r.now.b != nil {
		r.free <- r.now.b[:cap(r.now.b)] // never blocks: there are no more than fit
	}
	r.now, r.pos = <-r.full, 0
	return nil
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	for r.pos == len(r.now.b) {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.now.b[r.pos:])
	r.pos += n
	return n, nil
}

// WriteTo implements io.WriterTo: the pieces are handed to w as they are.
func (r *Reader) WriteTo(w io.Writer) (n int64, err error) {
	for {
		k, err := w.Write(r.now.b[r.pos:])
		n, r.pos = n+int64(k), r.pos+k
		if err != nil {
			return n, err
		}
		if err := r.next(); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}

// Close waits until src is left alone. It does not close src.
func (r *Reader) Close() error {
	if r.stop != nil {
		close(r.stop)
		for range r.full { // until fill has closed it
		}
		r.stop = nil
	}
	r.now = filled{err: io.ErrClosedPipe}
	r.pos = 0
	return nil
}
