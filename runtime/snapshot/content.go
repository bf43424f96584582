//go:build linux

package snapshot

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/writeback"
)

// windowSize is how much of a tar is read at a time, in bytes: many small files
// lie in one piece of it.
const windowSize = 512 << 10

// window is the piece of a layer's tar that was read last.
type window struct {
	buf   []byte
	layer int // -1: none
	from  int64
}

// bytes returns up to n bytes of a tar from an offset on, at least one. They
// are valid until the next call.
func (w *window) bytes(layer int, tar io.ReaderAt, from, n int64) ([]byte, error) {
	if w.layer != layer || from < w.from || from >= w.from+int64(len(w.buf)) || from+min(n, 4096) > w.from+int64(len(w.buf)) {
		if w.buf == nil {
			w.buf = make([]byte, windowSize)
		}
		got, err := tar.ReadAt(w.buf[:cap(w.buf)], from)
		w.layer, w.from, w.buf = layer, from, w.buf[:got]
		if got == 0 {
			w.layer = -1
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("content at byte %d: %w", from, err)
		}
	}
	b := w.buf[from-w.from:]
	return b[:min(n, int64(len(b)))], nil
}

func (u *unpacker) file(dir int, name string, c *Item) (err error) {
	mode := uint32(0o600)
	if u.o.Alone {
		mode = c.Mode & 0o777
	}
	var fd int
	for {
		fd, err = unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return os.NewSyscallError("openat", err)
	}
	defer func() {
		if closeErr := unix.Close(fd); err == nil {
			err = os.NewSyscallError("close", closeErr)
		}
	}()
	if c.Size > 0 {
		if err := u.fill(fd, c); err != nil {
			return err
		}
	}
	return u.fdMeta(fd, c, mode == c.Mode&0o7777)
}

// fill copies a file's content from its layer's tar: the stored fragments, and
// holes for what lies between them.
func (u *unpacker) fill(fd int, c *Item) error {
	tar, err := u.tar(c.Content.Layer)
	if err != nil {
		return err
	}
	var end int64
	for _, p := range c.Pieces {
		if err := u.copy(fd, p, c.Content.Layer, tar); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				e := imagecore.NewError(imagecore.ErrInvalid, "truncated", "the layer ends within its content").At(c.Entry, c.Offset)
				return e.In(c.Content.Layer)
			}
			return err
		}
		end = p.To + p.Size
	}
	if end != c.Size { // it ends with a hole
		return os.NewSyscallError("ftruncate", unix.Ftruncate(fd, c.Size))
	}
	return nil
}

func (u *unpacker) copy(fd int, p Piece, layer int, tar io.ReaderAt) error {
	disk := writeback.From(p.To)
	for p.Size > 0 {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		b, err := u.win.bytes(layer, tar, p.From, p.Size)
		if err != nil {
			return err
		}
		n, err := unix.Pwrite(fd, b, p.To)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("pwrite", err)
		}
		p.From, p.To, p.Size = p.From+int64(n), p.To+int64(n), p.Size-int64(n)
		disk.Wrote(fd, p.To)
		u.wrote(int64(n))
	}
	return nil
}
