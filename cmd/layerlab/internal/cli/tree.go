package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/imagecore/command"
)

func (r *run) treeCommand() *cobra.Command {
	var c common
	var layer, only int
	var digests bool
	cmd := r.simple("tree IMAGE", "Show the merged tree, after any layer", &c, func(j *command.Job) error {
		if layer >= 0 && only >= 0 {
			return usageError{errors.New("--layer and --only-layer exclude each other")}
		}
		j.Layer, j.Only, j.SHA256 = given(layer), given(only), digests
		return nil
	})
	addLayer(cmd.Flags(), &layer, "layer", "the tree after layer N, from 0")
	addLayer(cmd.Flags(), &only, "only-layer", "the own entries of layer N")
	cmd.Flags().BoolVar(&digests, "sha256", false, "the digest of each file's content")
	return cmd
}

func (r *run) whyCommand() *cobra.Command {
	var c common
	return r.withPath("why IMAGE PATH", "Show every version of a path: layer, entry, byte, and what hid or replaced it", &c, func(*command.Job) {})
}

func (r *run) catCommand() *cobra.Command {
	var c common
	var layer int
	cmd := r.withPath("cat IMAGE PATH", "Write a file's bytes; a folder as tar", &c, func(j *command.Job) {
		j.Layer, j.Terminal = given(layer), r.terminal()
	})
	addLayer(cmd.Flags(), &layer, "layer", "as it is after layer N, from 0")
	return cmd
}

func (r *run) wasteCommand() *cobra.Command {
	var c common
	var noContents bool
	var top int
	cmd := r.simple("waste IMAGE", "Show the bytes that no container will see, and what hid them", &c, func(j *command.Job) error {
		j.NoContents, j.Top = noContents, top
		return nil
	})
	cmd.Flags().BoolVar(&noContents, "no-contents", false, "read no file: a rewrite with the same bytes is not told from a change")
	addCount(cmd.Flags(), &top, "top", 20, "paths in the text, 0 for all")
	return cmd
}

func (r *run) verifyCommand() *cobra.Command {
	var c common
	return r.simple("verify IMAGE", "Check every digest and diffID against the bytes", &c, nil)
}
