package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/repack"
	"github.com/layerlab/layerlab/cmd/layerlab/internal/source"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/pack"
)

func (r *run) convertCommand() *cobra.Command {
	var c common
	var output, to string
	cmd := one("convert IMAGE -o FILE --to FORM", "Write the images in another form, digests and all", func(ctx context.Context, image string) error {
		switch {
		case output == "":
			return usageError{errors.New("name the file by -o, or - for standard output")}
		case !slices.Contains(repack.Forms(), to):
			return usageError{fmt.Errorf("--to %q: one of %v is needed", to, repack.Forms())}
		case to == repack.OCIDir && output == "-":
			return usageError{errors.New("a folder cannot be written to standard output: --to oci writes it as one file")}
		case c.sandbox:
			return usageError{errors.New("--sandbox reads archives for inspect; this command reads natively")}
		}
		return r.convert(ctx, image, output, to, &c)
	})
	c.add(cmd.Flags())
	cmd.Flags().StringVarP(&output, "output", "o", "", "file or folder to be written, - for standard output")
	cmd.Flags().StringVar(&to, "to", "", "form: docker-save, docker-v1, oci (one file) or oci-dir (a folder)")
	return cmd
}

func (r *run) convert(ctx context.Context, image, output, to string, c *common) error {
	src, err := r.open(ctx, image, c)
	if err != nil {
		return err
	}
	defer src.Close()
	all := src.Report().Images
	which := make([]int, len(all))
	for i := range all {
		which[i] = i
	}
	if c.ref != "" || c.platform != "" {
		n, err := source.Pick(all, c.choice())
		if err != nil {
			return err
		}
		which = []int{n}
	}
	images, err := repack.Images(ctx, src.Archive, which, to)
	if err != nil {
		return err
	}
	switch to {
	case repack.OCIDir:
		items, err := pack.OCI(images)
		if err != nil {
			return err
		}
		return newFolder(ctx, output, items)
	case repack.OCI:
		items, err := pack.OCI(images)
		if err != nil {
			return err
		}
		return r.output(ctx, output, func(w io.Writer) error { return pack.WriteItems(w, items) })
	case repack.DockerV1:
		return r.output(ctx, output, func(w io.Writer) error { return pack.DockerV1(w, images) })
	}
	return r.output(ctx, output, func(w io.Writer) error { return pack.DockerSave(w, images) })
}

// newFolder writes files and folders into a folder that must not be there, or
// be empty; it appears only when it is whole.
func newFolder(ctx context.Context, name string, items []pack.Item) (err error) {
	entries, err := os.ReadDir(name)
	if err == nil && len(entries) > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		return imagecore.NewError(imagecore.ErrExists, "folder-not-empty", fmt.Sprintf("%q is there: name a new folder, or an empty one", name), "path", name)
	}
	dir, err := os.MkdirTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	for i := range items {
		it := &items[i]
		path := filepath.Join(dir, filepath.FromSlash(it.Path))
		if it.Kind == imagecore.Dir {
			if err := os.MkdirAll(path, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := newFile(ctx, path, it); err != nil {
			return err
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // an empty folder gives way
	}
	return os.Rename(dir, name)
}

func newFile(ctx context.Context, path string, it *pack.Item) (err error) {
	content, err := it.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(stoppable{ctx, f}, content); err != nil {
		return err
	}
	return f.Sync()
}
