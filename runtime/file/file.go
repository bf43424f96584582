//go:build linux

// Package file reads and writes small files by system calls alone. os.File
// offers each file to Go's poller first: five more calls for a file of /proc
// that is read in one.
package file

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Read returns what a file holds.
func Read(path string) ([]byte, error) {
	fd, err := open(path, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := make([]byte, 0, 4096)
	for {
		if len(b) == cap(b) {
			b = append(b, make([]byte, len(b))...)[:len(b)]
		}
		n, err := unix.Read(fd, b[len(b):cap(b)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return b, nil
		default:
			b = b[:len(b)+n]
		}
	}
}

// Write writes a file; one that is there is emptied before.
func Write(path string, b []byte, mode uint32) error {
	return write(path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, b, mode)
}

// Set writes into a file that is there, in one call, as the kernel's own files
// want it.
func Set(path, value string) error {
	return write(path, unix.O_WRONLY, []byte(value), 0)
}

// Replace writes a file beside and renames it: a reader sees the old one or the
// new one, whole. It does not sync: what it is for does not outlive the boot.
func Replace(path string, b []byte, mode uint32) error {
	part := path + ".new"
	if err := Write(part, b, mode); err != nil {
		return err
	}
	if err := unix.Rename(part, path); err != nil {
		return &os.LinkError{Op: "rename", Old: part, New: path, Err: err}
	}
	return nil
}

func write(path string, flags int, b []byte, mode uint32) error {
	fd, err := open(path, flags, mode)
	if err != nil {
		return err
	}
	for err = nil; len(b) > 0 && err == nil; {
		var n int
		n, err = unix.Write(fd, b)
		if err == unix.EINTR {
			err = nil
		}
		b = b[max(n, 0):]
	}
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

func open(path string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, mode)
		if err == nil {
			return fd, nil
		}
		if err != unix.EINTR {
			return -1, &os.PathError{Op: "open", Path: path, Err: err}
		}
	}
}
