package archive

import (
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/imagecore/dockerfile"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// config is what is needed of an image's config (image-spec v1.1 config.md).
type config struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant"`
	RootFS       struct {
		DiffIDs []digest.Digest `json:"diff_ids"`
	} `json:"rootfs"`
	History []v1.History `json:"history"`
}

// newImage makes an image of its config document and its layers, whose DiffID,
// ChainID and CreatedBy it sets. fallback is the platform that the manifest's
// descriptor gives, for configs that leave theirs out.
func (r *reader) newImage(path string, raw []byte, layers []imagecore.Layer, blobs []*blob, fallback *v1.Platform) (*image, error) {
	var c config
	if err := r.decode(path, raw, &c); err != nil {
		return nil, err
	}
	if n, l := len(layers), r.o.Limits.Layers; n > l {
		return nil, tooLarge("too-many-layers", "more layers than the limit", int64(n), int64(l)).At(path, -1)
	}
	if len(c.RootFS.DiffIDs) != len(layers) {
		return nil, imagecore.NewError(imagecore.ErrInvalid, "layer-count",
			"the config has "+strconv.Itoa(len(c.RootFS.DiffIDs))+" diffIDs for "+strconv.Itoa(len(layers))+" layers",
			"diffIDs", strconv.Itoa(len(c.RootFS.DiffIDs)), "layers", strconv.Itoa(len(layers))).At(path, -1)
	}
	img := &image{blobs: blobs}
	img.ID = digest.FromBytes(raw)
	img.Refs = []string{}
	img.Config = imagecore.Blob{Digest: img.ID, Size: int64(len(raw)), Raw: string(raw)}
	img.Platform = platform(&c, fallback)
	img.Layers = layers
	if img.Layers == nil {
		img.Layers = []imagecore.Layer{}
	}
	for i, d := range c.RootFS.DiffIDs {
		if err := d.Validate(); err != nil {
			return nil, imagecore.NewError(imagecore.ErrInvalid, "bad-digest", "diffID "+strconv.Quote(d.String())+" is no digest",
				"digest", d.String()).At(path, -1).In(i)
		}
		layers[i].DiffID = d
	}
	for i, d := range identity.ChainIDs(append([]digest.Digest(nil), c.RootFS.DiffIDs...)) {
		layers[i].ChainID = d
	}
	img.history(c.History)
	return img, nil
}

// history gives each layer the command that made it: the n-th entry that is
// not an empty layer made the n-th layer.
func (img *image) history(h []v1.History) {
	img.History = make([]imagecore.History, len(h))
	n := 0
	for i, entry := range h {
		img.History[i].History = entry
		if entry.EmptyLayer {
			continue
		}
		if n < len(img.Layers) {
			layer := n
			img.History[i].Layer = &layer
			img.Layers[n].CreatedBy = entry.CreatedBy
		}
		n++
	}
	img.Dockerfile = dockerfile.FromHistory(img.History, len(img.Layers))
	if len(h) > 0 && n != len(img.Layers) {
		img.warn(-1, "history-mismatch", "the history tells of "+strconv.Itoa(n)+" layers, the image has "+strconv.Itoa(len(img.Layers))+": commands may stand at the wrong layers",
			"history", strconv.Itoa(n), "layers", strconv.Itoa(len(img.Layers)))
	}
}

// platform writes os/arch[/variant]; what nobody says is "unknown".
func platform(c *config, fallback *v1.Platform) string {
	os, arch, variant := c.OS, c.Architecture, c.Variant
	if fallback != nil {
		if os == "" {
			os = fallback.OS
		}
		if arch == "" {
			arch = fallback.Architecture
		}
		if variant == "" && arch == fallback.Architecture {
			variant = fallback.Variant
		}
	}
	if os == "" {
		os = "unknown"
	}
	if arch == "" {
		arch = "unknown"
	}
	if variant == "" {
		return os + "/" + arch
	}
	return os + "/" + arch + "/" + variant
}

// Media types of layers: image-spec v1.1 media-types.md, and Docker's image
// manifest version 2, schema 2.
const (
	mediaDocker = "application/vnd.docker.image.rootfs.diff.tar"
	mediaOCI    = "application/vnd.oci.image.layer.v1.tar"
)

// dockerMediaType is that of a layer whose format names none.
func dockerMediaType(compression string) string {
	switch compression {
	case codec.None:
		return mediaDocker
	case codec.Zstd:
		return mediaOCI + "+zstd" // Docker has no name of its own for it
	}
	return mediaDocker + "." + compression
}

// compressionOf tells what a layer's media type says about its compression.
func compressionOf(mediaType string) (string, bool) {
	switch {
	case strings.HasSuffix(mediaType, "+gzip"), strings.HasSuffix(mediaType, ".gzip"):
		return codec.Gzip, true
	case strings.HasSuffix(mediaType, "+zstd"):
		return codec.Zstd, true
	case strings.HasSuffix(mediaType, ".tar"):
		return codec.None, true
	}
	return "", false
}

// isForeign reports whether a layer is one that archives leave out by design.
func isForeign(mediaType string) bool {
	return strings.Contains(mediaType, ".foreign.") || strings.Contains(mediaType, ".nondistributable.")
}
