package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/contents"
	"github.com/layerlab/layerlab/cmd/layerlab/internal/show"
	"github.com/layerlab/layerlab/cmd/layerlab/internal/source"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// picked is an opened image with the merged tree that was asked for.
type picked struct {
	*source.Source
	number int // of the image in the archive
	image  *imagecore.Image
	tree   *tree.Tree
}

// layerAt is the picked image's layers as diff and pack want them.
func (p *picked) layers() contents.Layers {
	return func(layer int) (contents.ReaderAt, error) {
		ra, _, err := p.LayerAt(p.number, layer)
		return ra, err
	}
}

// pick opens an archive, takes the one image that the options mean and builds
// its tree.
func (r *run) pick(ctx context.Context, image string, c *common) (*picked, error) {
	lens, err := c.lens()
	if err != nil {
		return nil, err
	}
	if c.sandbox {
		return nil, usageError{fmt.Errorf("--sandbox reads archives for inspect; this command reads natively")}
	}
	src, err := r.open(ctx, image, c)
	if err != nil {
		return nil, err
	}
	p, err := build(src, c.choice(), lens)
	if err != nil {
		_ = src.Close() // only read: nothing can be lost
		return nil, err
	}
	return p, nil
}

func build(src *source.Source, choice source.Choice, lens tree.Lens) (*picked, error) {
	images := src.Report().Images
	n, err := source.Pick(images, choice)
	if err != nil {
		return nil, err
	}
	t, err := tree.Build(images[n].Layers, lens)
	if err != nil {
		return nil, err
	}
	return &picked{Source: src, number: n, image: &images[n], tree: t}, nil
}

// checkLayer refuses numbers of layers that the image does not have; -1 is
// "not given".
func (p *picked) checkLayer(n int) error {
	if n < -1 || n >= len(p.image.Layers) {
		return imagecore.NewError(imagecore.ErrNotFound, "layer-not-found",
			fmt.Sprintf("no layer %d: the image has %d, counted from 0", n, len(p.image.Layers)), "layer", fmt.Sprint(n))
	}
	return nil
}

// after is the merged tree after layer n, -1 for the whole stack; it refuses
// what checkLayer refuses.
func (p *picked) after(n int) (*tree.View, error) {
	if err := p.checkLayer(n); err != nil {
		return nil, err
	}
	if n < 0 {
		return p.tree.Top(), nil
	}
	return p.tree.View(n + 1), nil
}

func (r *run) treeCommand() *cobra.Command {
	var c common
	var layer, only int
	var digests bool
	cmd := one("tree IMAGE", "Show the merged tree, after any layer", func(ctx context.Context, image string) error {
		if layer >= 0 && only >= 0 {
			return usageError{fmt.Errorf("--layer and --only-layer exclude each other")}
		}
		p, err := r.pick(ctx, image, &c)
		if err != nil {
			return err
		}
		defer p.Close()
		if only >= 0 {
			if err := p.checkLayer(only); err != nil {
				return err
			}
			return r.entries(ctx, p, only, digests, c.json)
		}
		view, err := p.after(layer)
		if err != nil {
			return err
		}
		return r.nodes(ctx, p, view, nil, digests, c.json)
	})
	c.add(cmd.Flags())
	addLayer(cmd.Flags(), &layer, "layer", "the tree after layer N, from 0")
	addLayer(cmd.Flags(), &only, "only-layer", "the own entries of layer N")
	cmd.Flags().BoolVar(&digests, "sha256", false, "the digest of each file's content")
	return cmd
}

// nodes prints the paths of a view that match keeps; nil keeps all.
func (r *run) nodes(ctx context.Context, p *picked, view *tree.View, keep func(tree.Node) bool, digests, asJSON bool) error {
	var sums contents.Sums
	if digests {
		var err error
		if sums, err = contents.SumView(ctx, p.tree, view, keep, p.layers()); err != nil {
			return err
		}
	}
	enc := json.NewEncoder(r.out)
	enc.SetEscapeHTML(false)
	for n := range view.All() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if keep != nil && !keep(n) {
			continue
		}
		sum := ""
		if n.Kind() == imagecore.File {
			sum = sums[n.Content()]
		}
		var err error
		if asJSON {
			e := diff.Entry(n)
			e.SHA256 = sum
			err = enc.Encode(e)
		} else {
			err = show.Node(r.out, n, sum)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entries prints the records of one layer, in the order of its tar.
func (r *run) entries(ctx context.Context, p *picked, layer int, digests, asJSON bool) error {
	entries := p.image.Layers[layer].Entries
	var sums contents.Sums
	if digests {
		var err error
		if sums, err = contents.SumLayer(ctx, p.tree, layer, len(entries), p.layers()); err != nil {
			return err
		}
	}
	enc := json.NewEncoder(r.out)
	enc.SetEscapeHTML(false)
	for i := range entries {
		e := &entries[i]
		sum := sums[tree.Ref{Layer: layer, Entry: i}]
		var err error
		if asJSON {
			j := diff.RawEntry(layer, e)
			j.SHA256 = sum
			err = enc.Encode(j)
		} else {
			err = show.Entry(r.out, layer, e, sum)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
