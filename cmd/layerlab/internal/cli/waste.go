package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/contents"
	"github.com/layerlab/layerlab/cmd/layerlab/internal/show"
	"github.com/layerlab/layerlab/imagecore/audit"
	"github.com/layerlab/layerlab/imagecore/tree"
)

func (r *run) wasteCommand() *cobra.Command {
	var c common
	var noContents bool
	var top int
	cmd := one("waste IMAGE", "Show the bytes that no container will see, and what hid them", func(ctx context.Context, image string) error {
		p, err := r.pick(ctx, image, &c)
		if err != nil {
			return err
		}
		defer p.Close()
		report, err := p.audit(ctx, !noContents)
		if err != nil {
			return err
		}
		w := show.Waste{Report: report, Tree: p.tree, Layers: p.image.Layers}
		if c.json {
			return w.JSON(r.out)
		}
		return w.Text(r.out, top)
	})
	c.add(cmd.Flags())
	cmd.Flags().BoolVar(&noContents, "no-contents", false, "read no file: a rewrite with the same bytes is not told from a change")
	cmd.Flags().IntVar(&top, "top", 20, "paths in the text, 0 for all")
	return cmd
}

// audit finds the image's waste; contents says whether files may be read.
func (p *picked) audit(ctx context.Context, read bool) (*audit.Report, error) {
	var sums audit.Sums
	if read {
		sums = func(refs []tree.Ref) (map[tree.Ref]string, error) {
			return contents.SumEntries(ctx, p.tree, refs, p.layers())
		}
	}
	return audit.Waste(p.tree, p.image.Layers, sums)
}
