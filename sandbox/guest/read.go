//go:build !page

package guest

import (
	"encoding/json"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/survey"
	"github.com/layerlab/layerlab/imagecore/tarscan"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// read surveys, and then tells what is needed to store what was found: the
// entries, the documents byte for byte, and where the layers' bytes lie.
func (g *Guest) read(r Request) error {
	if r.Size < 0 {
		return badRequest("negative size")
	}
	p := &progress{host: g.host, total: r.Size}
	a, err := survey.Run(source{g.host, r.Handle}, r.Size, archive.Options{
		Limits: *r.Limits, Access: tarscan.Access{}, Tick: p.tick, Progress: p.set,
	}, tree.Spec, emitter{g.host})
	if err != nil {
		return err
	}
	defer a.Close()
	in, err := g.inside(a)
	if err != nil {
		return err
	}
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	g.host.Emit(KindInside, b)
	return nil
}

func (g *Guest) inside(a *archive.Archive) (*Inside, error) {
	in := &Inside{}
	seen := map[*imagecore.Entry]int{} // the first entry of a list stands for it
	var buf []byte
	for i, img := range a.Report().Images {
		out := InsideImage{Manifest: []byte(img.Manifest.Raw), Config: []byte(img.Config.Raw)}
		for _, v := range img.V1 {
			out.V1 = append(out.V1, []byte(v.Raw))
		}
		for l := range img.Layers {
			layer := InsideLayer{Entries: -1}
			if img.Layers[l].Present {
				place, err := a.Place(i, l)
				if err != nil {
					return nil, err
				}
				layer.Place = &place
			}
			if list := img.Layers[l].Entries; len(list) > 0 {
				n, ok := seen[&list[0]]
				if !ok {
					n = in.Lists
					in.Lists++
					seen[&list[0]] = n
					buf = AppendEntries(buf[:0], list)
					g.host.Emit(KindEntries, buf)
				}
				layer.Entries = n
			}
			out.Layers = append(out.Layers, layer)
		}
		in.Images = append(in.Images, out)
	}
	return in, nil
}
