// Package survey is the one job that runs natively, under wazero and in the
// browser, with the same bytes as its result:
//
//	archive → archive.Open → tree.Build for each image → report JSON, an index for each image
//
// The results go to a Sink in a fixed order, the report first, so that a page
// can show the layers before it has the merged trees.
package survey

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/index"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Sink takes the results. An error ends the job and is returned as it is. The
// bytes are the Sink's.
type Sink interface {
	// Report is called once, with an imagecore.Report as JSON.
	Report(b []byte) error
	// Index is called once for each image, in their order, with the binary
	// form that package index describes.
	Index(image int, b []byte) error
}

// Run surveys the archive in the first size bytes of src. It returns the open
// archive, for contents to be read from, which the caller closes.
func Run(src io.ReaderAt, size int64, o archive.Options, lens tree.Lens, sink Sink) (*archive.Archive, error) {
	a, err := archive.Open(src, size, o)
	if err != nil {
		return nil, err
	}
	if err := Of(a, lens, o.Tick, sink); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Of surveys an archive that is open already. tick, if set, is asked before
// each image. The archive stays open, also where an error is returned.
func Of(a *archive.Archive, lens tree.Lens, tick func() error, sink Sink) error {
	// The report comes first and has the warnings of all trees, so the indexes,
	// some 30 bytes an entry, wait; the trees, ten times as large, do not.
	indexes := make([][]byte, len(a.Report().Images))
	report, err := all(a, tick, func(image int) (found []imagecore.Warning, err error) {
		indexes[image], found, err = indexed(a, image, lens)
		return found, err
	})
	if err != nil {
		return err
	}
	b, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := sink.Report(b); err != nil {
		return err
	}
	for i, b := range indexes {
		if err := sink.Index(i, b); err != nil {
			return err
		}
	}
	return nil
}

// Report is Of without indexes: what the archive holds, with the warnings of
// all merged trees. The images are the archive's own.
func Report(a *archive.Archive, lens tree.Lens, tick func() error) (*imagecore.Report, error) {
	return all(a, tick, func(image int) ([]imagecore.Warning, error) {
		_, found, err := merge(a, image, lens)
		return found, err
	})
}

// all gathers the warnings that each image's merging gives.
func all(a *archive.Archive, tick func() error, merge func(image int) ([]imagecore.Warning, error)) (*imagecore.Report, error) {
	report := *a.Report()
	report.Warnings = append([]imagecore.Warning{}, report.Warnings...)
	for i := range report.Images {
		if tick != nil {
			if err := tick(); err != nil {
				return nil, err
			}
		}
		found, err := merge(i)
		if err != nil {
			return nil, inImage(err, i, len(report.Images))
		}
		report.Warnings = append(report.Warnings, found...)
	}
	return &report, nil
}

// Index gives the index of one image of an archive that is open, seen through
// a lens. image must be below the number of images. The error is the lens's
// refusal, where its engine refuses the image.
func Index(a *archive.Archive, image int, lens tree.Lens) ([]byte, error) {
	b, _, err := indexed(a, image, lens)
	return b, err
}

// indexed makes an image's index, and returns its tree's warnings.
func indexed(a *archive.Archive, image int, lens tree.Lens) ([]byte, []imagecore.Warning, error) {
	t, found, err := merge(a, image, lens)
	if err != nil {
		return nil, nil, err
	}
	head := index.Head{Image: a.Report().Images[image], Warnings: append(a.Warnings(image), found...), Lens: string(lens)}
	b, err := index.Append(nil, head, t)
	return b, found, err
}

// merge makes an image's tree, and returns its warnings.
func merge(a *archive.Archive, image int, lens tree.Lens) (*tree.Tree, []imagecore.Warning, error) {
	images := a.Report().Images
	t, err := tree.Build(images[image].Layers, lens)
	if err != nil {
		return nil, nil, err
	}
	found := t.Warnings()
	if len(images) > 1 {
		found = named(found, images[image])
	}
	return t, found, nil
}

// named copies warnings with their image's id, as archive.Report has them.
func named(warnings []imagecore.Warning, img imagecore.Image) []imagecore.Warning {
	out := make([]imagecore.Warning, len(warnings))
	for i, w := range warnings {
		out[i] = w
		out[i].Args = imagecore.Args("image", img.ID.String())
		for k, v := range w.Args {
			out[i].Args[k] = v
		}
	}
	return out
}

// inImage says which image it was, where there are several. The kind, code and
// place stay findable with errors.As.
func inImage(err error, image, of int) error {
	if of == 1 {
		return err
	}
	return fmt.Errorf("image %d: %w", image, err)
}
