package archive

import (
	"encoding/json"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// saved is one image of manifest.json: Docker's image specification v1.2,
// "Combined Image JSON + Filesystem Changeset Format".
type saved struct {
	Config       string
	RepoTags     []string
	Layers       []string
	LayerSources map[digest.Digest]v1.Descriptor // by diffID, where the layer came from or lies

	raw string // the element, byte for byte
}

// savedImages reads manifest.json.
func (r *reader) savedImages() ([]saved, error) {
	const name = "manifest.json"
	raw, err := r.document(name, "the list of images")
	if err != nil {
		return nil, err
	}
	var elements []json.RawMessage
	if err := r.decode(name, raw, &elements); err != nil {
		return nil, err
	}
	if n, l := len(elements), r.o.Limits.Images; n > l {
		return nil, tooLarge("too-many-images", "more images than the limit", int64(n), int64(l)).At(name, -1)
	}
	all := make([]saved, len(elements))
	if err := decode(name, raw, &all); err != nil {
		return nil, err
	}
	for i := range all {
		all[i].raw = string(elements[i])
	}
	return all, nil
}

// dockerSave reads an archive of `docker save`, 1.10 and later.
func (r *reader) dockerSave() error {
	all, err := r.savedImages()
	if err != nil {
		return err
	}
	seen := map[digest.Digest]*image{}
	for i := range all {
		img, err := r.savedImage(&all[i])
		if err != nil {
			return err
		}
		// The same image may stand there once for each of its names.
		if same, ok := seen[img.ID]; ok {
			same.addRefs(all[i].RepoTags)
			continue
		}
		seen[img.ID] = img
		if err := r.add(img); err != nil {
			return err
		}
	}
	return nil
}

// savedImage reads one image of manifest.json.
func (r *reader) savedImage(s *saved) (*image, error) {
	raw, err := r.document(s.Config, "the config")
	if err != nil {
		return nil, err
	}
	layers := make([]imagecore.Layer, len(s.Layers))
	blobs := make([]*blob, len(s.Layers))
	for i, name := range s.Layers {
		f, ok, err := r.files.Lookup(name)
		if err != nil {
			return nil, inLayer(err, i)
		}
		layers[i].Digest = digestOfPath(name)
		if ok {
			blobs[i] = r.blob(f)
		}
	}
	img, err := r.newImage(s.Config, raw, layers, blobs, nil)
	if err != nil {
		return nil, err
	}
	img.Manifest = imagecore.Blob{Size: int64(len(s.raw)), Raw: s.raw}
	img.addRefs(s.RepoTags)
	if len(s.Layers) > 0 {
		img.V1 = r.v1Beside(s.Layers)
	}
	if want := digestOfName(s.Config); want != "" {
		img.document("the config", want, -1, raw)
	}
	for i := range layers {
		l := &layers[i]
		// LayerSources of Docker 25 and later describe the layer as it is
		// stored; those of older archives where a foreign layer is to be had.
		if d, ok := s.LayerSources[l.DiffID]; ok {
			if blobs[i] == nil || d.Size == blobs[i].file.Size {
				l.MediaType = d.MediaType
				l.Digest = d.Digest
			}
		}
		if blobs[i] == nil {
			if !isForeign(l.MediaType) {
				return nil, missing(s.Layers[i], "the layer").In(i)
			}
			if d, ok := s.LayerSources[l.DiffID]; ok {
				l.Size = d.Size
			}
		}
	}
	return img, nil
}

// addRefs adds names that the image does not have yet.
func (img *image) addRefs(refs []string) {
	for _, ref := range refs {
		known := ref == ""
		for _, have := range img.Refs {
			known = known || have == ref
		}
		if !known {
			img.Refs = append(img.Refs, ref)
		}
	}
}

// digestOfPath returns the digest that a blob's path names: "" but for
// blobs/ALGORITHM/HEX, since other names of docker save are no digests of what
// the file holds.
func digestOfPath(name string) digest.Digest {
	parts := strings.Split(strings.TrimPrefix(name, "./"), "/")
	if len(parts) != 3 || parts[0] != "blobs" {
		return ""
	}
	d := digest.Digest(parts[1] + ":" + parts[2])
	if d.Validate() != nil {
		return ""
	}
	return d
}

// digestOfName returns the digest that a config's name claims: HEX.json,
// blobs/sha256/HEX or sha256:HEX; "" for names that claim none.
func digestOfName(name string) digest.Digest {
	if d := digestOfPath(name); d != "" {
		return d
	}
	hex := strings.TrimPrefix(strings.TrimSuffix(name, ".json"), "sha256:")
	if d := digest.NewDigestFromEncoded(digest.SHA256, hex); d.Validate() == nil {
		return d
	}
	return ""
}

// inLayer names the layer in an error.
func inLayer(err error, layer int) error {
	if ie, ok := err.(*imagecore.Error); ok {
		return ie.In(layer)
	}
	return err
}
