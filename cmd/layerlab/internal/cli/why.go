package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/show"
	"github.com/layerlab/layerlab/imagecore"
)

func (r *run) whyCommand() *cobra.Command {
	var c common
	cmd := &cobra.Command{
		Use: "why IMAGE PATH", Short: "Show every version of a path: layer, entry, byte, and what hid or replaced it",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return r.why(cmd.Context(), args[0], args[1], &c) },
	}
	c.add(cmd.Flags())
	return cmd
}

func (r *run) why(ctx context.Context, image, name string, c *common) error {
	p, err := r.pick(ctx, image, c)
	if err != nil {
		return err
	}
	defer p.Close()
	name = clean(name)
	versions := p.tree.Versions(name)
	if len(versions) == 0 {
		return pathNotFound(name)
	}
	for _, v := range versions {
		row := show.VersionOf(p.tree, name, v, p.image.Layers)
		if c.json {
			enc := json.NewEncoder(r.out)
			enc.SetEscapeHTML(false)
			err = enc.Encode(row)
		} else {
			_, err = fmt.Fprintln(r.out, row.Text())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// clean turns what a user types into a path of a tree: no slash in front.
func clean(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}

func pathNotFound(name string) error {
	return imagecore.NewError(imagecore.ErrNotFound, "path-not-found", fmt.Sprintf("no path %q in the image", name), "path", name)
}
