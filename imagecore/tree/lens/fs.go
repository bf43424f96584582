package lens

import (
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// errno is an answer of the kernel, in Go's words; "" is success.
type errno string

const (
	ok      errno = ""
	enoent  errno = "no such file or directory"
	enotdir errno = "not a directory"
	eexist  errno = "file exists"
	eloop   errno = "too many levels of symbolic links"
	eperm   errno = "operation not permitted"
	ebusy   errno = "device or resource busy"
	enotsup errno = "operation not supported"
	toolong errno = "file name too long"
	tired   errno = "given up: its links lead through one another too often"
)

// maxLinks is how many symbolic links Linux follows in a path
// (path_resolution(7)).
const maxLinks = 40

// maxPath is how many bytes a path may have (PATH_MAX without its NUL).
const maxPath = 4095

// Steps from name to name that an image may cost: some for each entry, and
// some to begin with. Engines look paths up anew at every component, and links
// multiply that, so that a few entries could keep them busy for hours. To put a
// path together costs steps by its length: a link to what lies beneath itself
// makes it longer each time, and its first name may be all that there is to walk.
const (
	stepsAtFirst  = 4_000_000
	stepsPerEntry = 2_000
	bytesPerStep  = 16
)

// fs is a file system that is as empty as an engine finds it. Paths are
// absolute and as the kernel gets them.
type fs struct {
	root *Inode
	// host says that the engine is not confined to the folder: links that
	// are absolute or climb out of it lead to the machine's own files, where
	// nothing is that an image could name.
	host  bool
	log   []Touched // nil unless logging
	logs  bool
	steps *int // left, of all the file systems of an image
	// written is the name of the entry at work: names in folders are mostly its
	// end, and need no memory of their own then.
	written string
	// near is the folder in which a path last ended, if that led there by folders
	// alone: no link, no dots, no slash twice; under is its path without slashes
	// around. Layers list what a folder holds together, so most paths begin there.
	// Only remove ends what a folder's path leads to, and forgets it. deep is how
	// many names under has: a path through it costs the steps that it always did.
	near  *Inode
	under string
	deep  int
}

func newFS(steps *int) *fs {
	return &fs{root: newInode(imagecore.Dir, -1, -1, 0o755), steps: steps}
}

func newInode(kind imagecore.Kind, layer, entry int, mode uint32) *Inode {
	in := &Inode{Kind: kind, Layer: int32(layer), Entry: int32(entry), Attr: Attr{Mode: mode}, Opaque: -1, Node: -1, Version: -1, Group: -1}
	if kind == imagecore.Dir {
		in.folder = &folder{names: map[string]*Name{}}
	}
	return in
}

// place is where a path leads: node is nil if nothing is there, dir nil for the
// root and for what "." and ".." end in.
type place struct {
	dir  *Inode
	name string
	node *Inode
}

// walk resolves a path (path_resolution(7)); follow says whether a symbolic
// link in the last place is followed. A missing last component is enoent with
// its folder.
func (f *fs) walk(path string, follow bool) (place, errno) {
	if len(path) > maxPath {
		return place{}, toolong
	}
	path = strings.TrimLeft(path, "/")
	whole, plain := path, true
	cur, links, deep := f.root, 0, 0
	if rest, within := strings.CutPrefix(path, f.under); within && f.near != nil {
		switch {
		case rest == "":
			*f.steps -= f.deep + 1
			return place{dir: f.near.folder.parent, name: path[strings.LastIndexByte(path, '/')+1:], node: f.near}, ok
		case len(rest) > 1 && rest[0] == '/' && rest[1] != '/':
			cur, path, deep = f.near, rest[1:], f.deep
			*f.steps -= f.deep
		}
	}
	for {
		if *f.steps--; *f.steps < 0 {
			return place{}, tired
		}
		path = strings.TrimLeft(path, "/")
		if path == "" {
			return place{node: cur}, ok
		}
		at := len(whole) - len(path) // of name, while the path is plain
		name, rest, _ := strings.Cut(path, "/")
		path = strings.TrimLeft(rest, "/")
		plain = plain && len(path) == len(rest)
		rest = path
		if !cur.isDir() {
			return place{}, enotdir
		}
		switch name {
		case ".":
			plain = false
			continue
		case "..":
			plain = false
			if cur.folder.parent != nil {
				cur = cur.folder.parent
			} else if f.host {
				return place{}, enoent
			}
			continue
		}
		next := cur.folder.names[name]
		if rest == "" && plain && at > 0 {
			f.near, f.under, f.deep = cur, whole[:at-1], deep
		}
		switch {
		case next == nil && rest == "":
			return place{dir: cur, name: name}, enoent
		case next == nil:
			return place{}, enoent
		case next.Kind == imagecore.Symlink && (rest != "" || follow):
			if links++; links > maxLinks {
				return place{}, eloop
			}
			if strings.HasPrefix(next.target, "/") {
				if f.host {
					return place{}, enoent
				}
				cur = f.root
			}
			plain = false
			path = next.target + "/" + rest
		case rest == "":
			return place{dir: cur, name: name, node: next.Inode}, ok
		default:
			cur = next.Inode
			deep++
		}
	}
}

// plain returns a path without slashes around it, and whether it leads to the
// folder in which the last one ended, by folders alone.
func (f *fs) plain(p string) (string, bool) {
	p = strings.TrimPrefix(strings.TrimSuffix(p, "/"), "/")
	return p, f.near != nil && p == f.under
}

func (f *fs) lstat(path string) (*Inode, errno) {
	p, err := f.walk(path, false)
	return p.node, err
}

func (f *fs) stat(path string) (*Inode, errno) {
	p, err := f.walk(path, true)
	return p.node, err
}

// free returns the place for a new name.
func (f *fs) free(path string) (place, errno) {
	p, err := f.walk(path, false)
	switch {
	case err == ok:
		return p, eexist
	case p.dir == nil:
		return p, err
	}
	return p, ok
}

func (f *fs) put(p place, in *Inode, by int) {
	if strings.HasSuffix(f.written, p.name) {
		p.name = f.written[len(f.written)-len(p.name):]
	} else {
		p.name = strings.Clone(p.name) // else the whole path stays
	}
	p.dir.folder.names[p.name] = &Name{Inode: in, By: int32(by)}
	if in.isDir() {
		in.folder.parent = p.dir
	}
	p.dir.touch()
	f.note(p.dir, p.name, by, false)
}

// make makes a file of any kind but a further name: mkdir(2), mknod(2),
// symlink(2), open(2) with O_CREAT.
func (f *fs) make(path string, in *Inode, by int) errno {
	if in.Kind == imagecore.Symlink && in.target == "" {
		return enoent
	}
	p, err := f.free(path)
	if err == ok {
		f.put(p, in, by)
	}
	return err
}

// link is link(2): the target's last component is not followed.
func (f *fs) link(target, path string, by int) errno {
	in, err := f.lstat(target)
	if err != ok {
		return err
	}
	p, err := f.free(path)
	if err != ok {
		return err
	}
	if in.isDir() {
		return eperm
	}
	f.put(p, in, by)
	return ok
}

// mkdirAll makes a folder and those above it, as os.MkdirAll does: what the
// path leads to may be a link to a folder, but none that leads nowhere. made
// is called for each new folder.
func (f *fs) mkdirAll(path string, layer int, mode uint32) errno {
	if in, err := f.stat(path); err == ok {
		if in.isDir() {
			return ok
		}
		return enotdir
	}
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		if err := f.mkdirAll(path[:i], layer, mode); err != ok {
			return err
		}
	}
	err := f.make(path, newInode(imagecore.Dir, layer, -1, mode), -1)
	if err != ok {
		if in, e := f.lstat(path); e == ok && in.isDir() {
			return ok
		}
	}
	return err
}

