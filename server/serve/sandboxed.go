//go:build linux

package serve

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/splice"
	"github.com/layerlab/layerlab/sandbox"
	"github.com/layerlab/layerlab/server/store"
)

// Sandboxed returns the Reader that opens uploads in the sandbox. What is
// compressed is unpacked to nameless files in spoolDir.
func Sandboxed(o sandbox.Options, spoolDir string) store.Reader {
	return func(ctx context.Context, f io.ReaderAt, size int64, progress func(done, total int64)) (store.Archive, error) {
		from, ok := f.(*splice.Reader)
		if !ok {
			from = splice.New([]splice.Run{{From: f, Size: size}})
		}
		spool, err := os.CreateTemp(spoolDir, "spool-*")
		if err != nil {
			return nil, err
		}
		if err := os.Remove(spool.Name()); err != nil {
			return nil, errors.Join(err, spool.Close())
		}
		o := o
		o.Progress = progress
		r, err := sandbox.Read(ctx, from, spool, o)
		if err != nil {
			if ctx.Err() != nil {
				err = canceled(ctx)
			}
			return nil, errors.Join(err, spool.Close())
		}
		return reading{r, spool}, nil
	}
}

// prepared begins with what the Reader needs, and has it wait for that. What
// could not be prepared is done anew, or refused, for each archive.
func (s *server) prepared(ctx context.Context, read store.Reader) store.Reader {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.o.Prepare(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("reading archives is not prepared: the first one takes longer", "error", err)
		}
	}()
	s.onClose(func() error { cancel(); <-done; return nil })
	return func(ctx context.Context, f io.ReaderAt, size int64, progress func(done, total int64)) (store.Archive, error) {
		select {
		case <-done:
			return read(ctx, f, size, progress)
		case <-ctx.Done():
			return nil, canceled(ctx)
		}
	}
}

func canceled(ctx context.Context) error {
	e := imagecore.NewError(imagecore.ErrCanceled, "canceled", "canceled")
	e.Err = context.Cause(ctx)
	return e
}

// reading owns its spool.
type reading struct {
	*sandbox.Reading
	spool *os.File
}

func (r reading) Close() error { return r.spool.Close() }
