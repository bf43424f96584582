package cli

import (
	"context"
	"encoding/json"
	"errors"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/show"
	"github.com/layerlab/layerlab/cmd/layerlab/internal/source"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/audit"
)

// explain is inspect with the strings whose digests the ids are, computed anew
// from the bytes. In the sandbox the layers' bytes are not read.
func (r *run) explain(ctx context.Context, image string, c *common) error {
	var k kept
	var opened *archive.Archive
	if c.sandbox {
		raw, err := r.report(ctx, image, c)
		if err != nil {
			return err
		}
		k.report = raw
	} else {
		lens, err := c.lens()
		if err != nil {
			return err
		}
		o := source.Options{Limits: c.limits.limits(), Data: c.data, Stdin: r.Stdin}
		src, err := source.Locate(ctx, image, o)
		if err != nil {
			return err
		}
		defer src.Close()
		if err := src.Survey(ctx, o, lens, &k); err != nil {
			return err
		}
		opened = src.Archive
	}
	var report imagecore.Report
	if err := json.Unmarshal(k.report, &report); err != nil {
		return err
	}
	ids := make([]show.Identity, len(report.Images))
	for i := range ids {
		img, read := &report.Images[i], []audit.Bytes(nil)
		if opened != nil {
			// The documents byte for byte: JSON knows text only.
			img = &opened.Report().Images[i]
			var err error
			if read, err = layerBytes(ctx, opened, i); err != nil {
				return err
			}
		}
		ids[i] = show.Identity{Image: img.ID, Steps: audit.Identity(img, read)}
	}
	if c.json {
		raw, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		// One member more of the object that inspect prints.
		_, err = r.out.WriteString(string(k.report[:len(k.report)-1]) + `,"identity":` + string(raw) + "}\n")
		return err
	}
	if err := show.Report(r.out, &report); err != nil {
		return err
	}
	return show.Explain(r.out, ids)
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
	var h hash.Hash = claimed.Algorithm().Hash()
	if _, err := io.Copy(stoppable{ctx, h}, rc); err != nil {
		return "", err
	}
	return digest.NewDigest(claimed.Algorithm(), h), nil
}
