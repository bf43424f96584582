package command

import (
	"fmt"
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/choose"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/repack"
	"github.com/layerlab/layerlab/imagecore/tree"
)

func (r *run) cat() error {
	p, err := r.pick()
	if err != nil {
		return err
	}
	view, err := p.after(r.Layer)
	if err != nil {
		return err
	}
	n, err := view.Resolve(string(r.Path))
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
		_, err = io.Copy(r.out, tree.Content(tar, p.tree.Entry(ref)))
		return err
	case imagecore.Dir:
		if r.Terminal {
			return imagecore.NewError(imagecore.ErrUnsupported, "terminal",
				fmt.Sprintf("%q is a folder, and its tar would spoil the terminal: send it to a file or pipe", r.Path))
		}
		return pack.Subtree(r.out, n, p.layers())
	}
	return imagecore.NewError(imagecore.ErrUnsupported, "no-content", fmt.Sprintf("%q is a %s and has no content", r.Path, n.Kind()))
}

func (r *run) flatten() error {
	p, err := r.pick()
	if err != nil {
		return err
	}
	view, err := p.after(r.Layer)
	if err != nil {
		return err
	}
	return pack.Flatten(r.out, view, p.layers())
}

// convert writes one tar, also for the form that is a folder: its files.
func (r *run) convert() error {
	a := r.archives[0]
	which, err := choose.All(a.Report().Images, r.Choice)
	if err != nil {
		return err
	}
	images, err := repack.Images(r.ctx, a, which, r.To)
	if err != nil {
		return err
	}
	switch r.To {
	case repack.OCI, repack.OCIDir:
		items, err := pack.OCI(images)
		if err != nil {
			return err
		}
		return pack.WriteItems(r.out, items)
	case repack.DockerV1:
		return pack.DockerV1(r.out, images)
	case repack.DockerSave:
		return pack.DockerSave(r.out, images)
	}
	return imagecore.NewError(imagecore.ErrUnsupported, "unsupported-form", fmt.Sprintf("--to %q: one of %v is needed", r.To, repack.Forms()))
}
