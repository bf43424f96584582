package cli

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/show"
	"github.com/layerlab/layerlab/imagecore"
)

func (r *run) inspectCommand() *cobra.Command {
	var c common
	var explain bool
	cmd := one("inspect IMAGE", "Show what an archive holds: images, layers, ids, history, warnings", func(ctx context.Context, image string) error {
		if explain {
			return r.explain(ctx, image, &c)
		}
		raw, err := r.report(ctx, image, &c)
		if err != nil {
			return err
		}
		if c.json {
			_, err := r.out.Write(append(raw, '\n'))
			return err
		}
		var report imagecore.Report
		if err := json.Unmarshal(raw, &report); err != nil {
			return err
		}
		return show.Report(r.out, &report)
	})
	c.add(cmd.Flags())
	cmd.Flags().BoolVar(&explain, "explain", false, "show what the ids are digests of, computed anew from the bytes")
	return cmd
}
