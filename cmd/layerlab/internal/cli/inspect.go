package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/command"
)

func (r *run) inspectCommand() *cobra.Command {
	var c common
	var explain, history bool
	var dockerfile string
	cmd := r.simple("inspect IMAGE", "Show what an archive holds: images, layers, ids, history, warnings", &c, func(j *command.Job) error {
		j.Explain, j.History = explain, history || dockerfile != ""
		if dockerfile == "" {
			return nil
		}
		text, err := readSmall(dockerfile)
		j.Dockerfile = command.Bytes(text)
		return err
	})
	cmd.Flags().BoolVar(&explain, "explain", false, "show what the ids are digests of, computed anew from the bytes")
	cmd.Flags().BoolVar(&history, "history", false, "tell the history by the lines of a Dockerfile, each with its layer")
	cmd.Flags().StringVar(&dockerfile, "dockerfile", "", "the Dockerfile that the image was built from: its lines, each with its layer")
	return cmd
}

// readSmall reads a file of at most a megabyte.
func readSmall(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > 1<<20 {
		return nil, imagecore.NewError(imagecore.ErrTooLarge, "dockerfile-too-large", name+" is larger than a megabyte: no Dockerfile is", "path", name)
	}
	return os.ReadFile(name)
}
