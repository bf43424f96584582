package imagecore

import "time"

// Kind says what an entry of a layer is. The values are part of the binary
// index (package index): never renumber them.
type Kind uint8

const (
	File     Kind = 1
	Dir      Kind = 2
	Symlink  Kind = 3
	Char     Kind = 4
	Block    Kind = 5
	Fifo     Kind = 6
	Whiteout Kind = 7  // .wh.NAME: hides NAME of the layers below
	Opaque   Kind = 8  // .wh..wh..opq: hides all children of its folder from the layers below
	Hardlink Kind = 9  // a further name of a file; its target is in Entry.Link
	Metadata Kind = 10 // other .wh..wh.* names: AUFS bookkeeping, in no tree of the spec lens
)

// String returns the word that JSON output uses for the kind.
func (k Kind) String() string {
	switch k {
	case File:
		return "file"
	case Dir:
		return "dir"
	case Symlink:
		return "symlink"
	case Char:
		return "char"
	case Block:
		return "block"
	case Fifo:
		return "fifo"
	case Whiteout:
		return "whiteout"
	case Opaque:
		return "opaque"
	case Hardlink:
		return "hardlink"
	case Metadata:
		return "metadata"
	}
	return "unknown"
}

// Entry is one record of a layer's tar.
//
// Strings of the entries of one layer may share one backing array; they are
// never changed. Names are kept byte for byte: they need not be UTF-8.
type Entry struct {
	// Name is the name as the tar has it (after PAX and GNU long names).
	Name string
	// Path is Name cleaned lexically, without a leading slash: "etc/passwd";
	// "" is the root. For a Whiteout it is the path that is hidden, for an
	// Opaque the folder that is emptied. Empty with Escapes for a name that
	// leaves the root.
	Path string
	// Link is the target of a Symlink as it stands in the tar, or the cleaned
	// path that a Hardlink names, or its target as it stands in the tar if that
	// leaves the root.
	Link string

	Kind     Kind
	Header   Kind   // what the header states where Kind is Whiteout, Opaque or Metadata, else 0
	Escapes  bool   // the name (or a hard link's target) leaves the root: in no tree
	Mode     uint32 // permission bits with setuid 04000, setgid 02000, sticky 01000
	UID, GID uint32 // ids beyond 32 bits are refused by the scanner
	Major    uint32 // of Char and Block
	Minor    uint32

	Size    int64 // bytes of content, holes of a sparse file included
	ModTime int64 // seconds since 1970, may be negative
	ModNano int32 // nanoseconds, 0–999,999,999

	// Offset is where the entry's first header block begins (its PAX or GNU
	// extension headers included), DataOffset where its content begins, both
	// in bytes from the start of the layer's uncompressed tar.
	Offset     int64
	DataOffset int64
	// Stored is the number of content bytes in the tar: Size but for sparse files.
	Stored int64
	// Holes is nil but for sparse files: the fragments that are stored, in
	// order, without overlap. What lies between them reads as zeros.
	Sparse []Fragment

	Xattrs []Xattr // sorted by key; neighbours may share them, so they are never changed
}

// Fragment is a stored piece of a sparse file.
type Fragment struct {
	Offset int64 // bytes from the start of the file
	Length int64 // bytes
}

// Xattr is an extended attribute, from SCHILY.xattr.* or LIBARCHIVE.xattr.*
// records of PAX headers. Value is binary.
type Xattr struct {
	Key   string
	Value string
}

// Time returns the modification time in UTC.
func (e *Entry) Time() time.Time { return time.Unix(e.ModTime, int64(e.ModNano)).UTC() }
