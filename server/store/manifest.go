//go:build linux

package store

import (
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore"
)

func mismatch(what string, want, got digest.Digest) *imagecore.Error {
	return imagecore.NewError(imagecore.ErrInvalid, "digest-mismatch",
		fmt.Sprintf("%s: its bytes have the digest %s, not %s as the archive says", what, got, want),
		"want", want.String(), "got", got.String())
}

// chainID is image-spec config.md "Layer ChainID".
func chainID(parent, diffID digest.Digest) digest.Digest {
	if parent == "" {
		return diffID
	}
	return digest.FromString(parent.String() + " " + diffID.String())
}

// manifestOf keeps the manifest that came with the image where it fits the
// blobs as stored, so that its digest stays; else it makes one.
func manifestOf(img *imagecore.Image, layers []layerRecord) ([]byte, v1.Descriptor, error) {
	var m v1.Manifest
	raw := []byte(img.Manifest.Raw)
	if len(raw) > 0 && digest.FromBytes(raw) == img.Manifest.Digest && json.Unmarshal(raw, &m) == nil && fits(&m, img.ID, layers) {
		if m.MediaType == "" {
			m.MediaType = v1.MediaTypeImageManifest
		}
		return raw, v1.Descriptor{MediaType: m.MediaType, Digest: img.Manifest.Digest, Size: int64(len(raw))}, nil
	}
	m = v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest,
		Config:    v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: img.ID, Size: int64(len(img.Config.Raw))},
		Layers:    []v1.Descriptor{},
	}
	for _, l := range layers {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: l.MediaType, Digest: l.Blob, Size: l.Size})
	}
	raw, err := json.Marshal(m)
	return raw, v1.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}, err
}

func fits(m *v1.Manifest, id digest.Digest, layers []layerRecord) bool {
	if m.Config.Digest != id || len(m.Layers) != len(layers) {
		return false
	}
	for i, l := range layers {
		if m.Layers[i].Digest != l.Blob {
			return false
		}
	}
	return true
}
