// Package repack turns the images of an opened archive into what package pack
// writes.
//
//	archive.Archive → Images → []pack.Image → pack.OCI, pack.DockerSave, pack.DockerV1
//
// Blobs are taken as they are stored, so that every digest stays: but for
// docker-v1, which has bare tars, and for compressions that the new form does
// not know. Whatever is taken is verified while it is written.
package repack

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// The forms that an image can be written in.
const (
	DockerSave = "docker-save"
	DockerV1   = "docker-v1"
	OCI        = "oci"
	OCIDir     = "oci-dir"
)

// Forms returns them all.
func Forms() []string { return []string{DockerSave, DockerV1, OCI, OCIDir} }

// Images prepares those of an archive's images that which numbers for a form.
// Contents are read when they are written. An image with a name that leaves the
// root, or with an absent layer, is refused.
func Images(ctx context.Context, a *archive.Archive, which []int, form string) ([]pack.Image, error) {
	var images []pack.Image
	for _, n := range which {
		src := &a.Report().Images[n]
		t, err := tree.Build(src.Layers, tree.Spec)
		if err != nil {
			return nil, err
		}
		if err := t.Confined(); err != nil {
			return nil, err
		}
		img := pack.Image{Refs: familiar(src.Refs), Config: []byte(src.Config.Raw)}
		if src.Manifest.Digest != "" && form != DockerV1 {
			img.Manifest = []byte(src.Manifest.Raw)
		}
		compressions := make([]string, len(src.Layers))
		for i := range src.Layers {
			if compressions[i], err = compressionOf(a, n, i); err != nil {
				return nil, err
			}
			if form == DockerV1 || !known(compressions[i]) {
				compressions[i] = codec.None
				img.Manifest = nil // it would name another blob
			}
		}
		for i, compression := range compressions {
			l, err := layer(ctx, a, n, i, compression)
			if err != nil {
				return nil, err
			}
			if img.Manifest == nil {
				l.Descriptor.MediaType = mediaType(compression)
			}
			img.Layers = append(img.Layers, pack.Verified(l))
		}
		images = append(images, img)
	}
	return images, nil
}

// familiar writes names the way docker save does: without docker.io/library/.
func familiar(refs []string) []string {
	names := make([]string, len(refs))
	for i, ref := range refs {
		names[i] = ref
		if named, err := reference.ParseNormalizedNamed(ref); err == nil {
			names[i] = reference.FamiliarString(named)
		}
	}
	return names
}

// known says whether OCI has a media type for a compression.
func known(compression string) bool {
	return compression == codec.None || compression == codec.Gzip || compression == codec.Zstd
}

// layer describes a layer as it will be written: the blob as it is stored, or
// its bare tar where compression is codec.None and the blob is none.
func layer(ctx context.Context, a *archive.Archive, image, number int, compression string) (pack.Layer, error) {
	src := &a.Report().Images[image].Layers[number]
	stored := pack.Layer{
		Descriptor: v1.Descriptor{MediaType: src.MediaType, Digest: src.Digest, Size: src.Size},
		Open:       func() (io.ReadCloser, error) { return a.OpenBlob(image, number) },
	}
	is, err := compressionOf(a, image, number)
	switch {
	case err != nil:
	case is != compression:
		return pack.Layer{
			Descriptor: v1.Descriptor{MediaType: mediaType(compression), Digest: src.DiffID, Size: src.TarSize},
			Open:       func() (io.ReadCloser, error) { return a.OpenLayer(image, number) },
		}, nil
	case src.Digest != "":
	case is == codec.None:
		stored.Descriptor.Digest = src.DiffID
	default:
		stored.Descriptor.Digest, err = sum(ctx, stored.Open)
	}
	return stored, err
}

// mediaType is image-spec's for a layer of that compression.
func mediaType(compression string) string {
	switch compression {
	case codec.Gzip:
		return v1.MediaTypeImageLayerGzip
	case codec.Zstd:
		return v1.MediaTypeImageLayerZstd
	}
	return v1.MediaTypeImageLayer
}

func compressionOf(a *archive.Archive, image, number int) (compression string, err error) {
	r, err := a.OpenBlob(image, number)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	head := make([]byte, codec.HeadSize)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", err
	}
	return codec.Detect(head[:n]), nil
}

// sum reads a blob for its digest.
func sum(ctx context.Context, open func() (io.ReadCloser, error)) (d digest.Digest, err error) {
	r, err := open()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	h := digest.SHA256.Digester()
	if _, err := io.Copy(h.Hash(), reader{ctx, r}); err != nil {
		return "", fmt.Errorf("hash the layer: %w", err)
	}
	return h.Digest(), nil
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, imagecore.NewError(imagecore.ErrCanceled, "canceled", "stopped")
	}
	return r.r.Read(p)
}
