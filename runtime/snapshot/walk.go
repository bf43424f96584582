//go:build linux

package snapshot

import (
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
)

// kindOf says what a file on disk is; 0 for what no tar can hold (a socket).
func kindOf(st *unix.Stat_t) imagecore.Kind {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return imagecore.File
	case unix.S_IFDIR:
		return imagecore.Dir
	case unix.S_IFLNK:
		return imagecore.Symlink
	case unix.S_IFCHR:
		return imagecore.Char
	case unix.S_IFBLK:
		return imagecore.Block
	case unix.S_IFIFO:
		return imagecore.Fifo
	}
	return 0
}
