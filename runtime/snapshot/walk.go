//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// kindOf says what a file on disk is; 0 for what no tar can hold (a socket).
func kindOf(st *unix.Stat_t) imagecore.Kind {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return imagecore.File
	case unix.S_IFDIR:
		return imagecore.Dir
	case unix.S_IFLNK:
		return imagecore.Symlink
	case unix.S_IFCHR:
		return imagecore.Char
	case unix.S_IFBLK:
		return imagecore.Block
	case unix.S_IFIFO:
		return imagecore.Fifo
	}
	return 0
}

// delta is one difference between an upper and what is below.
type delta struct {
	Change
	// implied: within a folder that is opaque or new anyway, so that a layer
	// need not say it.
	implied bool

	// What follows is read only for a commit.
	attr   tree.Attr
	target string // of a symbolic link
	link   string // the first name of the same inode
}

// extent says how far something in the upper differs from what is below it.
type extent int

const (
	asBelow extent = iota
	passed         // it is there, and as below: copied up for nothing, or a folder with another time
	differs
)

// walk compares an upper with the view below it.
type walk struct {
	ctx   context.Context
	at    *beneath
	lower *tree.View // nil: nothing is below
	ids   IDs

	// full: for a commit. Everything is read, and what is odd is an error.
	// Otherwise the container may run meanwhile: what vanishes is left out.
	full bool

	limit     int // deltas to keep
	budget    int // entries still to be looked at
	list      []delta
	bytes     int64
	copiedUp  int64
	truncated bool
	inodes    map[uint64]string // of files with several names → the first one
}

// below is what the layers have at a path.
type below struct {
	node tree.Node
	ok   bool
}

func (b below) dir() bool { return b.ok && b.node.Kind() == imagecore.Dir }

// child is an entry of a folder of the upper, looked at while it was open.
type child struct {
	name   string
	st     unix.Stat_t
	origin bool // overlayfs copied it up
	attr   tree.Attr
	target string
}

// vanished says that a running container has removed or replaced something
// under our hands.
func (w *walk) vanished(err error) bool {
	return !w.full && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ESTALE))
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// add notes a difference.
func (w *walk) add(d delta) {
	w.copiedUp += d.CopiedUp
	if len(w.list) >= w.limit {
		w.truncated = true
		return
	}
	w.list = append(w.list, d)
}

