//go:build linux

package receive

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore/splice"
)

// Archive is what was received: the files as one, as they came.
type Archive struct {
	*splice.Reader
	files []*File // in their order
	rest  Target
	only  ReadFile      // rest, which can only be read; nil where that is no file of the kernel's
	sum   digest.Digest // of rest
}

// File is a large file of an archive.
type File struct {
	Offset int64 // in the archive, in bytes
	Size   int64 // bytes
	Digest digest.Digest
	Head   []byte // its first bytes, as many as codec.Detect wants

	claimed int64    // Size, by its header
	states  []string // of the hash, after each step
	read    ReadFile

	mu   sync.Mutex
	name string // of its own file, "" for one that was here already or has another owner
	file Target // nil for one that was here already
}

// Move makes the file durable and lets rename give it the name under which it
// belongs to others. done is false where there is nothing to rename: it was here
// already when it came, or was moved before.
func (f *File) Move(rename func(name string) error) (done bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.name == "" {
		return false, nil
	}
	if err := f.file.Sync(); err != nil {
		return false, err
	}
	if err := rename(f.name); err != nil {
		return false, err
	}
	f.name = ""
	return true, nil
}

// At gives the file that lies at a place of the archive, nil for none.
func (a *Archive) At(offset, size int64) *File {
	for _, f := range a.files {
		if f.Offset == offset && f.Size == size {
			return f
		}
	}
	return nil
}

// Find gives the file that a reader of a part of the archive reads, nil for none.
func (a *Archive) Find(part any) *File {
	section, ok := part.(interface {
		Outer() (io.ReaderAt, int64, int64)
	})
	if !ok {
		return nil
	}
	at, offset, size := section.Outer()
	for {
		if at == a.Reader {
			return a.At(offset, size)
		}
		inner, ok := at.(*io.SectionReader)
		if !ok {
			return nil
		}
		var from int64
		at, from, _ = inner.Outer()
		offset += from
	}
}

// Identity is a digest of all bytes, and of which of them are files.
func (a *Archive) Identity() digest.Digest {
	h := sha256.New()
	for _, f := range a.files {
		fmt.Fprintln(h, f.Offset, f.Size, f.Digest)
	}
	fmt.Fprintln(h, a.Size(), a.sum)
	return digest.NewDigest(digest.SHA256, h)
}

// Known are the files, to be compared with what comes later.
func (a *Archive) Known() []Known {
	list := make([]Known, 0, len(a.files))
	for _, f := range a.files {
		list = append(list, Known{Digest: f.Digest, Size: f.Size, states: f.states})
	}
	return list
}

// close gives back what was opened; remove deletes a file by its name.
func (a *Archive) close(remove func(name string) error) error {
	var err error
	if a.rest != nil {
		err = a.rest.Close()
	}
	if a.only != nil {
		err = errors.Join(err, a.only.Close())
	}
	for _, f := range a.files {
		if f.read != nil {
			err = errors.Join(err, f.read.Close())
		}
		if f.file != nil {
			err = errors.Join(err, f.file.Close())
		}
		if f.name != "" {
			err = errors.Join(err, remove(f.name))
		}
	}
	return err
}
