//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

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
	// Alone says that this process does nothing else: it has no umask, so that
	// files get their mode as they are made; its working folder may change; and
	// there need not be a /proc.
	Alone bool
}

// Unpack makes the folder of one layer in the form that overlayfs stacks:
// whiteouts as character devices 0:0, opaque folders marked by
// trusted.overlay.opaque, everything else as Tree.Changeset lists it. content
// gives the uncompressed tar of a layer, this one's or, for hard links that
// copy, a lower one's; its readers are used by several goroutines.
//
// dir must not exist, its parent must. The folder is made as Make says.
//
// The process is not confined further: which names are made is decided by the
// tree, whose paths cannot leave the root, and each is made with O_EXCL below a
// descriptor by openat2 with RESOLVE_BENEATH and NO_SYMLINKS, so a name that
// tried would fail; the tar is only read for contents. Package unpack does the
// same in a process that is.
func Unpack(ctx context.Context, dir string, t *tree.Tree, layer int, content func(layer int) (io.ReaderAt, error), o UnpackOptions) error {
	err := Make(dir, func(root *os.File) error {
		return Execute(ctx, int(root.Fd()), Located(t, t.Changeset(layer)), content, o)
	})
	if err != nil {
		return fmt.Errorf("unpack layer %d: %w", layer, err)
	}
	return nil
}

// Make makes a folder that is there wholly or not at all: beside it, under a
// name with PartialPrefix, by fill, then durable by one syncfs, then renamed.
// On an error nothing is left.
func Make(dir string, fill func(root *os.File) error) (err error) {
	parent := filepath.Dir(dir)
	part, err := os.MkdirTemp(parent, PartialPrefix)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, Remove(part))
		}
	}()
	root, err := os.OpenFile(part, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := fill(root); err != nil {
		return err
	}
	if err := unix.Syncfs(int(root.Fd())); err != nil {
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
