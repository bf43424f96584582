//go:build linux

package folder

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/plan"
)

// Init makes the layer that lies between image and upper: what the spec's
// mounts need and the image lacks (/proc in an image made from scratch), and
// /etc/mtab, which Docker gives every container, too. In the upper they would
// look like the container's doing. Folders that the image
// has take over its metadata, since the topmost folder's are those that count.
// No folder is made where nothing is missing. isFile tells which bind mounts
// are of files; shift is added to all owners, as to those of the layers.
func Init(dir string, spec *specs.Spec, view *tree.View, isFile func(source string) bool, shift uint32) error {
	made := false
	put := func(name string, make func(at string) error) error {
		name = strings.Trim(path.Clean(name), "/")
		if name == "" || there(view, name) {
			return nil
		}
		if !made {
			if err := makeFolder(dir, view.Root(), true); err != nil {
				return err
			}
			made = true
		}
		if err := makeParents(dir, name, view); err != nil {
			return err
		}
		err := make(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	for _, m := range plan.Mountpoints(spec, isFile) {
		err := put(m.Path, func(at string) error {
			if m.Dir {
				return makeFolder(at, tree.Node{}, false)
			}
			return NewFile(at, nil, 0o644)
		})
		if err != nil {
			return err
		}
	}
	err := put("/etc/mtab", func(at string) error { return os.Symlink("/proc/mounts", at) })
	if err != nil || !made {
		return err
	}
	if err := own(dir, shift); err != nil {
		return err
	}
	return settle(dir, view)
}

// there reports whether the image has the path, or something on the way that
// is no folder: the launcher, which resolves links as the container would,
// deals with those.
func there(view *tree.View, name string) bool {
	for i := range len(name) + 1 {
		if i < len(name) && name[i] != '/' {
			continue
		}
		n, ok := view.Lookup(name[:i])
		if !ok {
			return false
		}
		if i == len(name) || n.Kind() != imagecore.Dir {
			return true
		}
	}
	return true
}

// makeParents makes the folders above a name.
func makeParents(dir, name string, view *tree.View) error {
	parents := strings.Split(name, "/")
	for i := 1; i < len(parents); i++ {
		parent := strings.Join(parents[:i], "/")
		n, ok := view.Lookup(parent)
		if err := makeFolder(filepath.Join(dir, parent), n, ok); err != nil {
			return err
		}
	}
	return nil
}

// makeFolder makes one folder with the metadata of the image's node, if it has
// one, else 0755 root:root.
func makeFolder(target string, n tree.Node, has bool) error {
	if err := os.Mkdir(target, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	mode, uid, gid := uint32(0o755), uint32(0), uint32(0)
	if has {
		a := n.Attr()
		mode, uid, gid = a.Mode, a.UID, a.GID
	}
	if err := os.Chown(target, int(uid), int(gid)); err != nil {
		return err
	}
	return os.Chmod(target, fileMode(mode))
}

// own adds shift to the owner of all that was made.
func own(dir string, shift uint32) error {
	if shift == 0 {
		return nil
	}
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		return os.Lchown(p, int(st.Uid+shift), int(st.Gid+shift))
	})
}

// settle gives the folders that the image has its times back, which the making
// of their children moved.
func settle(dir string, view *tree.View) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		n, ok := view.Root(), true
		if rel != "." {
			n, ok = view.Lookup(rel)
		}
		if !ok {
			return nil
		}
		a := n.Attr()
		at := time.Unix(a.ModTime, int64(a.ModNano))
		return os.Chtimes(p, at, at)
	})
}

// fileMode turns permission bits of a tar into Go's.
func fileMode(mode uint32) os.FileMode {
	m := os.FileMode(mode & 0o777)
	if mode&0o4000 != 0 {
		m |= os.ModeSetuid
	}
	if mode&0o2000 != 0 {
		m |= os.ModeSetgid
	}
	if mode&0o1000 != 0 {
		m |= os.ModeSticky
	}
	return m
}
