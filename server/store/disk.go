//go:build linux

package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
)

// Disk is the data folder as the store changes it; names are relative to it,
// with slashes. Tests put failing and crashing ones in its place.
type Disk interface {
	// Spool returns a file without a name, gone when it is closed or when the
	// process dies.
	Spool() (File, error)
	// Create makes a new file and fails where the name is taken.
	Create(name string) (File, error)
	Mkdir(name string) error
	Rename(old, name string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(name string) error
	// RemoveAll deletes a file, or a folder with all that is in it; a name
	// that is not there is no error.
	RemoveAll(name string) error
	// Commit is asked before a transaction of meta.db is committed.
	Commit() error
	// Free is the number of bytes that can still be written.
	Free() (int64, error)
}

// File is a file that is being written.
type File interface {
	io.Writer
	io.ReaderAt
	Sync() error
	Close() error
}

// disk is the Disk of the operating system: all names are opened beneath one
// pinned folder, so that no symbolic link leads out of it.
type disk struct{ root *os.Root }

func (d disk) Spool() (File, error) {
	name := spoolPrefix + suffix()
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	// Without its name the file cannot outlive us; O_TMPFILE would do the same,
	// but not on every file system.
	if err := d.root.Remove(name); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (d disk) Create(name string) (File, error) {
	return d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
}

func (d disk) Mkdir(name string) error { return d.root.Mkdir(name, 0o755) }

func (d disk) Rename(old, name string) error { return d.root.Rename(old, name) }

func (d disk) SyncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (d disk) RemoveAll(name string) error { return d.root.RemoveAll(name) }

func (d disk) Commit() error { return nil }

func (d disk) Free() (int64, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &s); err != nil {
		return 0, os.NewSyscallError("fstatfs", err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// Names that are not yet what they will be, and of what is being received.
const (
	partial     = ".partial-"
	spoolPrefix = "spool-"
)

func suffix() string { return strings.ToLower(rand.Text()[:12]) }

// replace writes a whole small file: temporary name, fsync, rename, fsync of
// the folder.
func replace(d Disk, dir, name string, data []byte) error {
	path, temp := name, partial+suffix()
	if dir != "." {
		path, temp = dir+"/"+name, dir+"/"+temp
	}
	err := write(d, temp, data)
	if err == nil {
		err = d.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, diskError(err)), d.RemoveAll(temp))
	}
	return d.SyncDir(dir)
}

// write makes a durable file of data; its name is not durable yet.
func write(d Disk, name string, data []byte) error {
	f, err := d.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// diskError gives a full disk its kind, code and advice.
func diskError(err error) error {
	if errors.Is(err, imagecore.ErrHost) {
		return err // has its words
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		e := imagecore.NewError(imagecore.ErrHost, "disk-full", "the disk of the data folder is full: free some space and try again")
		e.Err = err
		return e
	}
	return err
}

func exists(root *os.Root, name string) (bool, error) {
	_, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
