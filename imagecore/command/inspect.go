package command

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/audit"
	"github.com/layerlab/layerlab/imagecore/audit/tarsum"
	"github.com/layerlab/layerlab/imagecore/choose"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/imagecore/dockerfile"
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
	if r.Dockerfile != "" {
		file, err := dockerfile.Parse(string(r.Dockerfile))
		if err != nil {
			return err
		}
		for k := range report.Images {
			report.Images[k].Dockerfile = dockerfile.Match(file, report.Images[k].History)
		}
	}
	var ids []show.Identity
	if r.Explain {
		for k, i := range which {
			img := &report.Images[k]
			read, err := layerBytes(r.ctx, a, i)
			if err != nil {
				return err
			}
			id := show.Identity{Image: img.ID, Steps: audit.Identity(img, read)}
			for _, v := range img.V1 {
				id.V1 = append(id.V1, show.V1{ID: v.ID, Fields: audit.V1Fields(v.Raw)})
			}
			ids = append(ids, id)
		}
	}
	if r.JSON {
		return r.reportJSON(report, ids)
	}
	if err := show.Report(r.out, report); err != nil {
		return err
	}
	if r.History {
		if err := show.Dockerfiles(r.out, report); err != nil {
			return err
		}
	}
	if !r.Explain {
		return nil
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

// layerBytes hashes the layers of an image, as stored and unpacked, and what
// else is claimed of them; absent ones are left out.
func layerBytes(ctx context.Context, a *archive.Archive, image int) ([]audit.Bytes, error) {
	img := &a.Report().Images[image]
	all := make([]audit.Bytes, len(img.Layers))
	for i := range img.Layers {
		l := &img.Layers[i]
		if !l.Present {
			continue
		}
		var err error
		if all[i].Tar, err = sumOf(ctx, l.DiffID, func() (io.ReadCloser, error) { return a.OpenLayer(image, i) }); err != nil {
			return nil, err
		}
		if all[i].Checksum, err = checksum(ctx, a, image, i, all[i].Tar); err != nil {
			return nil, err
		}
		if toc := audit.TOCDigest(l); toc != "" {
			if all[i].TOC, err = tocSum(ctx, a, image, i, toc); err != nil {
				return nil, err
			}
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

// checksum computes what the image of version 1 claims of layer i, "" where it
// claims nothing or nothing that is known. tar is the digest of the layer's tar.
func checksum(ctx context.Context, a *archive.Archive, image, i int, tar digest.Digest) (sum digest.Digest, err error) {
	img := &a.Report().Images[image]
	if i >= len(img.V1) || img.V1[i].Checksum == "" {
		return "", nil
	}
	claimed := digest.Digest(img.V1[i].Checksum)
	v, _, ok := tarsum.Parse(claimed.String())
	switch {
	case !ok && claimed.Validate() != nil:
		return "", nil
	case !ok && claimed.Algorithm() == tar.Algorithm():
		return tar, nil
	case !ok:
		return sumOf(ctx, claimed, func() (io.ReadCloser, error) { return a.OpenLayer(image, i) })
	}
	rc, err := a.OpenLayer(image, i)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	s, err := tarsum.Sum(reader{ctx, rc}, v, nil, imagecore.DefaultLimits())
	return digest.Digest(s), err
}

// tocSum is the digest of a layer's table of contents: of an eStargz layer the
// file in the tar that its footer points to, of a zstd:chunked one a frame of
// the blob. It is "" where there is none.
func tocSum(ctx context.Context, a *archive.Archive, image, i int, claimed digest.Digest) (digest.Digest, error) {
	l := &a.Report().Images[image].Layers[i]
	from := func(offset int64) (io.ReadCloser, error) {
		blob, err := a.OpenBlob(image, i)
		if err != nil {
			return nil, err
		}
		if _, err := io.CopyN(io.Discard, reader{ctx, blob}, offset); err != nil {
			return nil, errors.Join(err, blob.Close())
		}
		return blob, nil
	}
	if l.Form == archive.EStargz {
		footer, err := from(l.Size - archive.EStargzFooter)
		if err != nil {
			return "", err
		}
		tail, err := io.ReadAll(footer)
		if err = errors.Join(err, footer.Close()); err != nil {
			return "", err
		}
		offset, ok := archive.EStargzTOC(tail, l.Size)
		if !ok {
			return "", nil
		}
		return sumOf(ctx, claimed, func() (io.ReadCloser, error) {
			blob, err := from(offset)
			if err != nil {
				return nil, err
			}
			content, err := firstFile(blob)
			if err != nil {
				return nil, errors.Join(err, blob.Close())
			}
			return part{content, blob}, nil
		})
	}
	for _, name := range []string{"io.github.containers.zstd-chunked.manifest-position", "io.containers.zstd-chunked.manifest-position"} {
		var offset, length int64
		if at := l.Annotations[name]; at == "" {
			continue
		} else if _, err := fmt.Sscanf(at, "%d:%d:", &offset, &length); err != nil || offset < 0 || length <= 0 || offset > l.Size-length {
			return "", nil
		}
		return sumOf(ctx, claimed, func() (io.ReadCloser, error) {
			blob, err := from(offset)
			if err != nil {
				return nil, err
			}
			return part{io.LimitReader(blob, length), blob}, nil
		})
	}
	return "", nil
}

// firstFile is the content of the first file of a tar in gzip.
func firstFile(packed io.Reader) (io.Reader, error) {
	unpacked, _, err := codec.NewReader(packed, imagecore.DefaultLimits())
	if err != nil {
		return nil, err
	}
	tr := tar.NewReader(unpacked)
	if _, err := tr.Next(); err != nil {
		return nil, err
	}
	return tr, nil
}

// part reads a piece and closes the whole.
type part struct {
	io.Reader
	io.Closer
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
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
