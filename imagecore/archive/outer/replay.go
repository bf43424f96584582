package outer

import (
	"io"
	"sync"
)

// replayBack is how far a read may go back without starting anew, in bytes.
const replayBack = 1 << 20

// Replay reads a stream at random: forwards by reading on, a little backwards
// from what it remembers, farther by starting anew.
//
// All who read share what it remembers; it is safe for concurrent use.
type Replay struct {
	open func() (io.ReadCloser, error)
	size int64

	mu  sync.Mutex
	in  io.ReadCloser
	buf []byte // what was read last, at most twice replayBack
	off int64  // of buf
}

// NewReplay reads at random the stream of size bytes that open starts anew.
func NewReplay(size int64, open func() (io.ReadCloser, error)) *Replay {
	return &Replay{size: size, open: open}
}

// ReadAt implements io.ReaderAt.
func (r *Replay) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for n < len(p) {
		if off >= r.size {
			return n, io.EOF
		}
		if err := r.reach(off); err != nil {
			return n, err
		}
		k := copy(p[n:], r.buf[off-r.off:])
		n, off = n+k, off+int64(k)
	}
	return n, nil
}

// reach makes the byte at off stand in the buffer.
func (r *Replay) reach(off int64) error {
	if r.in == nil || off < r.off {
		r.stop()
		in, err := r.open()
		if err != nil {
			return err
		}
		r.in, r.buf, r.off = in, r.buf[:0], 0
		if cap(r.buf) == 0 {
			r.buf = make([]byte, 0, 2*replayBack)
		}
	}
	for off >= r.off+int64(len(r.buf)) {
		if len(r.buf) == cap(r.buf) {
			keep := copy(r.buf, r.buf[len(r.buf)-replayBack:])
			r.off += int64(len(r.buf) - keep)
			r.buf = r.buf[:keep]
		}
		n, err := r.in.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		if n == 0 && err != nil {
			r.stop()
			if err == io.EOF {
				err = io.ErrUnexpectedEOF // shorter than when it was scanned
			}
			return err
		}
	}
	if off+1 >= r.size {
		r.stop() // at the end nothing more is read; the buffer still serves
		r.in = finished{}
	}
	return nil
}

func (r *Replay) stop() {
	if r.in != nil {
		r.in.Close()
		r.in = nil
	}
}

// Close ends the stream; a later read starts anew.
func (r *Replay) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop()
	return nil
}

// finished stands for a stream that was read to its end.
type finished struct{}

func (finished) Read([]byte) (int, error) { return 0, io.EOF }
func (finished) Close() error             { return nil }
