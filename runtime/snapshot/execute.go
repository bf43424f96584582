//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
)

// How files are shared out among those who write them: a few folders' worth at
// a time, since a folder takes one new name at a time, and not so much that one
// waits for the other.
const (
	writers    = 2 // one waits for the disk or a lock while the other works
	batchFiles = 128
	batchBytes = 4 << 20
)

// Execute makes what the items say in the open folder root: folders before what
// they hold, the first being the folder itself with the path "". content gives
// the uncompressed tar of a layer; its readers are used by several goroutines.
// What has been made when an error comes stays.
func Execute(ctx context.Context, root int, items iter.Seq2[*Item, error], content func(layer int) (io.ReaderAt, error), o UnpackOptions) error {
	// A folder above with a setgid bit would give its group to everything.
	if err := errors.Join(unix.Fchown(root, os.Geteuid(), os.Getegid()), unix.Fchmod(root, 0o700)); err != nil {
		return fmt.Errorf("make the folder ours: %w", err)
	}
	work, ctx := errgroup.WithContext(ctx)
	s := &shared{o: o, content: content, tars: map[int]io.ReaderAt{}, uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	batches := make(chan []*Item, 2*writers)
	for range writers {
		work.Go(func() error {
			u := newUnpacker(ctx, s, root)
			defer u.close()
			for list := range batches {
				for _, it := range list {
					if err := u.make(it); err != nil {
						return fmt.Errorf("%q: %w", it.Path, err)
					}
				}
			}
			return nil
		})
	}
	u := newUnpacker(ctx, s, root)
	defer u.close()
	err := u.run(items, batches)
	close(batches)
	if workErr := work.Wait(); workErr != nil {
		return workErr // the reason why run was told to stop, if it was
	}
	if err != nil {
		return err
	}
	return u.finish()
}

// shared is what all writers of one folder have in common.
type shared struct {
	o        UnpackOptions
	uid, gid uint32 // of this process: what it makes is its own

	mu      sync.Mutex
	content func(layer int) (io.ReaderAt, error)
	tars    map[int]io.ReaderAt
	written int64
}

func (s *shared) tar(layer int) (io.ReaderAt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tars[layer]; t != nil {
		return t, nil
	}
	t, err := s.content(layer)
	if err != nil {
		return nil, fmt.Errorf("content in layer %d: %w", layer, err)
	}
	s.tars[layer] = t
	return t, nil
}

func (s *shared) wrote(n int64) {
	if s.o.Progress == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written += n
	s.o.Progress(s.written)
}

// unpacker makes things, one after the other.
type unpacker struct {
	*shared
	ctx  context.Context // of the one call that it serves
	at   *beneath        // where the next thing is made
	link *beneath        // where a hard link's target is
	win  window

	dirs  []*Item // to be finished
	links []*Item // to be made when all files are there
}

func newUnpacker(ctx context.Context, s *shared, root int) *unpacker {
	return &unpacker{shared: s, ctx: ctx, at: newBeneath(root), link: newBeneath(root), win: window{layer: -1}}
}

func (u *unpacker) close() {
	u.at.close()
	u.link.close()
}

// run makes folders and nodes itself and hands files out.
func (u *unpacker) run(items iter.Seq2[*Item, error], batches chan<- []*Item) error {
	var batch []*Item
	var size int64
	dir := ""
	hand := func() error {
		if len(batch) == 0 {
			return nil
		}
		select {
		case batches <- batch:
			batch, size = nil, 0
			return nil
		case <-u.ctx.Done():
			return u.ctx.Err()
		}
	}
	for it, err := range items {
		if err != nil {
			return err
		}
		if err := u.ctx.Err(); err != nil {
			return err
		}
		switch it.Kind {
		case imagecore.File:
			in := path.Dir(it.Path)
			if in != dir && len(batch) > batchFiles/4 || len(batch) >= batchFiles || size >= batchBytes {
				if err := hand(); err != nil {
					return err
				}
			}
			dir = in
			batch, size = append(batch, it), size+it.Size
			continue
		case imagecore.Hardlink:
			u.links = append(u.links, it)
			continue
		case imagecore.Dir:
			u.dirs = append(u.dirs, it)
		}
		if err := u.make(it); err != nil {
			return fmt.Errorf("%q: %w", it.Path, err)
		}
	}
	return hand()
}

// finish does what has to wait until all files are there: hard links, and the
// metadata of folders from the leaves up, since what is made in them changes
// their times.
func (u *unpacker) finish() error {
	for _, it := range u.links {
		if err := u.make(it); err != nil {
			return fmt.Errorf("%q: %w", it.Path, err)
		}
	}
	for i := len(u.dirs) - 1; i >= 0; i-- {
		if err := u.finishDir(u.dirs[i]); err != nil {
			return fmt.Errorf("%q: %w", u.dirs[i].Path, err)
		}
	}
	return nil
}

// make makes one thing, with its metadata but for a folder's.
func (u *unpacker) make(c *Item) error {
	if c.Path == "" {
		return nil // the layer's own folder is there
	}
	if err := c.check(); err != nil {
		return err
	}
	dir, name, err := u.at.parent(c.Path)
	if err != nil {
		return err
	}
	switch c.Kind {
	case imagecore.Dir:
		if err := unix.Mkdirat(dir, name, 0o700); err != nil {
			return os.NewSyscallError("mkdirat", err)
		}
		return nil
	case imagecore.File:
		return u.file(dir, name, c)
	case imagecore.Hardlink:
		return u.hardlink(dir, name, c)
	case imagecore.Whiteout:
		return os.NewSyscallError("mknodat whiteout", unix.Mknodat(dir, name, unix.S_IFCHR, 0))
	case imagecore.Symlink:
		if err := unix.Symlinkat(c.Link, dir, name); err != nil {
			return os.NewSyscallError("symlinkat", err)
		}
	case imagecore.Char:
		err = unix.Mknodat(dir, name, unix.S_IFCHR|0o600, int(unix.Mkdev(c.Major, c.Minor)))
	case imagecore.Block:
		err = unix.Mknodat(dir, name, unix.S_IFBLK|0o600, int(unix.Mkdev(c.Major, c.Minor)))
	case imagecore.Fifo:
		err = unix.Mknodat(dir, name, unix.S_IFIFO|0o600, 0)
	}
	if err != nil {
		return os.NewSyscallError("mknodat", err)
	}
	return u.nodeMeta(dir, name, c)
}

func (u *unpacker) hardlink(dir int, name string, c *Item) error {
	from, old, err := u.link.parent(c.Link)
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", c.Link, err)
	}
	if err := unix.Linkat(from, old, dir, name, 0); err != nil {
		return fmt.Errorf("hard link to %q: %w", c.Link, os.NewSyscallError("linkat", err))
	}
	return nil
}

func (u *unpacker) finishDir(c *Item) error {
	fd, err := u.at.open(c.Path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if c.Opaque {
		if err := unix.Fsetxattr(fd, opaqueXattr(), []byte("y"), 0); err != nil {
			return os.NewSyscallError("fsetxattr "+opaqueXattr(), err)
		}
	}
	return u.fdMeta(fd, c, false)
}
