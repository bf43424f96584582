//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// PartialPrefix begins the names of folders that Unpack has not finished. What
// a killed process left can be removed when no Unpack runs.
const PartialPrefix = ".unpack-"

// UnpackOptions adjusts Unpack; the zero value is the usual case.
type UnpackOptions struct {
	// Shift is added to every owner: only where all containers share one range
	// of ids (SharedIDs).
	Shift uint32
	// Skipped is told of extended attributes that this file system or kind of
	// file cannot hold (com.apple.*, user.* of a symbolic link).
	Skipped func(path, xattr string)
	// Progress is told how many bytes of contents have been written.
	Progress func(done int64)
}

// Unpack makes the folder of one layer in the form that overlayfs stacks:
// whiteouts as character devices 0:0, opaque folders marked by
// trusted.overlay.opaque, everything else as Tree.Changeset lists it. content
// gives the uncompressed tar of a layer, this one's or, for hard links that
// copy, a lower one's.
//
// dir must not exist, its parent must. The folder is made beside under a name
// with PartialPrefix, written by descriptors only, made durable by one syncfs
// and renamed: dir is there wholly or not at all. On an error nothing is left.
//
// The process is not confined further: which names are made is decided by the
// tree, whose paths cannot leave the root, and each is made with O_EXCL below a
// descriptor by openat2 with RESOLVE_BENEATH and NO_SYMLINKS, so a name that
// tried would fail; the tar is only read for contents.
func Unpack(ctx context.Context, dir string, t *tree.Tree, layer int, content func(layer int) (io.ReaderAt, error), o UnpackOptions) (err error) {
	parent := filepath.Dir(dir)
	part, err := os.MkdirTemp(parent, PartialPrefix)
	if err != nil {
		return fmt.Errorf("unpack layer %d: %w", layer, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("unpack layer %d: %w", layer, err)
			err = errors.Join(err, Remove(part))
		}
	}()
	root, err := unix.Open(part, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: part, Err: err}
	}
	defer unix.Close(root)
	u := &unpacker{
		ctx: ctx, o: o, tree: t, content: content,
		at: newBeneath(root), link: newBeneath(root), buf: make([]byte, 256<<10),
	}
	defer u.at.close()
	defer u.link.close()
	if err := u.run(t.Changeset(layer)); err != nil {
		return err
	}
	if err := unix.Syncfs(root); err != nil {
		return os.NewSyscallError("syncfs", err)
	}
	// EEXIST rather than a replaced folder that a container may have mounted.
	if err := unix.Renameat2(unix.AT_FDCWD, part, unix.AT_FDCWD, dir, unix.RENAME_NOREPLACE); err != nil {
		return &os.LinkError{Op: "rename", Old: part, New: dir, Err: err}
	}
	return syncDir(parent)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// unpacker executes a list of changes.
type unpacker struct {
	ctx     context.Context
	o       UnpackOptions
	tree    *tree.Tree
	content func(layer int) (io.ReaderAt, error)
	at      *beneath // where the next thing is made
	link    *beneath // where a hard link's target is
	buf     []byte
	written int64
}

func (u *unpacker) run(changes []tree.LayerChange) error {
	for i := range changes {
		c := &changes[i]
		if err := u.ctx.Err(); err != nil {
			return err
		}
		if err := u.make(c); err != nil {
			return fmt.Errorf("%q: %w", c.Path, err)
		}
	}
	// Folders get their metadata last and from the leaves up: what is made in
	// them changes their times.
	for i := len(changes) - 1; i >= 0; i-- {
		c := &changes[i]
		if c.Kind != imagecore.Dir {
			continue
		}
		if err := u.finishDir(c); err != nil {
			return fmt.Errorf("%q: %w", c.Path, err)
		}
	}
	return nil
}

// make makes one thing, with its metadata but for a folder's.
func (u *unpacker) make(c *tree.LayerChange) error {
	if c.Path == "" {
		return nil // the layer's own folder is there
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
		if c.Major == 0 && c.Minor == 0 {
			return errors.New("a character device 0:0 is a whiteout to overlayfs")
		}
		err = unix.Mknodat(dir, name, unix.S_IFCHR|0o600, int(unix.Mkdev(c.Major, c.Minor)))
	case imagecore.Block:
		err = unix.Mknodat(dir, name, unix.S_IFBLK|0o600, int(unix.Mkdev(c.Major, c.Minor)))
	case imagecore.Fifo:
		err = unix.Mknodat(dir, name, unix.S_IFIFO|0o600, 0)
	default:
		return fmt.Errorf("a layer's folder cannot hold a %s", c.Kind)
	}
	if err != nil {
		return os.NewSyscallError("mknodat", err)
	}
	return u.nodeMeta(dir, name, c)
}

func (u *unpacker) hardlink(dir int, name string, c *tree.LayerChange) error {
	from, old, err := u.link.parent(c.Link)
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", c.Link, err)
	}
	if err := unix.Linkat(from, old, dir, name, 0); err != nil {
		return fmt.Errorf("hard link to %q: %w", c.Link, os.NewSyscallError("linkat", err))
	}
	return nil
}

