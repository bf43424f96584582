package lens

import (
	"path"
	"slices"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// containerd unpacks into a folder that has nothing of the layers below, and
// follows links itself. A folder that the layer does not list takes after the
// first of the lower layers' folders that has something of that name, hidden
// or not. The base has no overlay mount beneath it, so that its whiteouts are
// not written but carried out.
type containerd struct {
	fs     *fs
	layer  int
	steps  int
	lowers []*fs // the uppermost first
	// unpacked are the paths that entries of the base wrote.
	unpacked *paths // nil above the base
}

// Done has nothing to say: each layer stood for itself.
func (c *containerd) Done() error { return nil }

// Keeps implements Unpacker.
func (c *containerd) Keeps(key string) bool {
	return supported(key) && !strings.HasPrefix(key, "trusted.")
}

func (c *containerd) Layer(layer int, entries []imagecore.Entry) (Folder, error) {
	c.fs, c.layer, c.unpacked = newFS(&c.steps), layer, nil
	c.steps += stepsPerEntry * len(entries)
	c.fs.host = true
	if len(c.lowers) == 0 {
		c.unpacked = newPaths()
	}
	defer func() { c.unpacked = nil }() // memory counts: the layer's tree is made next
	var dirs []int
	for i := range entries {
		c.fs.written = entries[i].Name
		isDir, reason := c.entry(&entries[i], i)
		if reason != "" {
			return Folder{}, &Refusal{Entry: i, Reason: reason}
		}
		if isDir {
			dirs = append(dirs, i)
		}
	}
	for _, i := range dirs {
		at, err := c.fs.rootPath(clean(&entries[i]))
		var in *Inode
		if err == ok {
			in, err = c.fs.lstat(at)
		}
		if err != ok {
			return Folder{}, &Refusal{Entry: i, Reason: step("chtimes", err)}
		}
		in.utimes(&entries[i])
	}
	c.lowers = slices.Insert(c.lowers, 0, c.fs)
	return Folder{Root: c.fs.root, Alone: true}, nil
}

func (c *containerd) entry(e *imagecore.Entry, id int) (isDir bool, reason string) {
	dir, base := path.Split(clean(e))
	dir, err := c.fs.rootPath(dir)
	if err != ok {
		return false, step("root path", err)
	}
	at := join(dir, base)
	if base == ".." {
		at = dir
	}
	if at == "/" {
		return false, ""
	}
	if dir != "/" {
		if base == "" {
			dir, _ = split(at)
		}
		if err := c.parent(dir); err != ok {
			return false, step("mkparent", err)
		}
	}
	above, name := split(at)
	hidden, isWhiteout := strings.CutPrefix(name, prefix)
	switch {
	case name == opaqueName && c.unpacked == nil:
		in, err := c.fs.stat(above)
		if err == ok {
			in.Opaque = int32(id)
		}
		return false, step("setxattr", err)
	case name == opaqueName:
		in, err := c.fs.lstat(above)
		if err == ok {
			c.clear(in, above, id)
		}
		return false, step("lstat", err)
	case isWhiteout && (hidden == "" || hidden == "." || hidden == ".."):
		return false, "invalid whiteout name"
	case isWhiteout && c.unpacked == nil:
		return false, step("mknod", c.fs.make(join(above, hidden), newInode(imagecore.Char, c.layer, id, 0), id))
	case isWhiteout:
		return false, step("unlinkat", c.fs.removeAll(join(above, hidden), id))
	}
	if in, err := c.fs.lstat(at); err == ok && (!in.isDir() || kindOf(e) != imagecore.Dir) {
		if err := c.fs.removeAll(at, id); err != ok {
			return false, step("unlinkat", err)
		}
	}
	if reason := c.create(e, id, at); reason != "" {
		return false, reason
	}
	if c.unpacked != nil {
		c.unpacked.add(at)
	}
	return kindOf(e) == imagecore.Dir, ""
}

// clear carries out an opaque whiteout of the base: what an entry wrote stays.
func (c *containerd) clear(dir *Inode, at string, id int) {
	for _, name := range dir.Names() {
		p := join(at, name)
		if !c.unpacked.holds(p) {
			c.fs.remove(dir, name, id)
		} else if in := dir.folder.names[name].Inode; in.isDir() {
			c.clear(in, p, id)
		}
	}
}

// parent makes a folder that the layer does not list.
func (c *containerd) parent(at string) errno {
	in, err := c.fs.lstat(at)
	switch {
	case err == ok && in.isDir():
		return ok
	case err == ok:
		return enotdir
	case err != enoent:
		return err
	}
	if up, _ := split(at); up != "/" {
		if err := c.parent(up); err != ok {
			return err
		}
	}
	in = newInode(imagecore.Dir, c.layer, -1, 0o755)
	if err := c.fs.make(at, in, -1); err != ok {
		return err
	}
	for _, lower := range c.lowers {
		there, err := lower.rootPath(at)
		if err != ok {
			return err
		}
		model, err := lower.lstat(there)
		switch {
		case err == enoent:
			continue
		case err != ok:
			return err
		case !model.isDir():
			return ok // it was replaced down there
		}
		in.Attr = model.Attr
		in.Attr.Xattrs = nil
		for _, x := range model.Attr.Xattrs {
			if !strings.HasPrefix(x.Key, "trusted.") {
				in.Attr.Xattrs = append(in.Attr.Xattrs, x)
			}
		}
		return ok
	}
	return ok
}

func (c *containerd) create(e *imagecore.Entry, id int, at string) string {
	kind := kindOf(e)
	switch kind {
	case imagecore.Hardlink:
		dir, base := path.Split(e.Link)
		dir, err := c.fs.rootPath(dir)
		if err == ok {
			err = c.fs.link(join(dir, base), at, id)
		}
		if err != ok {
			return step("link", err)
		}
	case imagecore.Dir:
		if in, err := c.fs.lstat(at); err == ok && in.isDir() {
			break
		}
		fallthrough
	default:
		if err := c.fs.make(at, fresh(c.layer, id, e), id); err != ok {
			return step(word(kind), err)
		}
	}
	p, _ := c.fs.walk(at, false)
	in := p.node
	if kind == imagecore.Dir {
		in.Layer, in.Entry = int32(c.layer), int32(id)
		p.dir.folder.names[p.name].By = int32(id)
	}
	in.chown(e.UID, e.GID)
	for _, x := range e.Xattrs {
		if !c.Keeps(x.Key) {
			continue
		}
		if err := in.setXattr(x); err != ok && !strings.HasPrefix(x.Key, "user.") {
			return step("setxattr", err)
		}
	}
	if in.Kind != imagecore.Symlink {
		in.Attr.Mode = e.Mode
	}
	in.utimes(e)
	return ""
}
