// Package imagetest makes images for tests: from a tiny notation, at random,
// hostile ones and big ones, in every format that layerlab reads; and it has an
// oracle that says, by other means than package tree, what their merged tree
// is.
//
//	text → Parse → Stack → Layers (scanned) | Archive{…}.Bytes() | Oracle
//
// A stack is written as layers of records, one a line:
//
//	-- layer --
//	d usr/bin mode=0755
//	f usr/bin/tool "content" mode=4755 uid=1000
//	s bin -> usr/bin
//	h usr/bin/other -> usr/bin/tool
//	-- layer --
//	f usr/bin/.wh.tool ""
//
// The letters are d folder, f file, s symbolic link, h hard link, c and b
// device (dev=1:3), p fifo. Names stand as they will in the tar, whiteouts and
// all; a name or target with blanks or control characters is quoted as in Go.
// A file without content has its own name as content. Keys: mode (octal), uid,
// gid, mtime (seconds), dev, and xattr.KEY (quoted as in Go).
package imagetest
