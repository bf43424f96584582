// Package index writes and reads the binary index of an image: all that the
// page needs to show its layers, whiteouts and the merged tree after any of
// them, in one piece. The same bytes come out natively, under wazero and in the
// browser.
//
//	tree.Tree → Append → bytes → Decode (here) or web/src/core/index.ts
//
// # Format, version 1
//
// Integers are unsigned LEB128 varints as encoding/binary writes them
// (uvarint), or zig-zag signed ones (varint). A string is a uvarint length and
// that many bytes, which need not be UTF-8.
//
//	"LLIX" version(byte = 1)
//	string head      JSON: {"image": imagecore.Image, "warnings": [imagecore.Warning], "lens": "spec"}
//	uvarint nodes    number of nodes
//	node …           in depth-first order, children sorted bytewise by name
//
// The first node is the root, with depth 0 and the name "". Every path that is
// there after any prefix of the stack has a node, deleted ones and paths that
// only a whiteout names included.
//
//	node    = uvarint depth, string name (the last component), uvarint versions, version …
//	version = byte kind      imagecore.Kind: file, dir, symlink, char, block, fifo or whiteout
//	          byte flags
//	          uvarint layer  the layer from which on it holds
//	          uvarint until  0: to the top; else 1 + the layer that ended it
//	          byte cause     only where until > 0, see below
//	          …              the rest depends on kind and flags
//
// Versions of a node stand in the order of their layers, oldest first, and do
// not overlap. A version of kind whiteout says "from this layer on this path is
// hidden by its own whiteout": the path is absent while it holds. It ends when
// a later layer adds the path again (cause replaced), or when a layer hides or
// replaces an ancestor.
//
// A folder that a later layer lists again, or that changes only its metadata,
// has a new version (cause replaced); its children live on. A folder that a
// layer only passes through, and leaves as it was, has none: it stays with the
// layer that wrote it.
//
//	flags  1 implicit   no entry of the layer names it: made as a parent (rule 4)
//	       2 xattrs
//	       4 nanoseconds
//	       8 linked     its inode has more than one name (uvarint inode follows)
//	      16 opaque     kind dir: an opaque whiteout of this layer emptied it
//	      32 copied     a hard link to a lower layer's file copied it into this layer (rule 5)
//	cause  1 replaced   the next version of the same path took its place
//	       2 whiteout   of this very path
//	       3 hidden     by a whiteout of an ancestor
//	       4 opaque     by an opaque whiteout of an ancestor
//	       5 retyped    an ancestor became something else than a folder
//
// What follows, in this order:
//
//	not implicit   uvarint offset  of the entry's first header, in the layer's tar;
//	               where copied, of the hard link that brought the copy about
//	not whiteout   uvarint mode, uvarint uid, uvarint gid,
//	               varint mtime    seconds, minus the mtime of the version written before that
//	                               was no whiteout (0 at first)
//	nanoseconds    uvarint nsec
//	kind file      uvarint size, uvarint data  (where its content begins in the layer's tar;
//	               in layer `home` where copied: uvarint home precedes data)
//	linked         uvarint inode   number of the inode, equal for all its names, from 0
//	kind symlink   string target
//	char, block    uvarint major, uvarint minor
//	xattrs         uvarint count, then string key, string value each
//	opaque         uvarint offset  of the opaque whiteout's header
//
// An implicit version of a folder that was there before (it is also opaque
// then, but for engine lenses) carries over mode, owner, time and extended
// attributes; else it is 0755 root:root with time 0.
package index
