package command

import (
	"fmt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/contents"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/show"
	"github.com/layerlab/layerlab/imagecore/tree"
)

func (r *run) tree() error {
	p, err := r.pick()
	if err != nil {
		return err
	}
	if r.Only != nil {
		if err := p.checkLayer(r.Only); err != nil {
			return err
		}
		return r.entries(p, *r.Only)
	}
	view, err := p.after(r.Layer)
	if err != nil {
		return err
	}
	return r.nodes(p, view, nil)
}

// nodes prints the paths of a view that keep keeps; nil keeps all.
func (r *run) nodes(p *picked, view *tree.View, keep func(tree.Node) bool) error {
	var sums contents.Sums
	if r.SHA256 {
		var err error
		if sums, err = contents.SumView(r.ctx, p.tree, view, keep, p.layers()); err != nil {
			return err
		}
	}
	enc := r.encoder()
	for n := range view.All() {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if keep != nil && !keep(n) {
			continue
		}
		sum := ""
		if n.Kind() == imagecore.File {
			sum = sums[n.Content()]
		}
		var err error
		if r.JSON {
			e := diff.Entry(n)
			e.SHA256 = sum
			err = enc.Encode(e)
		} else {
			err = show.Node(r.out, n, sum)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entries prints the records of one layer, in the order of its tar.
func (r *run) entries(p *picked, layer int) error {
	entries := p.image.Layers[layer].Entries
	var sums contents.Sums
	if r.SHA256 {
		var err error
		if sums, err = contents.SumLayer(r.ctx, p.tree, layer, len(entries), p.layers()); err != nil {
			return err
		}
	}
	enc := r.encoder()
	for i := range entries {
		e := &entries[i]
		sum := sums[tree.Ref{Layer: layer, Entry: i}]
		var err error
		if r.JSON {
			j := diff.RawEntry(layer, e)
			j.SHA256 = sum
			err = enc.Encode(j)
		} else {
			err = show.Entry(r.out, layer, e, sum)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) why() error {
	p, err := r.pick()
	if err != nil {
		return err
	}
	path := string(r.Path)
	versions := p.tree.Versions(path)
	if len(versions) == 0 {
		return imagecore.NewError(imagecore.ErrNotFound, "path-not-found", fmt.Sprintf("no path %q in the image", path), "path", path)
	}
	enc := r.encoder()
	for _, v := range versions {
		row := show.VersionOf(p.tree, path, v, p.image.Layers)
		if r.JSON {
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
