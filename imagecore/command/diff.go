package command

import (
	"fmt"
	"iter"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/show"
)

// differ prints changes and counts them.
type differ struct {
	*run
	found bool
	sums  *diff.Summary // nil: the changes themselves
}

// diff says whether nothing differs.
func (r *run) diff() (bool, error) {
	d := &differ{run: r}
	if r.Summary {
		d.sums = &diff.Summary{}
	}
	p, err := r.pick()
	if err != nil {
		return false, err
	}
	if err := p.checkLayer(r.Layer); err != nil {
		return false, err
	}
	switch {
	case len(r.archives) == 2:
		c := r.Choice
		if r.Ref2 != "" {
			c.Ref = r.Ref2
		}
		q, err := r.pickFrom(r.archives[1], c)
		if err != nil {
			return false, fmt.Errorf("the second image: %w", err)
		}
		err = d.views(p, q)
		if err != nil {
			return false, err
		}
	case r.Layer2 != nil:
		if err := d.views(p, p); err != nil {
			return false, err
		}
	default:
		if err := d.layers(p); err != nil {
			return false, err
		}
	}
	if d.sums != nil {
		if err := show.Summary(r.out, d.sums, r.JSON); err != nil {
			return false, err
		}
	}
	return !d.found, nil
}

// views prints what differs between two trees.
func (d *differ) views(p, q *picked) error {
	before, err := p.after(d.Layer)
	if err != nil {
		return err
	}
	after, err := q.after(d.Layer2)
	if err != nil {
		return err
	}
	first, second := 0, 0 // numbers of the images, where there are two
	if p != q {
		first, second = 1, 2
	}
	if d.sums != nil {
		d.sums.Growth(p.image.Layers[:before.Layers()], q.image.Layers[:after.Layers()], first, second)
	}
	changes := diff.Trees(before, after, diff.SameContent(p.layers(), q.layers()))
	return d.print(changes, func(ch diff.Change) maker {
		// The layer of what is there now, else of what was.
		if ch.After != nil {
			return maker{second, &q.image.Layers[ch.After.Layer()]}
		}
		return maker{first, &p.image.Layers[ch.Before.Layer()]}
	})
}

// layers prints each layer's changes against those below, or one layer's.
func (d *differ) layers(p *picked) error {
	for n := range p.image.Layers {
		if d.Layer != nil && n != *d.Layer {
			continue
		}
		if d.Layer == nil && !d.JSON && d.sums == nil {
			if err := show.LayerTitle(d.out, &p.image.Layers[n]); err != nil {
				return err
			}
		}
		if d.sums != nil {
			d.sums.Carried(0, &p.image.Layers[n])
		}
		changes := diff.Layer(p.tree, n, diff.SameContent(p.layers(), p.layers()))
		if err := d.print(changes, func(diff.Change) maker { return maker{0, &p.image.Layers[n]} }); err != nil {
			return err
		}
	}
	return nil
}

// maker is the layer that made a change, of which image.
type maker struct {
	image int // as in diff.LayerTally
	layer *imagecore.Layer
}

func (d *differ) print(changes iter.Seq2[diff.Change, error], by func(diff.Change) maker) error {
	enc := d.encoder()
	for ch, err := range changes {
		if err == nil {
			err = d.ctx.Err()
		}
		if err != nil {
			return err
		}
		if ch.Implied { // comes with the paths beneath it
			continue
		}
		d.found = true
		made := by(ch)
		switch {
		case d.sums != nil:
			d.sums.Change(ch, made.image, made.layer)
		case d.JSON:
			err = enc.Encode(diff.JSON(ch, made.layer.Index))
		default:
			_, err = fmt.Fprintf(d.out, "%c %s\n", ch.Kind, diff.Quote(ch.Path))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
