package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
)

func (r *run) catCommand() *cobra.Command {
	var c common
	var layer int
	cmd := &cobra.Command{
		Use: "cat IMAGE PATH", Short: "Write a file's bytes; a folder as tar",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.cat(cmd.Context(), args[0], args[1], layer, &c)
		},
	}
	c.add(cmd.Flags())
	addLayer(cmd.Flags(), &layer, "layer", "as it is after layer N, from 0")
	return cmd
}

func (r *run) cat(ctx context.Context, image, name string, layer int, c *common) error {
	p, err := r.pick(ctx, image, c)
	if err != nil {
		return err
	}
	defer p.Close()
	view, err := p.after(layer)
	if err != nil {
		return err
	}
	name = clean(name)
	n, err := view.Resolve(name)
	if err != nil {
		return err
	}
	switch n.Kind() {
	case imagecore.File:
		ref := n.Content()
		tar, err := p.layers()(ref.Layer)
		if err != nil {
			return err
		}
		_, err = io.Copy(stoppable{ctx, onlyWriter{r.out}}, tree.Content(tar, p.tree.Entry(ref)))
		return err
	case imagecore.Dir:
		if f, ok := r.Stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return usageError{fmt.Errorf("%q is a folder, and its tar would spoil the terminal: send it to a file or pipe", name)}
		}
		return pack.Subtree(stoppable{ctx, r.out}, n, p.layers())
	}
	return imagecore.NewError(imagecore.ErrUnsupported, "no-content", fmt.Sprintf("%q is a %s and has no content", name, n.Kind()))
}

// onlyWriter hides the buffer's ReadFrom, so that each piece passes stoppable.
type onlyWriter struct{ *bufio.Writer }
