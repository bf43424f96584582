package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/command"
)

func (r *run) flattenCommand() *cobra.Command {
	var c common
	var output string
	var layer int
	cmd := one("flatten IMAGE -o FILE", "Write the merged tree as one tar", func(ctx context.Context, image string) error {
		if output == "" {
			return usageError{errors.New("name the file by -o, or - for standard output")}
		}
		j, err := c.job(command.Flatten, image)
		if err != nil {
			return err
		}
		j.Layer = given(layer)
		return r.output(ctx, output, func(w io.Writer) error { return r.do(ctx, &c, j, w, image) })
	})
	c.add(cmd.Flags())
	cmd.Flags().StringVarP(&output, "output", "o", "", "file for the tar, - for standard output")
	addLayer(cmd.Flags(), &layer, "layer", "the tree after layer N, from 0")
	return cmd
}

// output lets write fill the file of that name, which appears only when it is
// whole; "-" is standard output.
func (r *run) output(ctx context.Context, name string, write func(io.Writer) error) (err error) {
	if name == "-" {
		if r.terminal() {
			return usageError{errors.New("a tar would spoil the terminal: name a file by -o, or a pipe")}
		}
		return write(stoppable{ctx, r.out})
	}
	// A device or a pipe is written to as it is: it cannot be replaced.
	if info, serr := os.Stat(name); serr == nil && info.IsDir() {
		return imagecore.NewError(imagecore.ErrExists, "is-a-folder", fmt.Sprintf("%q is a folder: name a file in it", name), "path", name)
	} else if serr == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(buffered(stoppable{ctx, f}, write), f.Close())
	}
	if err := parentIsThere(name); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return toTarget(name, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := buffered(stoppable{ctx, f}, write); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// parentIsThere refuses a target whose folder is not there, before an archive
// is read for it.
func parentIsThere(name string) error {
	dir := filepath.Dir(name)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !info.IsDir():
		return imagecore.NewError(imagecore.ErrNotFound, "no-folder", fmt.Sprintf("write %q: there is no folder %q: make it first", name, dir), "path", name, "folder", dir)
	case err != nil:
		return toTarget(name, err)
	}
	return nil
}

// toTarget names the file that was asked for, not the temporary one beside it.
func toTarget(name string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: "write", Path: name, Err: e.Err}
	}
	return fmt.Errorf("write %q: %w", name, err)
}

func buffered(w io.Writer, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(w, 1<<20)
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}

// stoppable is a writer that ends with its context.
type stoppable struct {
	ctx context.Context
	w   io.Writer
}

func (s stoppable) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}
