// Package story makes the two sample images. The first retells the example of
// Docker's image specification (v1.2, "Creating an Image Filesystem
// Changeset") on top of a user land, with an opaque whiteout and a hard link
// in a layer more; the second is another root file system, to be run beside it
// on the same kernel.
//
//	bytes of the user land → Images → pack.Image → docker save archives
//
// The same user land gives the same images, byte for byte.
package story

import (
	"bytes"
	_ "crypto/sha256" // of go-digest
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore/pack"
)

// Image is a sample image under the name of its archive's file.
type Image struct {
	Name string
	pack.Image
}

// step is an entry of an image's history: a layer, or a change of the config.
type step struct {
	createdBy string
	items     []pack.Item
	config    *v1.ImageConfig
}

// Images returns the sample images for a processor; userland is the program
// layerlab-userland, names are those under which it acts.
func Images(userland []byte, names []string, arch string) ([]Image, error) {
	stories := []struct {
		file, ref string
		steps     []step
	}{
		{"sample", "layerlab/sample:latest", sample(userland, names)},
		{"other", "layerlab/other:latest", other(userland)},
	}
	var images []Image
	for _, s := range stories {
		image, err := build(s.steps, arch)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", s.ref, err)
		}
		image.Refs = []string{s.ref}
		images = append(images, Image{Name: s.file, Image: image})
	}
	return images, nil
}

// born is the time of every file and history entry, plus a minute for each
// step: images must not depend on when they are made.
func born(steps int) time.Time {
	return time.Date(2026, time.January, 1, 0, steps, 0, 0, time.UTC)
}

func build(steps []step, arch string) (pack.Image, error) {
	var image pack.Image
	for i, s := range steps {
		c := pack.Commit{
			Created: born(i), CreatedBy: s.createdBy, Config: s.config,
			Platform: v1.Platform{OS: "linux", Architecture: arch},
		}
		if s.items != nil {
			for k := range s.items {
				s.items[k].ModTime = born(i).Unix()
			}
			var tar bytes.Buffer
			if err := pack.WriteLayer(&tar, s.items); err != nil {
				return image, fmt.Errorf("layer of step %d: %w", i, err)
			}
			c.DiffID = digest.FromBytes(tar.Bytes())
			image.Layers = append(image.Layers, pack.Layer{
				Descriptor: v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: c.DiffID, Size: int64(tar.Len())},
				Open:       opener(tar.Bytes()),
			})
		}
		config, err := pack.Config(image.Config, c)
		if err != nil {
			return image, err
		}
		image.Config = config
	}
	return image, nil
}

func opener(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}
