//go:build linux

// Package writeback has the disk write a file while it is still being filled, so
// that little is left for the sync at the end.
package writeback

import "golang.org/x/sys/unix"

// at is how many bytes the disk is asked to write at a time.
const at = 8 << 20

// Ahead follows a file, or a piece of one, that is written from its beginning on.
// The zero value begins at offset 0.
type Ahead struct{ asked int64 }

// From begins at an offset, in bytes.
func From(offset int64) Ahead { return Ahead{offset} }

// Wrote is told that all up to an offset has been written, and asks the disk for
// it where that is much (sync_file_range(2)). What goes wrong the sync tells.
func (a *Ahead) Wrote(fd int, upTo int64) {
	if upTo-a.asked < at {
		return
	}
	_ = unix.SyncFileRange(fd, a.asked, upTo-a.asked, unix.SYNC_FILE_RANGE_WRITE)
	a.asked = upTo
}
