package pack

import (
	"io"
	"strconv"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// OCI returns the files of an OCI image layout (image-spec v1.1
// image-layout.md) of images, sorted by path: a tar of them is an OCI archive,
// WriteItems writes it. A blob that several images share is there once. The
// names are in index.json whole, as org.opencontainers.image.ref.name and the
// way containerd keeps them.
func OCI(images []Image) ([]Item, error) {
	s := newSaver()
	for i := range images {
		img := &images[i]
		config, err := img.config()
		if err != nil {
			return nil, err
		}
		desc, err := s.content(img)
		if err != nil {
			return nil, err
		}
		if config.OS != "" || config.Architecture != "" {
			desc.Platform = &v1.Platform{
				OS: config.OS, Architecture: config.Architecture, Variant: config.Variant,
				OSVersion: config.OSVersion, OSFeatures: config.OSFeatures,
			}
		}
		for _, ref := range img.Refs {
			s.name(desc, ref, ref)
		}
		if len(img.Refs) == 0 {
			s.manifests = append(s.manifests, desc)
		}
	}
	s.layout()
	return s.sorted(), nil
}

// DockerV1 writes images in the form of Docker 1.0 to 1.9 (Docker's image
// specification v1.0, "Combined Image JSON + Filesystem Changeset Format"):
// ID/{VERSION,json,layer.tar} for each layer and repositories. Layers must be
// bare tars, their digests the diffIDs: ErrInvalid, code "layer-compressed".
//
// A name that two images have, as the platforms of one, is refused:
// ErrAmbiguous, code "several-images".
//
// The form knows neither configs nor the history of what made no layer: who
// reads it back finds the same diffIDs and chainIDs under another image id.
func DockerV1(w io.Writer, images []Image) error {
	s := newSaver()
	for i := range images {
		img := &images[i]
		config, err := img.config()
		if err != nil {
			return err
		}
		if len(img.Layers) == 0 {
			return imagecore.NewError(imagecore.ErrUnsupported, "no-layers", "an image without layers cannot be written as docker-v1, whose images are layers")
		}
		for _, ref := range img.Refs {
			if name, tag := splitRef(ref); s.repositories[name][tag] != "" {
				return imagecore.NewError(imagecore.ErrAmbiguous, "several-images",
					"several images have the name "+strconv.Quote(ref)+", which docker-v1 cannot tell apart: choose one by --platform or --ref", "images", ref)
			}
		}
		for k, l := range img.Layers {
			if l.Descriptor.Digest != config.RootFS.DiffIDs[k] {
				return imagecore.NewError(imagecore.ErrInvalid, "layer-compressed", "docker-v1 takes bare tars as layers").In(k)
			}
		}
		if err := s.v1(img, config, func(id string, l *Layer) Item {
			return Item{Path: id + "/layer.tar", Kind: imagecore.File, Attr: plain(), Size: l.Descriptor.Size, Open: l.Open}
		}); err != nil {
			return err
		}
	}
	if len(s.repositories) > 0 {
		s.document("repositories", s.repositories)
	}
	return WriteItems(w, s.sorted())
}

// Verified returns the layer with a content that is compared with its
// descriptor while it is read: the read that completes it returns the mismatch,
// ErrInvalid with the code "digest-mismatch" or "size-mismatch", instead of the
// last bytes.
func Verified(l Layer) Layer {
	open := l.Open
	l.Open = func() (io.ReadCloser, error) {
		r, err := open()
		if err != nil {
			return nil, err
		}
		return &verifier{ReadCloser: r, want: l.Descriptor, hash: l.Descriptor.Digest.Algorithm().Digester()}, nil
	}
	return l
}

type verifier struct {
	io.ReadCloser
	want v1.Descriptor
	hash digest.Digester
	n    int64 // bytes read
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	_, _ = v.hash.Hash().Write(p[:n]) // a hash takes everything
	v.n += int64(n)
	switch {
	case v.n > v.want.Size, err == io.EOF && v.n < v.want.Size:
		return 0, imagecore.NewError(imagecore.ErrInvalid, "size-mismatch", "the layer is not of the size that is claimed: "+strconv.FormatInt(v.want.Size, 10),
			"want", strconv.FormatInt(v.want.Size, 10), "got", strconv.FormatInt(v.n, 10))
	case v.n == v.want.Size && v.hash.Digest() != v.want.Digest:
		return 0, imagecore.NewError(imagecore.ErrInvalid, "digest-mismatch", "the layer's bytes are "+v.hash.Digest().String()+", not "+v.want.Digest.String(),
			"want", v.want.Digest.String(), "got", v.hash.Digest().String())
	}
	return n, err
}
