//go:build linux

package engine

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// maxSmallFile bounds what is read of /etc/passwd and /etc/group, in bytes.
const maxSmallFile = 1 << 20

// layerFiles reads files of an image's merged tree from the bytes of its
// layers: no path of the image is ever walked on the host.
type layerFiles struct {
	ctx    context.Context // of the one call that this value serves
	images Images
	image  digest.Digest
	view   *tree.View
}

// ReadFile implements bundle.Files.
func (f *layerFiles) ReadFile(path string) ([]byte, error) {
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

// rootFiles reads files of a running container as its processes see them. The
// container is hostile: openat2 keeps links within its root and away from
// magic ones, and what is not a plain file is not read.
type rootFiles struct{ root *os.File }

func openRoot(pid int) (*rootFiles, error) {
	root, err := os.OpenFile(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("root of process %d: %w", pid, err)
	}
	return &rootFiles{root: root}, nil
}

// ReadFile implements bundle.Files.
func (r *rootFiles) ReadFile(path string) ([]byte, error) {
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

func (r *rootFiles) Close() error { return r.root.Close() }

func tooLarge(path string) error {
	return imagecore.NewError(imagecore.ErrTooLarge, "file-too-large", path+": more than 1 MiB", "path", path)
}

// keepTrees is the number of merged trees kept in memory: about 700 bytes an
// entry each. The store keeps some too, together with what it scanned, and
// forgets them by its own needs; a container's changes are read every second.
const keepTrees = 3

// trees keeps the merged trees that were asked for last.
type trees struct {
	images Images

	mu   sync.Mutex
	kept []keptTree // the one used last stands last
}

type keptTree struct {
	image digest.Digest
	tree  *tree.Tree
}

func newTrees(images Images) *trees { return &trees{images: images} }

// get merges an image that is not kept. Others need not wait for it: a large
// one takes seconds. Two who ask for the same one at once get the store's.
func (t *trees) get(ctx context.Context, image digest.Digest) (*tree.Tree, error) {
	if made := t.find(image); made != nil {
		return made, nil
	}
	made, err := t.images.Tree(ctx, image)
	if err != nil {
		return nil, fmt.Errorf("merged tree of image %s: %w", image, err)
	}
	if other := t.find(image); other != nil {
		return other, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, keptTree{image: image, tree: made})
	if len(t.kept) > keepTrees {
		t.kept = t.kept[1:]
	}
	return made, nil
}

// find returns a kept tree, or nil.
func (t *trees) find(image digest.Digest) *tree.Tree {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, k := range t.kept {
		if k.image == image {
			t.kept = append(append(t.kept[:i:i], t.kept[i+1:]...), k)
			return k.tree
		}
	}
	return nil
}