// folder compares one folder of the upper and all below it. merged says that
// the layers show through its parent.
func (w *walk) folder(path string, lower below, merged bool) (extent, error) {
	if len(path) >= unix.PathMax {
		if w.full {
			return 0, imagecore.NewError(imagecore.ErrTooLarge, "path-too-long",
				fmt.Sprintf("the path of %d bytes is longer than 4,095", len(path)), "path", path[:200]+"…")
		}
		w.truncated = true
		return differs, nil
	}
	fd, err := w.at.open(path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if w.vanished(err) {
		return asBelow, nil
	}
	if err != nil {
		return 0, err
	}
	dir := os.NewFile(uintptr(fd), path)
	defer dir.Close()
	self, opaque, err := w.self(fd, path)
	if err != nil {
		return 0, err
	}
	own := differs
	switch {
	case path == "" && w.lower == nil:
		own = asBelow // nothing to compare the root with
	case merged && lower.dir() && !opaque:
		own = w.compare(&self.attr, lower.node.Attr())
	case lower.dir() && !w.full: // made anew
		own = max(passed, w.compare(&self.attr, lower.node.Attr()))
	}
	mark := len(w.list)
	if path != "" || w.full {
		w.add(delta{
			Change: Change{
				Kind: kindOfChange(lower.ok), Path: path, Type: imagecore.Dir, Mode: self.attr.Mode,
				Opaque: opaque && merged && lower.dir(),
			},
			attr: self.attr,
		})
	}
	within, err := w.children(dir, path, lower, merged && lower.dir() && !opaque)
	if err != nil {
		return 0, err
	}
	all := max(own, within)
	if len(w.list) > mark && w.list[mark].Path == path {
		if own == asBelow && (within == asBelow || path == "") {
			// Only on the way: the folder itself goes, what was found below stays.
			w.list = slices.Delete(w.list, mark, mark+1)
		} else {
			w.list[mark].Passed = all == passed
		}
	}
	return all, nil
}

// self reads a folder's own metadata; attr holds the image's ids.
func (w *walk) self(fd int, path string) (c child, opaque bool, err error) {
	if err := unix.Fstat(fd, &c.st); err != nil {
		return c, false, os.NewSyscallError("fstat", err)
	}
	names, err := listXattrs(fd)
	if err != nil {
		return c, false, err
	}
	read := func(name string) ([]byte, error) { return getXattr(fd, name) }
	if slices.Contains(names, opaqueXattr()) {
		value, err := read(opaqueXattr())
		if err != nil && !errors.Is(err, unix.ENODATA) {
			return c, false, err
		}
		opaque = string(value) == "y" // "x" only says that xattr whiteouts may be here
	}
	c.attr, err = w.attr(path, &c.st, names, read)
	return c, opaque, err
}

// attr turns what is on disk into the image's terms. An owner outside of the
// range is an error of a commit only; else it simply differs.
func (w *walk) attr(path string, st *unix.Stat_t, names []string, read func(string) ([]byte, error)) (tree.Attr, error) {
	a := tree.Attr{Mode: st.Mode & 0o7777, ModTime: st.Mtim.Sec, ModNano: int32(st.Mtim.Nsec)}
	if k := kindOf(st); k == imagecore.Char || k == imagecore.Block {
		a.Major, a.Minor = unix.Major(st.Rdev), unix.Minor(st.Rdev)
	}
	var err error
	a.UID, a.GID, err = w.ids.owner(path, st.Uid, st.Gid)
	if err == nil {
		a.Xattrs, err = w.ids.xattrs(path, names, read)
	}
	if err != nil && !w.full {
		a.UID, a.GID, err = ^uint32(0), ^uint32(0), nil
	}
	return a, err
}

// compare compares a folder with the one below. What a folder holds moves its
// time: only a layer has to say so.
func (w *walk) compare(a *tree.Attr, b tree.Attr) extent {
	switch {
	case a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || !slices.Equal(a.Xattrs, b.Xattrs):
		return differs
	case a.ModTime == b.ModTime && a.ModNano == b.ModNano:
		return asBelow
	case w.full:
		return differs
	}
	return passed
}

// copied says whether a file of the upper is as it is below, by its metadata, as
// Docker compares: content that changed has another time.
func (w *walk) copied(c *child, path string, lower below) (extent, error) {
	n := lower.node
	if w.full || !lower.ok || n.Kind() != kindOf(&c.st) {
		return differs, nil
	}
	a := n.Attr()
	size := n.Size()
	switch n.Kind() {
	case imagecore.Symlink:
		size = int64(len(n.Target()))
	case imagecore.Char, imagecore.Block:
		if a.Major != unix.Major(c.st.Rdev) || a.Minor != unix.Minor(c.st.Rdev) {
			return differs, nil
		}
	}
	if size != c.st.Size || a.ModTime != c.st.Mtim.Sec || int64(a.ModNano) != c.st.Mtim.Nsec {
		return differs, nil
	}
	dir, name, err := w.at.parent(path)
	if w.vanished(err) {
		return asBelow, nil
	}
	if err != nil {
		return 0, err
	}
	at := byName(dir, name)
	names, err := listXattrsAt(at)
	if w.vanished(err) {
		return asBelow, nil
	}
	if err != nil {
		return 0, err
	}
	now, err := w.attr(path, &c.st, names, func(name string) ([]byte, error) { return getXattrAt(at, name) })
	if err != nil {
		return 0, err
	}
	if w.compare(&now, a) == asBelow {
		return passed, nil
	}
	return differs, nil
}

func kindOfChange(existed bool) byte {
	if existed {
		return Changed
	}
	return Added
}

// children compares what a folder holds, in the order of names. merged says
// that the layers show through it; where they don't, what they have and the
// upper does not is gone.
func (w *walk) children(dir *os.File, path string, lower below, merged bool) (extent, error) {
	list, err := w.read(dir, path)
	if err != nil {
		return 0, err
	}
	dir.Close() // a deep tree must not cost a descriptor per level
	gone := map[string]bool{}
	if !merged && lower.dir() {
		for n := range lower.node.Children() {
			gone[n.Name()] = true
		}
		for _, c := range list {
			delete(gone, c.name)
		}
		for name := range gone { // as if a whiteout stood there
			list = append(list, child{name: name, st: unix.Stat_t{Mode: unix.S_IFCHR}})
		}
		slices.SortFunc(list, byChildName)
	}
	all := asBelow
	for i := range list {
		if err := w.ctx.Err(); err != nil {
			return 0, err
		}
		c := &list[i]
		at := join(path, c.name)
		var b below
		if lower.dir() && w.lower != nil {
			b.node, b.ok = w.lower.Lookup(at)
		}
		one, err := w.entry(c, at, b, merged)
		if err != nil {
			return 0, err
		}
		all = max(all, one)
	}
	return all, nil
}

func byChildName(a, b child) int {
	switch {
	case a.name < b.name:
		return -1
	case a.name > b.name:
		return 1
	}
	return 0
}

// entry compares one entry of a folder.
func (w *walk) entry(c *child, path string, lower below, merged bool) (extent, error) {
	kind := kindOf(&c.st)
	switch {
	case isWhiteout(&c.st) || kind == 0 && w.full:
		// A socket is left out of every layer; where it replaced something, that
		// is gone.
		if !lower.ok {
			return asBelow, nil
		}
		w.add(delta{Change: Change{Kind: Deleted, Path: path, Type: lower.node.Kind()}, implied: !merged})
		return differs, nil
	case w.full && len(c.name) > 4 && c.name[:4] == ".wh.":
		return 0, imagecore.NewError(imagecore.ErrInvalid, "whiteout-name",
			fmt.Sprintf("a name that begins with .wh. cannot be kept in a layer: rename or remove %q", path), "path", path)
	case kind == imagecore.Dir:
		return w.folder(path, lower, merged)
	}
	how, err := w.copied(c, path, lower)
	if err != nil || how == asBelow {
		return how, err
	}
	d := delta{Change: Change{Kind: kindOfChange(lower.ok), Path: path, Type: kind, Mode: c.st.Mode & 0o7777, Passed: how == passed}, attr: c.attr, target: c.target}
	if kind == imagecore.File {
		d.Size = c.st.Size
		if c.origin && lower.ok && lower.node.Kind() == imagecore.File {
			d.CopiedUp = lower.node.Size()
		}
	}
	if c.st.Nlink > 1 {
		if first, ok := w.inodes[c.st.Ino]; ok {
			d.link = first
		} else {
			w.inodes[c.st.Ino] = path
		}
	}
	if (kind == imagecore.File || kind == imagecore.Symlink) && d.link == "" {
		w.bytes += c.st.Size
	}
	w.add(d)
	return how, nil
}

// read lists a folder and looks at each entry, sorted by name.
func (w *walk) read(dir *os.File, path string) ([]child, error) {
	var list []child
	fd := int(dir.Fd())
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			if w.budget--; w.budget < 0 {
				w.truncated = true
				slices.SortFunc(list, byChildName)
				return list, nil
			}
			c, err := w.look(fd, name, join(path, name))
			if w.vanished(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("%q: %w", join(path, name), err)
			}
			list = append(list, c)
		}
		if errors.Is(err, io.EOF) || w.vanished(err) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, byChildName)
	return list, nil
}

// look reads what a listing needs of one entry; more for a commit.
func (w *walk) look(dir int, name, path string) (child, error) {
	c := child{name: name}
	if err := unix.Fstatat(dir, name, &c.st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return c, os.NewSyscallError("fstatat", err)
	}
	kind := kindOf(&c.st)
	if isWhiteout(&c.st) || kind == imagecore.Dir || kind == 0 {
		return c, nil
	}
	at := byName(dir, name)
	if kind == imagecore.File {
		_, err := unix.Lgetxattr(at, overlayXattr()+"origin", nil)
		c.origin = err == nil
	}
	if !w.full {
		return c, nil
	}
	names, err := listXattrsAt(at)
	if err != nil {
		return c, err
	}
	c.attr, err = w.attr(path, &c.st, names, func(name string) ([]byte, error) { return getXattrAt(at, name) })
	if err == nil && kind == imagecore.Symlink {
		c.target, err = readLink(dir, name, c.st.Size)
	}
	return c, err
}

func readLink(dir int, name string, size int64) (string, error) {
	buf := make([]byte, max(size, unix.PathMax)+1)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", os.NewSyscallError("readlinkat", err)
	}
	return string(buf[:n]), nil
}
