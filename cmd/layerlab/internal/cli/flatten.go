package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/layerlab/layerlab/imagecore/pack"
)

func (r *run) flattenCommand() *cobra.Command {
	var c common
	var output string
	var layer int
	cmd := one("flatten IMAGE -o FILE", "Write the merged tree as one tar", func(ctx context.Context, image string) error {
		if output == "" {
			return usageError{errors.New("name the file by -o, or - for standard output")}
		}
		p, err := r.pick(ctx, image, &c)
		if err != nil {
			return err
		}
		defer p.Close()
		view, err := p.after(layer)
		if err != nil {
			return err
		}
		return r.output(ctx, output, func(w io.Writer) error {
			return pack.Flatten(w, view, p.layers())
		})
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
		if f, ok := r.Stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return usageError{errors.New("a tar would spoil the terminal: name a file by -o, or a pipe")}
		}
		return write(stoppable{ctx, r.out})
	}
	// A device or a pipe is written to as it is: it cannot be replaced.
	if info, serr := os.Stat(name); serr == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(buffered(stoppable{ctx, f}, write), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
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
