package cli

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/command"
	"github.com/layerlab/layerlab/imagecore/repack"
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
		}
		j, err := c.job(command.Convert, image)
		if err != nil {
			return err
		}
		j.To = to
		write := func(w io.Writer) error { return r.do(ctx, &c, j, w, image) }
		if to == repack.OCIDir {
			return newFolder(output, write)
		}
		return r.output(ctx, output, write)
	})
	c.add(cmd.Flags())
	cmd.Flags().StringVarP(&output, "output", "o", "", "file or folder to be written, - for standard output")
	cmd.Flags().StringVar(&to, "to", "", "form: docker-save, docker-v1, oci (one file) or oci-dir (a folder)")
	return cmd
}

// newFolder makes a folder of the tar that write gives: one that must not be
// there, or be empty. It appears only when it is whole.
func newFolder(name string, write func(io.Writer) error) (err error) {
	entries, err := os.ReadDir(name)
	if err == nil && len(entries) > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		return imagecore.NewError(imagecore.ErrExists, "folder-not-empty", fmt.Sprintf("%q is there: name a new folder, or an empty one", name), "path", name)
	}
	if err := parentIsThere(name); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return toTarget(name, err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	read, write2 := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := write(write2)
		done <- err
		write2.CloseWithError(err)
	}()
	uerr := unpack(dir, read)
	read.CloseWithError(uerr)
	if err := <-done; err != nil {
		return err // why there is too little to unpack
	}
	if uerr != nil {
		return uerr
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // an empty folder gives way
	}
	return os.Rename(dir, name)
}

// unpack writes the files and folders of a tar into a folder and nowhere else,
// whatever the sandbox may have handed out.
func unpack(dir string, r io.Reader) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, r)
			return err
		}
		if err != nil {
			return err
		}
		name := filepath.FromSlash(h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(filepath.Clean(name), 0o755)
		case tar.TypeReg:
			if err = root.MkdirAll(filepath.Dir(name), 0o755); err == nil {
				err = newFile(root, name, tr)
			}
		default:
			err = imagecore.NewError(imagecore.ErrInvalid, "bad-layout", fmt.Sprintf("a layout holds files and folders, not %q", h.Name))
		}
		if err != nil {
			return err
		}
	}
}

func newFile(root *os.Root, name string, content io.Reader) (err error) {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	return f.Sync()
}