func (u *unpacker) file(dir int, name string, c *tree.LayerChange) error {
	fd, err := unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return os.NewSyscallError("openat", err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if c.Size > 0 {
		if err := u.fill(f, c); err != nil {
			return err
		}
	}
	if err := u.fdMeta(fd, c); err != nil {
		return err
	}
	return os.NewSyscallError("close", f.Close())
}

// fill copies a file's content from its layer's tar: the stored fragments, and
// holes for what lies between them.
func (u *unpacker) fill(f *os.File, c *tree.LayerChange) error {
	e := u.tree.Entry(c.Content)
	if e == nil {
		return fmt.Errorf("no entry holds its %d bytes", c.Size)
	}
	tar, err := u.content(c.Content.Layer)
	if err != nil {
		return fmt.Errorf("content in layer %d: %w", c.Content.Layer, err)
	}
	pieces := e.Sparse
	if pieces == nil {
		pieces = []imagecore.Fragment{{Offset: 0, Length: e.Size}}
	} else if err := f.Truncate(e.Size); err != nil {
		return err
	}
	from := e.DataOffset
	for _, p := range pieces {
		if err := u.copy(f, p.Offset, tar, from, p.Length); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				e := imagecore.NewError(imagecore.ErrInvalid, "truncated", "the layer ends within its content").At(e.Name, e.Offset)
				return e.In(c.Content.Layer)
			}
			return err
		}
		from += p.Length
	}
	return nil
}

func (u *unpacker) copy(f *os.File, at int64, tar io.ReaderAt, from, n int64) error {
	for n > 0 {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		b := u.buf[:min(n, int64(len(u.buf)))]
		got, err := tar.ReadAt(b, from)
		if got < len(b) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("content at byte %d: %w", from+int64(got), err)
		}
		if _, err := f.WriteAt(b, at); err != nil {
			return err
		}
		from, at, n = from+int64(got), at+int64(got), n-int64(got)
		u.written += int64(got)
		if u.o.Progress != nil {
			u.o.Progress(u.written)
		}
	}
	return nil
}

func (u *unpacker) finishDir(c *tree.LayerChange) error {
	fd, err := u.at.open(c.Path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if c.Opaque {
		if err := unix.Fsetxattr(fd, opaqueXattr, []byte("y"), 0); err != nil {
			return os.NewSyscallError("fsetxattr "+opaqueXattr, err)
		}
	}
	return u.fdMeta(fd, c)
}

// fdMeta sets the metadata of an open file or folder. The order matters: chown
// takes away setuid bits and security.capability.
func (u *unpacker) fdMeta(fd int, c *tree.LayerChange) error {
	if err := unix.Fchown(fd, int(c.UID+u.o.Shift), int(c.GID+u.o.Shift)); err != nil {
		return fmt.Errorf("owner %d:%d: %w", c.UID, c.GID, os.NewSyscallError("fchown", err))
	}
	for _, x := range c.Xattrs {
		err := unix.Fsetxattr(fd, x.Key, []byte(x.Value), 0)
		if err := u.xattr(c, x.Key, err); err != nil {
			return err
		}
	}
	if err := unix.Fchmod(fd, c.Mode&0o7777); err != nil {
		return os.NewSyscallError("fchmod", err)
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(fd, "", times(c), unix.AT_EMPTY_PATH))
}

// nodeMeta sets the metadata of what cannot be opened without following or
// waking it: symbolic links, devices, fifos.
func (u *unpacker) nodeMeta(dir int, name string, c *tree.LayerChange) error {
	if err := unix.Fchownat(dir, name, int(c.UID+u.o.Shift), int(c.GID+u.o.Shift), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("owner %d:%d: %w", c.UID, c.GID, os.NewSyscallError("fchownat", err))
	}
	for _, x := range c.Xattrs {
		err := unix.Lsetxattr(byName(dir, name), x.Key, []byte(x.Value), 0)
		if err := u.xattr(c, x.Key, err); err != nil {
			return err
		}
	}
	if c.Kind != imagecore.Symlink {
		// Nobody else can have put a link here: the folder is root's own.
		if err := unix.Fchmodat(dir, name, c.Mode&0o7777, 0); err != nil {
			return os.NewSyscallError("fchmodat", err)
		}
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(dir, name, times(c), unix.AT_SYMLINK_NOFOLLOW))
}

// xattr judges the error of setting an extended attribute: what this file
// system has no place for (com.apple.*), or this kind of file (xattr(7): user.*
// only on files and folders), is left out and told.
func (u *unpacker) xattr(c *tree.LayerChange, key string, err error) error {
	if err == nil {
		return nil
	}
	userOnNode := errors.Is(err, unix.EPERM) && strings.HasPrefix(key, "user.") && c.Kind != imagecore.File && c.Kind != imagecore.Dir
	if errors.Is(err, unix.ENOTSUP) || userOnNode {
		if u.o.Skipped != nil {
			u.o.Skipped(c.Path, key)
		}
		return nil
	}
	return fmt.Errorf("extended attribute %q: %w", key, os.NewSyscallError("setxattr", err))
}

func times(c *tree.LayerChange) []unix.Timespec {
	t := unix.Timespec{Sec: c.ModTime, Nsec: int64(c.ModNano)}
	return []unix.Timespec{t, t}
}
