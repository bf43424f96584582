package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/settings"
	"github.com/layerlab/layerlab/imagecore/command"
)

func (r *run) findCommand() *cobra.Command {
	var c common
	var f command.Filter
	var layer int
	var digests bool
	cmd := &cobra.Command{
		Use: "find IMAGE [PATTERN]", Short: "Find paths of the merged tree by name, size, type, mode or layer",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			j, err := c.job(command.Find, args[0])
			if err != nil {
				return err
			}
			j.Layer, j.SHA256, j.Filter = given(layer), digests, f
			if len(args) > 1 {
				j.Filter.Pattern = command.Bytes(args[1])
			}
			if f.Size != "" {
				if j.Filter.Size, err = inBytes(f.Size); err != nil {
					return usageError{err}
				}
			}
			return r.print(cmd.Context(), &c, j, args[0])
		},
	}
	c.add(cmd.Flags())
	cmd.Flags().BoolVar(&f.Regex, "regex", false, "PATTERN is a regular expression for the whole path, not a file name pattern")
	cmd.Flags().StringVar(&f.Size, "size", "", "files of more (+1M), less (-1M) or exactly (1M) that many bytes")
	cmd.Flags().StringVar(&f.Type, "type", "", "f file, d folder, l symbolic link, c and b devices, p pipe")
	cmd.Flags().BoolVar(&f.Setuid, "setuid", false, "files that run as their owner or group")
	addLayer(cmd.Flags(), &layer, "layer", "paths that layer N wrote")
	cmd.Flags().BoolVar(&digests, "sha256", false, "the digest of each file's content")
	return cmd
}

// inBytes turns +1M into +1048576.
func inBytes(text string) (string, error) {
	number := strings.TrimLeft(text, "+-")
	sign := text[:len(text)-len(number)]
	size, err := settings.ParseSize(number)
	if err != nil {
		return "", err
	}
	if len(sign) > 1 {
		return "", fmt.Errorf("--size %s: one sign at most", text)
	}
	return sign + fmt.Sprint(size), nil
}
