package outer

import (
	"io"
	"sync"
)

// replayBack is how far a read may go back without starting anew, in bytes.
const replayBack = 1 << 20

// Stream is what can be read from certain bytes on only.
type Stream interface {
	// Begin is the last of those bytes at or before off; 0 is one.
	Begin(off int64) int64
	// Open reads from there on.
	Open(begin int64) (io.ReadCloser, error)
}

// Replay reads a stream at random: forwards by reading on, a little backwards
// from what it remembers, farther, and where it is less to read, by beginning
// anew.
//
// All who read share what it remembers; it is safe for concurrent use.
type Replay struct {
	stream Stream
	size   int64

	mu   sync.Mutex
	in   io.ReadCloser
	buf  []byte // what was read last, at most twice replayBack
	off  int64  // of buf
	read int64  // bytes read so far, of all streams
}

// NewReplay reads a stream of size bytes at random.
func NewReplay(size int64, s Stream) *Replay { return &Replay{stream: s, size: size} }

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

// Cost is how many bytes will have been read once a read at off is answered.
func (r *Replay) Cost(off int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	from := r.off + int64(len(r.buf))
	if begin := r.stream.Begin(off); r.anew(off, begin) {
		from = begin
	}
	return r.read + max(off-from, 0)
}

// anew says whether a read at off, which can begin at begin, does so there.
func (r *Replay) anew(off, begin int64) bool {
	return r.in == nil || off < r.off || begin > r.off+int64(len(r.buf))
}

// reach makes the byte at off stand in the buffer.
func (r *Replay) reach(off int64) error {
	if begin := r.stream.Begin(off); r.anew(off, begin) {
		r.stop()
		in, err := r.stream.Open(begin)
		if err != nil {
			return err
		}
		r.in, r.buf, r.off = in, r.buf[:0], begin
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
		r.read += int64(n)
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

// Close ends the stream and forgets what was read; a later read begins anew.
func (r *Replay) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop()
	r.buf, r.off = nil, 0
	return nil
}

// finished stands for a stream that was read to its end.
type finished struct{}

func (finished) Read([]byte) (int, error) { return 0, io.EOF }
func (finished) Close() error             { return nil }
