package command

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/audit"
	"github.com/layerlab/layerlab/imagecore/choose"
	"github.com/layerlab/layerlab/imagecore/show"
	"github.com/layerlab/layerlab/imagecore/survey"
)

// inspect prints what the archive holds; with Explain the strings whose
// digests the ids are, computed anew from the bytes.
func (r *run) inspect() error {
	a := r.archives[0]
	report, err := survey.Report(a, r.Lens, r.ctx.Err)
	if err != nil {
		return err
	}
	which, err := choose.All(report.Images, r.Choice)
	if err != nil {
		return err
	}
	report.Images = slices.Clone(report.Images)
	if r.Choice.Given() {
		report = narrow(report, which)
	}
	var ids []show.Identity
	if r.Explain {
		for k, i := range which {
			img := &report.Images[k]
			read, err := layerBytes(r.ctx, a, i)
			if err != nil {
				return err
			}
			ids = append(ids, show.Identity{Image: img.ID, Steps: audit.Identity(img, read)})
		}
	}
	if r.JSON {
		return r.reportJSON(report, ids)
	}
	if err := show.Report(r.out, report); err != nil || !r.Explain {
		return err
	}
	return show.Explain(r.out, ids)
}

// narrow keeps the images that which numbers, and the warnings that are theirs
// or nobody's.
func narrow(report *imagecore.Report, which []int) *imagecore.Report {
	out := &imagecore.Report{Source: report.Source, Images: []imagecore.Image{}, Warnings: []imagecore.Warning{}}
	kept := map[string]bool{"": true}
	for _, i := range which {
		out.Images = append(out.Images, report.Images[i])
		kept[report.Images[i].ID.String()] = true
	}
	for _, w := range report.Warnings {
		if kept[w.Args["image"]] {
			out.Warnings = append(out.Warnings, w)
		}
	}
	return out
}

// reportJSON writes the one object of `inspect --json`; its bytes are those of
// a survey's report, with one member more where ids are explained.
func (r *run) reportJSON(report *imagecore.Report, ids []show.Identity) error {
	raw, err := json.Marshal(report)
	if err != nil {
		return err
	}
	if ids != nil {
		more, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		raw = append(append(append(raw[:len(raw)-1], `,"identity":`...), more...), '}')
	}
	_, err = r.out.Write(append(raw, '\n'))
	return err
}

// layerBytes hashes the layers of an image, as stored and unpacked; absent ones
// are left out.
func layerBytes(ctx context.Context, a *archive.Archive, image int) ([]audit.Bytes, error) {
	layers := a.Report().Images[image].Layers
	all := make([]audit.Bytes, len(layers))
	for i := range layers {
		l := &layers[i]
		if !l.Present {
			continue
		}
		var err error
		if all[i].Tar, err = sumOf(ctx, l.DiffID, func() (io.ReadCloser, error) { return a.OpenLayer(image, i) }); err != nil {
			return nil, err
		}
		if l.Digest == "" || l.Digest == l.DiffID {
			continue
		}
		if all[i].Blob, err = sumOf(ctx, l.Digest, func() (io.ReadCloser, error) { return a.OpenBlob(image, i) }); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// sumOf hashes by the algorithm of a claimed digest, "" where it is not known.
func sumOf(ctx context.Context, claimed digest.Digest, open func() (io.ReadCloser, error)) (d digest.Digest, err error) {
	if claimed.Validate() != nil {
		return "", nil
	}
	rc, err := open()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	h := claimed.Algorithm().Hash()
	if _, err := io.Copy(stoppable{ctx, h}, rc); err != nil {
		return "", err
	}
	return digest.NewDigest(claimed.Algorithm(), h), nil
}
