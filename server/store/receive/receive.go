//go:build linux

package receive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/imagecore/splice"
	"github.com/layerlab/layerlab/runtime/writeback"
)

const (
	step     = 1 << 20 // bytes that are hashed, compared and written at a time
	smallest = step    // of a file that gets one of its own, in bytes
	most     = 256     // files of their own
	ahead    = 8       // steps that are read before the first is written
)

// Target is a file that is being written.
type Target interface {
	io.Writer
	io.ReaderAt
	Sync() error
	Close() error
}

// ReadFile is a file that can only be read.
type ReadFile interface {
	io.ReaderAt
	io.Closer
}

// Options are what Receive needs of others.
type Options struct {
	Spool  func() (Target, error) // makes a file without a name
	Create func(name string) (Target, error)
	Name   func() string                         // of a new file
	Open   func(name string) (ReadFile, error)   // of Create
	Remove func(name string) error               // of Create
	Blob   func(digest.Digest) (ReadFile, error) // that is here already
	Known  []Known
	// Progress is told how many bytes have come.
	Progress func(done int64)
}

// Known is a file whose bytes are here already.
type Known struct {
	Digest digest.Digest
	Size   int64
	states []string
}

// receiver is one call of Receive: read → digest → write, each a goroutine, a
// step at a time.
type receiver struct {
	o     Options
	body  *bufio.Reader
	total int64 // bytes read

	a       *Archive
	runs    []splice.Run // those of files are filled in at the end
	own     map[int]*File
	rest    chunk // what is being gathered
	written int64 // bytes of Archive.rest, those that are on their way among them

	free   chan []byte
	steps  chan chunk // to be hashed
	ready  chan chunk // to be written
	failed atomic.Bool
	mu     sync.Mutex
	err    error
}

// chunk is a step of a file, or of what is no file.
type chunk struct {
	buf  []byte // whole, to be given back
	p    []byte // of buf
	file *File  // nil: rest
	last bool   // of the file
}

// Receive reads a body to its end. Close the archive by the function that comes
// with it, also when there is an error, which deletes what was not renamed.
func Receive(ctx context.Context, body io.Reader, o Options) (*Archive, func() error, error) {
	r := &receiver{
		o: o, body: bufio.NewReaderSize(body, blockSize), a: &Archive{}, own: map[int]*File{},
		free: make(chan []byte, ahead), steps: make(chan chunk, ahead), ready: make(chan chunk, ahead),
	}
	for range ahead {
		r.free <- make([]byte, step)
	}
	closeAll := func() error { return r.a.close(o.Remove) }
	var err error
	if r.a.rest, err = o.Spool(); err != nil {
		return r.a, closeAll, err
	}
	var work sync.WaitGroup
	work.Go(r.digest)
	work.Go(r.write)
	if err = r.read(ctx); err == nil {
		r.flush()
	}
	close(r.steps)
	work.Wait()
	if r.err != nil {
		err = r.err // why reading ended, or what it could not know
	}
	if err == nil {
		err = r.join()
	}
	return r.a, closeAll, err
}

func (r *receiver) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.failed.Store(true)
}

// errStop ends the reading where somebody else failed.
var errStop = errors.New("stopped") // never changed

// read finds the files.
func (r *receiver) read(ctx context.Context) error {
	for {
		block, err := r.body.Peek(blockSize)
		if err != nil && err != io.EOF {
			return errors.Join(r.pass(ctx, int64(len(block))), err)
		}
		size, file, ok := int64(0), false, false
		if err == nil {
			size, file, ok = fileSize(block)
		}
		switch {
		case !ok: // no tar, or its end
			return r.pass(ctx, 1<<63-1)
		case file && size >= smallest && len(r.a.files) < most:
			if err = r.pass(ctx, blockSize); err == nil {
				err = r.file(ctx, size)
			}
			size = -size & (blockSize - 1) // what fills its last block
		default:
			size = blockSize + (size+blockSize-1)&^(blockSize-1)
		}
		if err == nil {
			err = r.pass(ctx, size)
		}
		if err != nil {
			return err
		}
	}
}

func (r *receiver) file(ctx context.Context, size int64) error {
	r.flush()
	f := &File{Offset: r.total, claimed: size}
	r.a.files = append(r.a.files, f)
	r.own[len(r.runs)] = f
	r.runs = append(r.runs, splice.Run{})
	for done := int64(0); done < size; {
		buf := <-r.free
		got, ended, err := r.fill(ctx, buf[:min(size-done, step)])
		done += int64(got)
		r.steps <- chunk{buf: buf, p: buf[:got], file: f, last: done == size || ended}
		if err != nil || ended {
			return err
		}
	}
	return nil
}

// pass hands on n bytes that are of no file, fewer at the end of the body.
func (r *receiver) pass(ctx context.Context, n int64) error {
	for n > 0 {
		if r.rest.buf == nil {
			r.rest.buf = <-r.free
			r.rest.p = r.rest.buf[:0]
		}
		have := len(r.rest.p)
		got, ended, err := r.fill(ctx, r.rest.buf[have:have+int(min(n, int64(step-have)))])
		n -= int64(got)
		if r.rest.p = r.rest.buf[:have+got]; len(r.rest.p) == step {
			r.flush()
		}
		if err != nil || ended {
			return err
		}
	}
	return nil
}

