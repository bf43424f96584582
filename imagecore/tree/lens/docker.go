package lens

import (
	"path"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

const (
	prefix     = ".wh."
	opaqueName = ".wh..wh..opq"
)

// docker unpacks as docker-untar does: confined by chroot(2), so that the
// kernel itself follows links, in a folder that has nothing of the layers
// below. tar-split reads along and refuses a name that comes twice.
type docker struct {
	fs    *fs
	layer int
	steps int
}

// Done has nothing to say: each layer stood for itself.
func (d *docker) Done() error { return nil }

// Keeps implements Unpacker.
func (d *docker) Keeps(key string) bool { return supported(key) }

func (d *docker) Layer(layer int, entries []imagecore.Entry) (Folder, error) {
	d.fs, d.layer = newFS(&d.steps), layer
	d.steps += stepsPerEntry * len(entries)
	seen := newPaths()
	var dirs []int
	for i := range entries {
		e := &entries[i]
		d.fs.written = e.Name
		name := clean(e)
		if !seen.add(name) {
			return Folder{}, &Refusal{Entry: i, Reason: "duplicates of file paths not supported"}
		}
		isDir, reason := d.entry(e, i, name)
		if reason != "" {
			return Folder{}, &Refusal{Entry: i, Reason: reason}
		}
		if isDir {
			dirs = append(dirs, i)
		}
	}
	// Folders get their times last, by their names: whatever these lead to now.
	for _, i := range dirs {
		in, err := d.fs.stat(absolute(clean(&entries[i])))
		if err != ok {
			return Folder{}, &Refusal{Entry: i, Reason: step("chtimes", err)}
		}
		in.utimes(&entries[i])
	}
	return Folder{Root: d.fs.root, Alone: true}, nil
}

// entry applies one entry; isDir says that it made a folder or changed one.
func (d *docker) entry(e *imagecore.Entry, id int, name string) (isDir bool, reason string) {
	at := absolute(name)
	above, base := split(at)
	if name != "/" {
		if _, err := d.fs.lstat(above); err == enoent {
			if err := d.fs.mkdirAll(above, d.layer, 0o755); err != ok {
				return false, step("mkdir", err)
			}
		}
	}
	dir := kindOf(e) == imagecore.Dir
	if in, err := d.fs.lstat(at); err == ok {
		if in.isDir() && name == "." {
			return false, ""
		}
		if !in.isDir() || !dir {
			if err := d.fs.removeAll(at, id); err != ok {
				return false, step("unlinkat", err)
			}
		}
	}
	if base == opaqueName {
		in, err := d.fs.stat(above)
		if err != ok {
			return false, step("setxattr", err)
		}
		in.Opaque = int32(id)
		return false, ""
	}
	if hidden, is := strings.CutPrefix(base, prefix); is {
		dev := newInode(imagecore.Char, d.layer, id, 0)
		return false, step("mknod", d.fs.make(join(above, hidden), dev, id))
	}
	return dir, d.create(e, id, at)
}

func (d *docker) create(e *imagecore.Entry, id int, at string) string {
	kind := kindOf(e)
	switch kind {
	case imagecore.Hardlink:
		if err := d.fs.link(path.Join("/", e.Link), at, id); err != ok {
			return step("link", err)
		}
	case imagecore.Dir:
		if in, err := d.fs.lstat(at); err == ok && in.isDir() {
			break
		}
		fallthrough
	default:
		if err := d.fs.make(at, fresh(d.layer, id, e), id); err != ok {
			return step(word(kind), err)
		}
	}
	p, _ := d.fs.walk(at, false)
	in := p.node
	if kind == imagecore.Dir {
		in.Layer, in.Entry = int32(d.layer), int32(id)
		if p.dir != nil {
			p.dir.folder.names[p.name].By = int32(id)
		}
	}
	in.chown(e.UID, e.GID)
	for _, x := range e.Xattrs {
		if x.Key == "trusted.overlay.opaque" && x.Value == "y" {
			in.Opaque = int32(id)
			continue
		}
		in.setXattr(x) // "not supported" and "not permitted" are passed over
	}
	// chmod(2) and utimes(2) follow links, so a link to a link is left alone.
	if kind == imagecore.Hardlink && in.Kind == imagecore.Symlink {
		return ""
	}
	if in.Kind != imagecore.Symlink {
		in.Attr.Mode = e.Mode
	}
	in.utimes(e)
	return ""
}

func word(k imagecore.Kind) string {
	switch k {
	case imagecore.Dir:
		return "mkdir"
	case imagecore.Symlink:
		return "symlink"
	case imagecore.File:
		return "open"
	}
	return "mknod"
}
