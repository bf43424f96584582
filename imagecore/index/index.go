package index

import (
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Head is the JSON document that an index begins with.
type Head struct {
	Image    imagecore.Image     `json:"image"`
	Warnings []imagecore.Warning `json:"warnings"` // never nil once written
	Lens     string              `json:"lens"`
}

// Index is a decoded index.
type Index struct {
	Head  Head
	Nodes []Node // depth-first; the first is the root
}

// Node is a path with its history.
type Node struct {
	Depth    int    // components of the path, 0 for the root
	Name     string // the last of them
	Versions []Version
}

// Version is a state of a path; see the package comment for what holds when.
type Version struct {
	Kind   imagecore.Kind
	Flags  Flags
	Layer  int
	Until  int // the layer that ended it, -1: to the top
	Cause  tree.Cause
	Offset int64 // bytes in the layer's tar, 0 where implicit

	Mode, UID, GID uint32
	ModTime        int64 // seconds
	ModNano        int32

	Size   int64 // bytes of a file
	Data   int64 // where its content begins, in the tar of layer Home
	Home   int   // Layer unless copied
	Inode  int   // -1 unless linked
	Target string
	Major  uint32
	Minor  uint32
	Xattrs []imagecore.Xattr

	OpaqueOffset int64 // of the opaque whiteout's header
}

// Flags of a Version.
type Flags uint8

const (
	Implicit    Flags = 1
	Xattrs      Flags = 2
	Nanoseconds Flags = 4
	Linked      Flags = 8
	Opaque      Flags = 16
	Copied      Flags = 32
)

const (
	magic   = "LLIX"
	format  = 1
	noLayer = -1
)