// flush hands on what was gathered.
func (r *receiver) flush() {
	n := int64(len(r.rest.p))
	if n == 0 {
		return
	}
	r.runs = append(r.runs, splice.Run{From: r.a.rest, At: r.written, Size: n})
	r.written += n
	r.steps <- r.rest
	r.rest = chunk{}
}

// fill reads what p has room for, less at the end of the body.
func (r *receiver) fill(ctx context.Context, p []byte) (n int, ended bool, err error) {
	if ctx.Err() != nil {
		return 0, false, ctx.Err()
	}
	if r.failed.Load() {
		return 0, false, errStop
	}
	for n < len(p) && err == nil { // io.ReadFull would not tell a body that broke off from one that ended
		var got int
		got, err = r.body.Read(p[n:])
		n += got
	}
	r.total += int64(n)
	r.o.Progress(r.total)
	if err == io.EOF {
		return n, true, nil
	}
	return n, false, err
}

// digest hashes what is read, and lets go of what is here already.
func (r *receiver) digest() {
	defer close(r.ready)
	rest := sha256.New()
	var c comparison
	for s := range r.steps {
		if s.file == nil {
			rest.Write(s.p)
			r.ready <- s
			continue
		}
		if len(s.file.states) == 0 {
			c.close()
			c = comparison{sum: sha256.New()}
		}
		write, err := c.step(r.o, s)
		if err != nil {
			r.fail(err)
		}
		if write && err == nil {
			r.ready <- s
		} else {
			r.free <- s.buf
		}
	}
	c.close()
	r.a.sum = digest.NewDigest(digest.SHA256, rest)
}

// comparison is of a file that comes with one that is here.
type comparison struct {
	sum   hash.Hash
	done  int64 // bytes
	known *Known
	blob  ReadFile // open, where known is not nil
}

// step hashes a step, and says whether it is to be written.
//
// The state of SHA-256 after some blocks is as hard to hit as a digest: who knew
// two beginnings of one length with the same state could end both alike. So the
// file that comes has the bytes of the one that is here as long as the states are
// the same; where they differ, what came before is copied.
func (c *comparison) step(o Options, s chunk) (write bool, err error) {
	f := s.file
	c.sum.Write(s.p)
	c.done += int64(len(s.p))
	b, err := c.sum.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return false, err
	}
	n := len(f.states)
	f.states = append(f.states, string(b))
	if s.last {
		f.Digest, f.Size = digest.NewDigest(digest.SHA256, c.sum), c.done
	}
	if n == 0 {
		f.Head = append(f.Head, s.p[:min(len(s.p), codec.HeadSize)]...)
		c.find(o, f)
	}
	if c.known != nil {
		if n < len(c.known.states) && c.known.states[n] == f.states[n] && (!s.last || c.done == c.known.Size) {
			if s.last {
				f.read, c.blob = c.blob, nil
				c.known = nil
			}
			return false, nil
		}
		before := c.blob
		defer before.Close()
		c.known, c.blob = nil, nil
		return true, f.create(o, io.NewSectionReader(before, 0, int64(n)*step))
	}
	if n == 0 {
		return true, f.create(o, nil)
	}
	return true, nil
}

// find looks for a file that begins like this one.
func (c *comparison) find(o Options, f *File) {
	for i := range o.Known {
		k := &o.Known[i]
		if k.Size != f.claimed || len(k.states) == 0 || k.states[0] != f.states[0] {
			continue
		}
		if blob, err := o.Blob(k.Digest); err == nil { // else it has gone
			c.known, c.blob = k, blob
			return
		}
	}
}

func (c *comparison) close() {
	if c.blob != nil {
		c.blob.Close()
	}
}

// create makes a file's own file, which begins with what came before.
func (f *File) create(o Options, before io.Reader) (err error) {
	name := o.Name()
	if f.file, err = o.Create(name); err != nil {
		return err
	}
	f.name = name
	if before != nil {
		_, err = io.Copy(f.file, before)
	}
	return err
}

// write writes what has to be.
func (r *receiver) write() {
	var of *File
	var disk writeback.Ahead
	var written int64
	for s := range r.ready {
		to := r.a.rest
		if s.file != nil {
			to = s.file.file
		}
		if of != s.file {
			of, disk, written = s.file, writeback.Ahead{}, 0
		}
		if !r.failed.Load() {
			n, err := to.Write(s.p)
			if err != nil {
				r.fail(err)
			}
			if f, ok := to.(*os.File); ok && s.file != nil {
				written += int64(n)
				disk.Wrote(int(f.Fd()), written)
			}
		}
		r.free <- s.buf
	}
}

// join opens the files for reading and puts the archive together.
func (r *receiver) join() error {
	for i, f := range r.own {
		if f.read == nil {
			var err error
			if f.read, err = r.o.Open(f.name); err != nil {
				return err
			}
		}
		r.runs[i].From, r.runs[i].Size = f.read, f.Size
	}
	// Who reads the archive must not write what was hashed.
	if f, ok := r.a.rest.(*os.File); ok {
		only, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		if err != nil {
			return err
		}
		r.a.only = only
		for i := range r.runs {
			if r.own[i] == nil {
				r.runs[i].From = only
			}
		}
	}
	r.a.Reader = splice.New(r.runs)
	return nil
}
