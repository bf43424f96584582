package pack

import (
	"encoding/json"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Commit says what a new image has on top of its base.
type Commit struct {
	Created   time.Time
	Author    string
	Comment   string
	CreatedBy string // the command, for the history
	// DiffID is the digest of the new layer's tar; empty where nothing but
	// metadata changes (an empty_layer of the history).
	DiffID digest.Digest
	// Config replaces the base's execution parameters, nil keeps them.
	Config *v1.ImageConfig
	// Platform is used where there is no base.
	Platform v1.Platform
}

// Config returns the config of the image that c makes of a base (image-spec
// v1.1 config.md); base is the base's config as it stands, nil for none. Fields
// that are not ours to know are kept, but for those in which Docker noted the
// container that made the base. Keys are sorted.
func Config(base []byte, c Commit) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	var img v1.Image
	if len(base) > 0 {
		if err := json.Unmarshal(base, &fields); err != nil {
			return nil, badConfig(err)
		}
		if err := json.Unmarshal(base, &img); err != nil {
			return nil, badConfig(err)
		}
	} else {
		img.Platform = c.Platform
		for key, value := range map[string]string{
			"architecture": c.Platform.Architecture, "os": c.Platform.OS,
			"variant": c.Platform.Variant, "os.version": c.Platform.OSVersion,
		} {
			if value != "" || key == "architecture" || key == "os" {
				set(fields, key, value)
			}
		}
		set(fields, "config", v1.ImageConfig{})
	}
	created := c.Created.UTC()
	img.History = append(img.History, v1.History{
		Created: &created, CreatedBy: c.CreatedBy, Author: c.Author, Comment: c.Comment, EmptyLayer: c.DiffID == "",
	})
	if c.DiffID != "" {
		img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, c.DiffID)
	}
	if img.RootFS.DiffIDs == nil {
		img.RootFS.DiffIDs = []digest.Digest{}
	}
	img.RootFS.Type = "layers"
	delete(fields, "container")
	delete(fields, "container_config")
	delete(fields, "author")
	set(fields, "created", created)
	set(fields, "history", img.History)
	set(fields, "rootfs", img.RootFS)
	if c.Author != "" {
		set(fields, "author", c.Author)
	}
	if c.Config != nil {
		set(fields, "config", *c.Config)
	}
	return json.Marshal(fields)
}

func badConfig(err error) error {
	e := imagecore.NewError(imagecore.ErrInvalid, "bad-config", "the image's config is no JSON of image-spec's form")
	e.Err = err
	return e
}

// set cannot fail: values are of image-spec's types and strings.
func set(fields map[string]json.RawMessage, key string, value any) {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	fields[key] = raw
}

// Manifest returns the OCI manifest (image-spec v1.1 manifest.md) of a config
// and its layers, base first, and its descriptor.
func Manifest(config []byte, layers []v1.Descriptor) ([]byte, v1.Descriptor, error) {
	if layers == nil {
		layers = []v1.Descriptor{}
	}
	raw, err := json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest,
		Config:    v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers:    layers,
	})
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	return raw, v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromBytes(raw), Size: int64(len(raw))}, nil
}
