package lens

import (
	"slices"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// Inode is a file of any kind in a Folder.
//
// There is one for each entry, and more than one tree of them at a time, so it
// is kept small: 112 bytes.
type Inode struct {
	// Kind is Dir, File, Symlink, Char, Block or Fifo; a character device
	// 0:0 is a Char here, whatever overlayfs makes of it.
	Kind imagecore.Kind
	gone bool
	// Layer and Entry name the entry with the content or the link's target;
	// Entry is -1 for a folder that no entry lists.
	Layer, Entry int32
	// Opaque is the entry that marked a folder with trusted.overlay.opaque,
	// -1 for none.
	Opaque int32
	// Node, Version and Group are the caller's; they begin as -1.
	Node, Version, Group int32
	Attr                 Attr

	target string
	folder *folder // nil for what is none
}

// folder is what only folders have.
type folder struct {
	parent *Inode // nil for the root
	names  map[string]*Name
}

// Attr is the metadata that an unpacker gave to an inode. A modification time
// of 0 stands for the moment of unpacking.
type Attr struct {
	Mode     uint32 // permission bits with setuid, setgid and sticky
	UID, GID uint32
	Major    uint32
	Minor    uint32
	ModNano  int32
	ModTime  int64             // seconds since 1970
	Xattrs   []imagecore.Xattr // sorted by key; not to be changed
}

// Name is an entry of a folder: what a name leads to, and the entry of the
// layer at hand that wrote it, -1 for a folder made on the way.
type Name struct {
	*Inode
	By int32
	// Settled is the caller's; it begins as 0.
	Settled int32
}

// IsWhiteout says whether overlayfs takes the inode for a whiteout.
func (in *Inode) IsWhiteout() bool {
	return in.Kind == imagecore.Char && in.Attr.Major == 0 && in.Attr.Minor == 0
}

// Gone says whether the inode, a folder, was removed.
func (in *Inode) Gone() bool { return in.gone }

// Lookup returns what a folder has under a name, nil for nothing.
func (in *Inode) Lookup(name string) *Name {
	if in.folder == nil {
		return nil
	}
	return in.folder.names[name]
}

// Names returns the names in a folder, sorted bytewise.
func (in *Inode) Names() []string {
	if in.folder == nil {
		return nil
	}
	names := make([]string, 0, len(in.folder.names))
	for n := range in.folder.names {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (in *Inode) isDir() bool { return in != nil && in.Kind == imagecore.Dir }

// touch gives a folder the time of this moment.
func (in *Inode) touch() { in.Attr.ModTime, in.Attr.ModNano = 0, 0 }

func (in *Inode) chown(uid, gid uint32) {
	in.Attr.UID, in.Attr.GID = uid, gid
	if in.Kind != imagecore.Dir {
		in.dropXattr("security.capability") // capabilities(7)
	}
}

func (in *Inode) utimes(e *imagecore.Entry) {
	in.Attr.ModTime, in.Attr.ModNano = e.ModTime, e.ModNano
}

func (in *Inode) dropXattr(key string) {
	for i, x := range in.Attr.Xattrs {
		if x.Key == key {
			in.Attr.Xattrs = append(slices.Clone(in.Attr.Xattrs[:i]), in.Attr.Xattrs[i+1:]...)
			return
		}
	}
}

// supported says whether there is a namespace for the name of an attribute.
func supported(key string) bool {
	space, _, dot := strings.Cut(key, ".")
	return dot && (space == "user" || space == "trusted" || space == "security")
}

// setXattr answers as setxattr(2) does for root: which namespaces there are,
// and which kinds of file may have them (xattr(7)).
func (in *Inode) setXattr(x imagecore.Xattr) errno {
	if !supported(x.Key) {
		return enotsup
	}
	if strings.HasPrefix(x.Key, "user.") && in.Kind != imagecore.File && in.Kind != imagecore.Dir {
		return eperm
	}
	at, found := slices.BinarySearchFunc(in.Attr.Xattrs, x, func(a, b imagecore.Xattr) int { return strings.Compare(a.Key, b.Key) })
	in.Attr.Xattrs = slices.Clone(in.Attr.Xattrs)
	if found {
		in.Attr.Xattrs[at] = x
	} else {
		in.Attr.Xattrs = slices.Insert(in.Attr.Xattrs, at, x)
	}
	return ok
}
