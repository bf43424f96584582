package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/show"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
)

// differ prints changes and counts them.
type differ struct {
	*run
	json  bool
	found bool
	sums  *diff.Summary // nil: the changes themselves
}

func (r *run) diffCommand() *cobra.Command {
	var c common
	var layer, layer2 int
	var ref2 string
	var exit, summary bool
	cmd := &cobra.Command{
		Use:   "diff IMAGE [IMAGE2]",
		Short: "Show what was added, changed and deleted: by each layer, or between two images",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			d := &differ{run: r, json: c.json}
			if summary {
				d.sums = &diff.Summary{}
			}
			p, err := r.pick(ctx, args[0], &c)
			if err != nil {
				return err
			}
			defer p.Close()
			if err := p.checkLayer(layer); err != nil {
				return err
			}
			switch {
			case len(args) == 2:
				c2 := c
				if ref2 != "" {
					c2.ref = ref2
				}
				q, err := r.pick(ctx, args[1], &c2)
				if err != nil {
					return err
				}
				defer q.Close()
				err = d.views(ctx, p, layer, q, layer2)
				if err != nil {
					return err
				}
			case layer2 >= 0:
				if err := d.views(ctx, p, layer, p, layer2); err != nil {
					return err
				}
			default:
				if err := d.layers(ctx, p, layer); err != nil {
					return err
				}
			}
			if d.sums != nil {
				if err := show.Summary(r.out, d.sums, c.json); err != nil {
					return err
				}
			}
			if exit && d.found {
				return errNo
			}
			return nil
		},
	}
	f := cmd.Flags()
	c.add(f)
	addLayer(f, &layer, "layer", "with one image: this layer's changes; with two: the tree after this layer")
	addLayer(f, &layer2, "layer2", "the second tree is the one after this layer")
	f.StringVar(&ref2, "ref2", "", "like --ref, for IMAGE2")
	f.BoolVar(&summary, "summary", false, "bytes gained and lost: in total, by layer, command and folder")
	f.BoolVar(&exit, "exit-code", false, "exit with 1 if anything differs")
	return cmd
}

// views prints what differs between two trees.
func (d *differ) views(ctx context.Context, p *picked, layer int, q *picked, layer2 int) error {
	before, err := p.after(layer)
	if err != nil {
		return err
	}
	after, err := q.after(layer2)
	if err != nil {
		return err
	}
	first, second := 0, 0 // numbers of the images, where there are two
	if p != q {
		first, second = 1, 2
	}
	if d.sums != nil {
		d.sums.Growth(p.image.Layers[:before.Layers()], q.image.Layers[:after.Layers()], first, second)
	}
	changes := diff.Trees(before, after, diff.SameContent(p.layers(), q.layers()))
	return d.print(ctx, changes, func(ch diff.Change) maker {
		// The layer of what is there now, else of what was.
		if ch.After != nil {
			return maker{second, &q.image.Layers[ch.After.Layer()]}
		}
		return maker{first, &p.image.Layers[ch.Before.Layer()]}
	})
}

// layers prints each layer's changes against those below, or one layer's.
func (d *differ) layers(ctx context.Context, p *picked, only int) error {
	for n := range p.image.Layers {
		if only >= 0 && n != only {
			continue
		}
		if only < 0 && !d.json && d.sums == nil {
			if err := show.LayerTitle(d.out, &p.image.Layers[n]); err != nil {
				return err
			}
		}
		if d.sums != nil {
			d.sums.Carried(0, &p.image.Layers[n])
		}
		changes := diff.Layer(p.tree, n, diff.SameContent(p.layers(), p.layers()))
		if err := d.print(ctx, changes, func(diff.Change) maker { return maker{0, &p.image.Layers[n]} }); err != nil {
			return err
		}
	}
	return nil
}

// maker is the layer that made a change, of which image.
type maker struct {
	image int // as in diff.LayerTally
	layer *imagecore.Layer
}

func (d *differ) print(ctx context.Context, changes iter.Seq2[diff.Change, error], by func(diff.Change) maker) error {
	enc := json.NewEncoder(d.out)
	enc.SetEscapeHTML(false)
	for ch, err := range changes {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if ch.Implied { // comes with the paths beneath it
			continue
		}
		d.found = true
		made := by(ch)
		switch {
		case d.sums != nil:
			d.sums.Change(ch, made.image, made.layer)
		case d.json:
			err = enc.Encode(diff.JSON(ch, made.layer.Index))
		default:
			_, err = fmt.Fprintf(d.out, "%c %s\n", ch.Kind, diff.Quote(ch.Path))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
