//go:build linux

package inside

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// maxSmallFile bounds what is read of /etc/passwd and /etc/group, in bytes.
const maxSmallFile = 1 << 20

// Layers gives the uncompressed tar of a layer of an image.
type Layers interface {
	LayerAt(ctx context.Context, id digest.Digest, layer int) (Layer, error)
}

// Layer is random access to a layer's uncompressed tar.
type Layer interface {
	io.ReaderAt
	io.Closer
}

// ImageFiles reads files of an image's merged tree from the bytes of its
// layers: no path of the image is ever walked on the host.
type ImageFiles struct {
	ctx    context.Context // of the one call that this value serves
	images Layers
	image  digest.Digest
	view   *tree.View
}

// OfImage reads files of an image whose merged tree is view, for the one call that
// ctx is of.
func OfImage(ctx context.Context, images Layers, image digest.Digest, view *tree.View) *ImageFiles {
	return &ImageFiles{ctx: ctx, images: images, image: image, view: view}
}

// ReadFile implements bundle.Files.
func (f *ImageFiles) ReadFile(path string) ([]byte, error) {
	n, err := f.view.Resolve(strings.TrimPrefix(path, "/"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	if n.Kind() != imagecore.File {
		return nil, imagecore.NewError(imagecore.ErrInvalid, "not-a-file", path+" of the image is not a file", "path", path)
	}
	if n.Size() > maxSmallFile {
		return nil, tooLarge(path)
	}
	ref := n.Content()
	layer, err := f.images.LayerAt(f.ctx, f.image, ref.Layer)
	if err != nil {
		return nil, fmt.Errorf("read %s of the image: %w", path, err)
	}
	defer layer.Close()
	data, err := io.ReadAll(tree.Content(layer, f.view.Tree().Entry(ref)))
	if err != nil {
		return nil, fmt.Errorf("read %s of the image: %w", path, err)
	}
	return data, nil
}

// RootFiles reads files of a running container as its processes see them. The
// container is hostile: openat2 keeps links within its root and away from
// magic ones, and what is not a plain file is not read.
type RootFiles struct{ root *os.File }

// OfRoot reads beneath an open root, which stays the caller's.
func OfRoot(root *os.File) *RootFiles { return &RootFiles{root} }

// OpenRoot opens the root that a process has. The caller closes it.
func OpenRoot(pid int) (*RootFiles, error) {
	root, err := os.OpenFile(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("root of process %d: %w", pid, err)
	}
	return &RootFiles{root: root}, nil
}

// ReadFile implements bundle.Files.
func (r *RootFiles) ReadFile(path string) ([]byte, error) {
	fd, err := unix.Openat2(int(r.root.Fd()), strings.TrimPrefix(path, "/"), &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &os.PathError{Op: "openat2", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, imagecore.NewError(imagecore.ErrInvalid, "not-a-file", path+" of the container is not a file", "path", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSmallFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSmallFile {
		return nil, tooLarge(path)
	}
	return data, nil
}

// Close lets go of the root.
func (r *RootFiles) Close() error { return r.root.Close() }

func tooLarge(path string) error {
	return imagecore.NewError(imagecore.ErrTooLarge, "file-too-large", path+": more than 1 MiB", "path", path)
}
