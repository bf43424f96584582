//go:build linux

package folder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// NewFile writes a file that must not be there yet.
func NewFile(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Chmod(mode) // whatever the umask
}

// WriteFile is NewFile, durable.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	if err := NewFile(path, data, mode); err != nil {
		return err
	}
	return syncPath(path)
}

// Sync makes a new folder durable, with all files and folders in it and its
// name. They are asked for at once: a journal then commits them together, where
// one after the other waits for a commit each (nine: 3.6 ms on an ext4 of which
// one fsync(2) takes 0.4).
func Sync(dir string) error {
	var work errgroup.Group
	work.Go(func() error { return syncPath(filepath.Dir(dir)) })
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && (d.IsDir() || d.Type().IsRegular()) {
			work.Go(func() error { return syncPath(path) })
		}
		return err
	})
	return errors.Join(err, work.Wait())
}

// syncPath makes a file or folder durable.
func syncPath(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
