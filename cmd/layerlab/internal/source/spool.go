package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/layerlab/layerlab/imagecore"
)

// Spool is a temporary file that goes when it is closed.
type Spool struct{ *os.File }

// Temporary makes an empty one, for reading and writing.
func Temporary() (Spool, error) {
	f, err := os.CreateTemp("", "layerlab-*")
	if err != nil {
		return Spool{}, err
	}
	// Where a name can go before the file does, nothing is left after a kill.
	_ = os.Remove(f.Name())
	return Spool{f}, nil
}

// Close removes the file where it still has a name (Windows).
func (s Spool) Close() error {
	err := s.File.Close()
	_ = os.Remove(s.Name())
	return err
}

// spoolFrom copies a stream to a temporary file, since an archive is read at
// any place, not once through. what names it in errors.
func spoolFrom(ctx context.Context, r io.Reader, what string, o Options) (*Source, error) {
	f, err := Temporary()
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(f, io.LimitReader(contextReader{ctx, r}, o.Limits.Archive+1))
	if err == nil && n > o.Limits.Archive {
		err = imagecore.NewError(imagecore.ErrTooLarge, "archive-too-large",
			fmt.Sprintf("%s is longer than %d bytes: raise --limit-archive", what, o.Limits.Archive),
			"limit", fmt.Sprint(o.Limits.Archive))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Source{File: f.File, Size: n, closers: []func() error{f.Close}}, nil
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
