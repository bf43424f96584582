package lens

import (
	"path"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// umoci unpacks all layers into one folder, so that a name passes through the
// links of lower layers, and a whiteout removes at once what the layer did not
// write itself. After each entry the folder that it lies in gets back the
// metadata that it had.
type umoci struct {
	fs    *fs
	layer int
	steps int
	// upper are the paths that entries of the layer wrote, and the folders
	// above them.
	upper *paths
	// rootless says that a whiteout took the root itself away and nothing
	// was made since; last is that whiteout.
	rootless bool
	last     Refusal
}

func (u *umoci) Layer(layer int, entries []imagecore.Entry) (Folder, error) {
	u.layer, u.upper, u.fs.log = layer, newPaths(), make([]Touched, 0, len(entries))
	defer func() { u.upper = nil }() // memory counts: the layer's tree is made next
	u.steps += stepsPerEntry * len(entries)
	for i := range entries {
		u.fs.written = entries[i].Name
		if reason := u.entry(&entries[i], i); reason != "" {
			return Folder{}, &Refusal{Entry: i, Reason: reason}
		}
	}
	return Folder{Root: u.fs.root, Touched: u.fs.log}, nil
}

// Keeps implements Unpacker.
func (u *umoci) Keeps(key string) bool {
	switch key {
	case "security.selinux", "system.nfs4_acl", "trusted.overlay.opaque":
		return false
	}
	return supported(key)
}

// Done lists what was unpacked, as umoci does for its mtree file: a root that a
// whiteout took away is missed there.
func (u *umoci) Done() error {
	if !u.rootless {
		return nil
	}
	return &u.last
}

func (u *umoci) entry(e *imagecore.Entry, id int) (reason string) {
	name := clean(e)
	if strings.HasPrefix(name, "..") {
		if name = strings.TrimPrefix(path.Clean("/"+name), "/"); name == "" {
			name = "."
		}
	}
	dir, base := path.Split(name)
	isRoot := name == "." || name == "/"
	if isRoot {
		dir, base = name, "."
		if kindOf(e) != imagecore.Dir {
			return "refusing to change type of root directory"
		}
	}
	dir, err := u.fs.secureJoin(dir)
	if err != ok {
		return step("sanitise symlinks in root", err)
	}
	at := join(dir, base)
	if in, err := u.fs.lstat(dir); err == ok && at != dir && !u.rootless {
		// Given back to whatever is there afterwards, as if it were a folder.
		was := in.Attr
		defer func() {
			in, err := u.fs.lstat(dir)
			if err != ok || u.rootless {
				err = enoent
				if reason == "" {
					reason = step("restore parent directory", err)
				}
				return
			}
			in.Attr.Mode, in.Attr.UID, in.Attr.GID = was.Mode, was.UID, was.GID
			in.Attr.ModTime, in.Attr.ModNano, in.Attr.Xattrs = was.ModTime, was.ModNano, was.Xattrs
		}()
	}
	if strings.HasPrefix(base, prefix) {
		return u.whiteout(dir, base, id)
	}
	there, err := u.fs.lstat(at)
	isDir := err != ok && kindOf(e) == imagecore.Dir || err == ok && there.isDir()
	if err := u.fs.mkdirAll(dir, u.layer, 0o755); err != ok {
		return step("mkdir parent", err)
	}
	u.rootless = false
	if !isDir || kindOf(e) != imagecore.Dir {
		if err := u.fs.removeAll(at, id); err != ok {
			return step("clobber old path", err)
		}
	}
	if reason := u.create(e, id, at); reason != "" {
		return reason
	}
	for p := at; p != "/" && u.upper.add(p); p, _ = split(p) { // those above one that is there are, too
	}
	return ""
}

func (u *umoci) create(e *imagecore.Entry, id int, at string) string {
	kind := kindOf(e)
	switch kind {
	case imagecore.Hardlink:
		dir, base := path.Split(e.Link)
		dir, err := u.fs.secureJoin(dir)
		if err != ok {
			return step("sanitise hardlink target in root", err)
		}
		return step("link", u.fs.link(join(dir, base), at, id))
	case imagecore.Dir:
		if err := u.fs.mkdirAll(at, u.layer, 0o755); err != ok {
			return step("mkdirall", err)
		}
	case imagecore.Symlink:
		if err := u.fs.make(at, fresh(u.layer, id, e), id); err != ok {
			return step("link", err)
		}
	default:
		if err := u.fs.make(at, fresh(u.layer, id, e), id); err != ok {
			return step(word(kind), err)
		}
	}
	p, err := u.fs.walk(at, false)
	if err != ok {
		return step("restore chown metadata", err)
	}
	in := p.node
	if kind == imagecore.Dir {
		in.Layer, in.Entry = int32(u.layer), int32(id)
		if p.dir != nil {
			p.dir.folder.names[p.name].By = int32(id)
		}
		u.fs.note(p.dir, p.name, id, false)
	}
	in.chown(e.UID, e.GID)
	if in.Kind != imagecore.Symlink {
		in.Attr.Mode = e.Mode
	}
	in.Attr.Xattrs = nil
	for _, x := range e.Xattrs {
		if !u.Keeps(x.Key) {
			continue
		}
		if err := in.setXattr(x); err != ok {
			return step("restore xattr metadata", err)
		}
	}
	in.utimes(e)
	return ""
}

// whiteout removes what no entry of the layer wrote.
func (u *umoci) whiteout(dir, base string, id int) string {
	isOpaque := base == opaqueName
	at := join(dir, strings.TrimPrefix(base, prefix))
	if isOpaque {
		at = dir
	}
	p, err := u.fs.walk(at, false)
	if err == enoent || err == enotdir || u.rootless {
		return ""
	}
	if err != ok {
		return step("check whiteout target", err)
	}
	if !u.upper.holds(at) && !isOpaque {
		if p.dir == nil {
			u.removeRoot(id)
			return ""
		}
		u.fs.remove(p.dir, p.name, id)
		return ""
	}
	u.purge(p.node, at, id)
	return ""
}

// removeRoot removes the root folder, which the next entry makes anew.
func (u *umoci) removeRoot(id int) {
	root := u.fs.root
	for _, name := range root.Names() {
		u.fs.remove(root, name, id)
	}
	root.Layer, root.Entry, root.Attr = -1, -1, Attr{Mode: 0o755}
	u.fs.note(nil, "", -1, false)
	u.rootless = true
	u.last = Refusal{Layer: u.layer, Entry: id, Reason: step("write mtree: generate mtree spec: lstat rootfs", enoent)}
}

func (u *umoci) purge(dir *Inode, at string, id int) {
	if !dir.isDir() {
		return
	}
	for _, name := range dir.Names() {
		if p := join(at, name); !u.upper.holds(p) {
			u.fs.remove(dir, name, id)
		} else {
			u.purge(dir.folder.names[name].Inode, p, id)
		}
	}
}
