package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
)

// Options says how to open an image.
type Options struct {
	Limits imagecore.Limits
	Data   string    // folder of the store; "" has no stored images
	Socket string    // of the server that keeps it, where it answers the Docker API; "" is docker.sock in Data
	Stdin  io.Reader // what "-" means
	// LookupEnv is os.LookupEnv, for DOCKER_HOST.
	LookupEnv func(string) (string, bool)
}

// Source is an opened archive. Close it.
type Source struct {
	*archive.Archive
	// File is the archive's file, nil for folders and stored images.
	File *os.File
	Size int64 // bytes of File

	closers []func() error
}

// Close closes the archive and removes what was spooled.
func (s *Source) Close() error {
	var errs []error
	if s.Archive != nil {
		errs = append(errs, s.Archive.Close())
	}
	for _, c := range s.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// Read reads what the archive holds, where Locate has not. ctx stops it.
func (s *Source) Read(ctx context.Context, o Options) (err error) {
	if s.Archive == nil {
		s.Archive, err = archive.Open(s.File, s.Size, archiveOptions(ctx, o))
	}
	return err
}

// Locate finds image and spools what comes as a stream, but does not read an archive
// in a file: Archive stays nil for one. Folders and stored images are read.
func Locate(ctx context.Context, image string, o Options) (*Source, error) {
	if image == "-" {
		return spoolFrom(ctx, o.Stdin, "standard input", o)
	}
	if name, ok := strings.CutPrefix(image, "docker-daemon:"); ok {
		return openDaemon(ctx, name, o)
	}
	if name, ok := strings.CutPrefix(image, "store:"); ok {
		return openStored(ctx, name, o)
	}
	info, err := os.Stat(image)
	// A stored name has slashes; its first part may be a file here.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		s, serr := openStored(ctx, image, o)
		if errors.Is(serr, imagecore.ErrNotFound) {
			return nil, imagecore.NewError(imagecore.ErrNotFound, "image-not-found",
				fmt.Sprintf("%q is neither a file nor a stored image", image), "image", image)
		}
		return s, serr
	}
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return openFolder(ctx, image, nil, o)
	}
	if !info.Mode().IsRegular() {
		return nil, imagecore.NewError(imagecore.ErrUnsupported, "unsupported-source",
			fmt.Sprintf("%q is neither a file nor a folder; a pipe is read as -", image), "source", image)
	}
	f, err := os.Open(image)
	if err != nil {
		return nil, err
	}
	return &Source{File: f, Size: info.Size(), closers: []func() error{f.Close}}, nil
}

// openFolder reads an OCI layout. Its root is pinned: symbolic links in it
// lead nowhere outside. index replaces the layout's index.json unless nil.
func openFolder(ctx context.Context, dir string, index []byte, o Options) (*Source, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	fsys := root.FS()
	if index != nil {
		fsys = withIndex{fsys, index}
	}
	a, err := archive.OpenFS(fsys, archiveOptions(ctx, o))
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &Source{Archive: a, closers: []func() error{root.Close}}, nil
}

// What the command line may take of memory: so much, and for each entry of the
// archives that are open. That is 700 bytes an entry; those that are missing are
// not the heap's.
const (
	memory     = 64 << 20
	memoryEach = 670
)

// bounded has the garbage collector work as hard as it takes to stay within
// that, where it would else let the heap grow to twice what is in use. What the
// program itself takes is not counted by it, and what main holds without
// touching it is: they are about the same.
func bounded() func(entries int) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(memory)
	}
	last := 0
	return func(entries int) {
		debug.SetMemoryLimit(debug.SetMemoryLimit(-1) + memoryEach*int64(entries-last))
		last = entries
	}
}

func archiveOptions(ctx context.Context, o Options) archive.Options {
	return archive.Options{
		Limits:  o.Limits,
		Tick:    ctx.Err,
		Spool:   func() (archive.Spool, error) { return Temporary() },
		Counted: bounded(),
	}
}
