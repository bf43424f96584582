//go:build linux

package snapshot

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/tree"
)

// Fill makes in a folder that is there, and is empty, what changes list: the
// folder itself first, with the path "". It is how a volume begins with what
// the image has at its place. Names are made as Unpack makes them; what has
// been made when an error comes stays.
func Fill(ctx context.Context, dir string, t *tree.Tree, changes []tree.LayerChange, content func(layer int) (io.ReaderAt, error), o UnpackOptions) error {
	root, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(root)
	if err := Execute(ctx, root, Located(t, changes), content, o); err != nil {
		return fmt.Errorf("fill %s: %w", dir, err)
	}
	return os.NewSyscallError("syncfs", unix.Syncfs(root))
}
