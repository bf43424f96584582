package tree

import (
	"slices"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// Most layers are written by programs that take care: whatever reads them makes
// the same tree. A tree notes while it is built whether its layers might be of
// another kind, so that only those cost the trees of all lenses. To doubt
// without need costs time; not to doubt where engines differ would be a bug,
// and random stacks look for it. Attributes that an engine passes over are found
// in the tree itself: files with labels of SELinux took twenty times as long.

// oddName says whether a name is written in a way that some engine does not
// take for the same name.
func oddName(e *imagecore.Entry) bool {
	name := strings.TrimSuffix(strings.TrimPrefix(e.Name, "./"), "/")
	switch e.Kind {
	case imagecore.Whiteout:
		dir, base := "", name
		if i := strings.LastIndexByte(name, '/') + 1; i > 0 {
			dir, base = name[:i], name[i:]
		}
		return len(e.Path) != len(dir)+len(base)-len(".wh.") || !strings.HasPrefix(e.Path, dir)
	case imagecore.Opaque:
		return e.Path+"/.wh..wh..opq" != name // that of the root is odd too
	}
	if e.Path == "" {
		return name != "" && name != "." || strings.HasPrefix(e.Name, "/")
	}
	return name != e.Path || strings.HasPrefix(e.Path, ".wh.") || strings.Contains(e.Path, "/.wh.")
}

// oddXattrs says whether an entry has attributes of which more comes than that
// a file has them, or a link's target that no link can have. passed says that
// there are others which engines may pass over.
func oddXattrs(e *imagecore.Entry) (odd, passed bool) {
	odd = e.Kind == imagecore.Symlink && e.Link == ""
	for _, x := range e.Xattrs {
		switch {
		case strings.HasPrefix(x.Key, "user."):
			odd = odd || e.Kind != imagecore.File && e.Kind != imagecore.Dir && e.Kind != imagecore.Hardlink
		case x.Key == "security.capability":
			odd = odd || e.Kind != imagecore.File && e.Kind != imagecore.Hardlink
		case strings.HasPrefix(x.Key, "trusted.overlay."):
			odd = true // the kernel's own marks
		default:
			passed = true
		}
	}
	return odd, passed
}

// bareFolder says whether a folder is what is made where nothing is said.
func bareFolder(e *imagecore.Entry) bool {
	return e.Mode == 0o755 && e.UID == 0 && e.GID == 0 && len(e.Xattrs) == 0
}

// sameXattrs says whether a hard link's header leaves its file's attributes as
// they are, whether an engine heeds it or not.
func sameXattrs(file, link *imagecore.Entry) bool {
	return slices.Equal(file.Xattrs, link.Xattrs)
}

// wasOther says whether a folder that nothing lists, or one above it, was ever
// something else, or there before: containerd looks for its like in the lower
// layers' folders, one by one.
func (b *builder) wasOther(n int32) bool {
	if b.nodes[n].last >= 0 {
		return true
	}
	for ; n > 0; n = b.nodes[n].parent {
		for v := b.nodes[n].last; v >= 0; v = b.versions[v].prev {
			if b.versions[v].kind != imagecore.Dir {
				return true
			}
		}
	}
	return false
}
