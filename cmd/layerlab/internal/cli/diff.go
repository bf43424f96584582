package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/imagecore/command"
)

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
			j, err := c.job(command.Diff, args[0])
			if err != nil {
				return err
			}
			j.Layer, j.Layer2, j.Ref2, j.Summary = given(layer), given(layer2), ref2, summary
			err = r.print(cmd.Context(), &c, j, args...)
			if errors.Is(err, errNo) && !exit {
				return nil
			}
			return err
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
