package command

import (
	"fmt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/choose"
	"github.com/layerlab/layerlab/imagecore/contents"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// picked is the one image that a job is about, with its merged tree.
type picked struct {
	*archive.Archive
	number int // of the image in the archive
	image  *imagecore.Image
	tree   *tree.Tree
}

// pick takes the one image that the job means out of the first archive.
func (r *run) pick() (*picked, error) { return r.pickFrom(r.archives[0], r.Choice) }

func (r *run) pickFrom(a *archive.Archive, c choose.Choice) (*picked, error) {
	images := a.Report().Images
	n, err := choose.Pick(images, c)
	if err != nil {
		return nil, err
	}
	t, err := tree.Build(images[n].Layers, r.Lens)
	if err != nil {
		return nil, err
	}
	return &picked{Archive: a, number: n, image: &images[n], tree: t}, nil
}

// layers opens the picked image's layers as diff and pack want them.
func (p *picked) layers() contents.Layers { return contents.Of(p.Archive, p.number) }

// checkLayer refuses numbers of layers that the image does not have.
func (p *picked) checkLayer(n *int) error {
	if n != nil && (*n < 0 || *n >= len(p.image.Layers)) {
		return imagecore.NewError(imagecore.ErrNotFound, "layer-not-found",
			fmt.Sprintf("no layer %d: the image has %d, counted from 0", *n, len(p.image.Layers)), "layer", fmt.Sprint(*n))
	}
	return nil
}

// after is the merged tree after layer n, nil for the whole stack; it refuses
// what checkLayer refuses.
func (p *picked) after(n *int) (*tree.View, error) {
	if err := p.checkLayer(n); err != nil {
		return nil, err
	}
	if n == nil {
		return p.tree.Top(), nil
	}
	return p.tree.View(*n + 1), nil
}