// removeAll removes what is there, with all that is beneath it.
func (f *fs) removeAll(path string, by int) errno {
	p, err := f.walk(path, false)
	switch {
	case err == enoent:
		return ok
	case err != ok:
		return err
	case p.dir == nil:
		clear(p.node.folder.names)
		f.near = nil
		return ebusy // the root
	}
	f.remove(p.dir, p.name, by)
	return ok
}

func (f *fs) remove(dir *Inode, name string, by int) {
	if in := dir.folder.names[name].Inode; in.isDir() {
		forget(in)
		f.near = nil
	}
	delete(dir.folder.names, name)
	dir.touch()
	f.note(dir, name, by, true)
}

func forget(dir *Inode) {
	dir.gone = true
	for _, n := range dir.folder.names {
		if n.isDir() {
			forget(n.Inode)
		}
	}
}

// Touched is a name that a layer wrote, changed or removed.
type Touched struct {
	Dir  *Inode
	Name string // "" is the root itself
	By   int32  // the entry, -1 for a folder made on the way
	// Removed is how it ended; an entry may have put something else there
	// since.
	Removed bool
}

func (f *fs) note(dir *Inode, name string, by int, removed bool) {
	if f.logs {
		f.log = append(f.log, Touched{Dir: dir, Name: name, By: int32(by), Removed: removed})
	}
}
