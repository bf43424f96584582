//go:build linux

package snapshot

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Kinds of changes, as `docker diff` writes them.
const (
	Added   byte = 'A'
	Changed byte = 'C'
	Deleted byte = 'D'
)

// Change is one path by which a container differs from its image.
type Change struct {
	Kind byte           // Added, Changed or Deleted
	Path string         // without a leading slash; need not be UTF-8
	Type imagecore.Kind // of what is there now, 0 for a socket; of what was there for Deleted
	Size int64          // bytes of a file now
	// CopiedUp is the size of the layers' file that overlayfs copied into the
	// upper before the first write, in bytes. A file that was replaced by a
	// new one of the same name was not copied, and has 0.
	CopiedUp int64
	Mode     uint32
	// Passed: it lies in the upper and is as it was below, like a file that was
	// opened for writing and a folder of which the time alone changed; or a
	// folder that holds nothing but such. `docker diff` leaves them out.
	Passed bool
	Opaque bool // of a folder: emptied and made anew, the layers no longer show through
}

// Listing is what a container's layer holds.
type Listing struct {
	Changes   []Change // sorted bytewise by path components
	Bytes     int64    // of files and of symbolic links' targets in the container's layer
	CopiedUp  int64    // bytes
	Truncated bool     // there is more than is listed
}

// walkBudget is how many entries of an upper a listing looks at: it is made
// about once a second while a container writes.
const walkBudget = 200_000

// Changes compares an upper with the layers below it (tree.Tree.Top; nil:
// nothing is below), with the meaning of `docker diff`: a folder above a change
// is Changed. At most limit changes are listed; a limit of 0 is none, and
// nothing is left out then. The container may run meanwhile.
func Changes(ctx context.Context, upper string, lower *tree.View, ids IDs, limit int) (*Listing, error) {
	w, err := walkUpper(ctx, upper, lower, ids, limit, false)
	if err != nil {
		return nil, fmt.Errorf("changes in %s: %w", upper, err)
	}
	l := &Listing{Changes: make([]Change, len(w.list)), Bytes: w.bytes, CopiedUp: w.copiedUp, Truncated: w.truncated}
	for i := range w.list {
		l.Changes[i] = w.list[i].Change
	}
	return l, nil
}

func walkUpper(ctx context.Context, upper string, lower *tree.View, ids IDs, limit int, full bool) (*walk, error) {
	root, err := os.OpenFile(upper, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	w := &walk{
		ctx: ctx, at: newBeneath(int(root.Fd())), lower: lower, ids: ids, full: full,
		limit: limit, budget: walkBudget, inodes: map[uint64]string{},
	}
	if limit == 0 {
		w.limit, w.budget = math.MaxInt, math.MaxInt
	}
	var b below
	if lower != nil {
		b = below{lower.Root(), true}
	}
	_, err = w.folder("", b, true)
	return w, err
}

// Items returns what a container wrote as the items of a layer's tar, in the
// image's terms: ids without the container's range, whiteouts and opaque marks
// as such, capabilities without the host's ids, overlayfs's own notes left
// out. Sockets are left out, too. Names that begin with .wh. and owners outside
// of the container's range are refused with their path.
//
// The container must not run until the items have been read: pause it. Open of
// an item opens the file again, below upper and by descriptors, and fails if it
// is not of the size that was listed.
func Items(ctx context.Context, upper string, lower *tree.View, ids IDs) ([]pack.Item, error) {
	w, err := walkUpper(ctx, upper, lower, ids, 0, true)
	if err != nil {
		return nil, fmt.Errorf("container layer %s: %w", upper, err)
	}
	items := make([]pack.Item, 0, len(w.list))
	for i := range w.list {
		d := &w.list[i]
		it := pack.Item{Path: d.Path, Kind: d.Type, Opaque: d.Opaque, Attr: d.attr}
		switch {
		case d.Kind == Deleted && d.implied:
			continue
		case d.Kind == Deleted:
			it = pack.Item{Path: d.Path, Kind: imagecore.Whiteout}
		case d.link != "":
			it = pack.Item{Path: d.Path, Kind: imagecore.Hardlink, Link: d.link}
		case d.Type == imagecore.Symlink:
			it.Link = d.target
		case d.Type == imagecore.File:
			it.Size = d.Size
			it.Open = func() (io.ReadCloser, error) { return openFile(upper, d.Path, d.Size) }
		}
		items = append(items, it)
	}
	return items, nil
}

// openFile opens a file of the upper for its content.
func openFile(upper, path string, size int64) (io.ReadCloser, error) {
	root, err := os.OpenFile(upper, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	// O_NONBLOCK: should a fifo stand there by now, opening must not wait.
	fd, err := newBeneath(int(root.Fd())).open(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != size) {
		err = imagecore.NewError(imagecore.ErrConflict, "changed-meanwhile", fmt.Sprintf("%q changed while it was being read: pause the container", path), "path", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
