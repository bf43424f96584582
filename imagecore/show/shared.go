package show

import (
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
)

// stacked is a layer on those beneath it, with what stands on it.
type stacked struct {
	layer  *imagecore.Layer
	above  []*stacked
	images []*imagecore.Image // whose top it is
	under  int                // images that it is in
}

// shared writes the tree of an archive's images by the layers that they stand on,
// with what each shares and what is its own; nothing where no two images share
// any. A layer is the same where all beneath it are: it goes by its chainID.
func shared(w io.Writer, images []imagecore.Image) {
	root := &stacked{}
	known := map[digest.Digest]*stacked{}
	var once, each int64
	for i := range images {
		at := root
		for l := range images[i].Layers {
			layer := &images[i].Layers[l]
			next, ok := known[layer.ChainID]
			if !ok {
				next = &stacked{layer: layer}
				known[layer.ChainID] = next
				at.above = append(at.above, next)
				once += layer.TarSize
			}
			each += layer.TarSize
			next.under++
			at = next
		}
		at.images = append(at.images, &images[i])
	}
	if once == each {
		return
	}
	fmt.Fprintf(w, "\n%d images by the layers that they share: %s of layers, %s if each had its own\n\n", len(images), Bytes(once), Bytes(each))
	root.write(w, 1, 0, 0)
}

// write writes what stands on a layer. all are the bytes of the layers so far, own
// those of them that are in one image.
func (s *stacked) write(w io.Writer, depth int, all, own int64) {
	indent := strings.Repeat("  ", depth)
	for _, img := range s.images {
		name := "<none> " + short(img.ID)
		if len(img.Refs) > 0 {
			name = diff.Quote(img.Refs[0])
		}
		fmt.Fprintf(w, "%simage %s  %s, shared %s, own %s\n", indent, name, Bytes(all), Bytes(all-own), Bytes(own))
	}
	if len(s.images)+len(s.above) == 1 {
		depth-- // a chain without a branch stays where it is
	}
	for _, up := range s.above {
		more := int64(0)
		if up.under == 1 {
			more = up.layer.TarSize
		}
		fmt.Fprintf(w, "%s%s  %s  %s\n", strings.Repeat("  ", depth+1), short(up.layer.DiffID), Bytes(up.layer.TarSize), Text(up.layer.CreatedBy))
		up.write(w, depth+1, all+up.layer.TarSize, own+more)
	}
}
