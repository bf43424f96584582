package archive

import (
	"slices"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Annotations that name images: image-spec v1.1 annotations.md, and those of
// containerd and BuildKit.
const (
	annotationRef         = v1.AnnotationRefName
	annotationContainerd  = "io.containerd.image.name"
	annotationAttestation = "vnd.docker.reference.type"
	annotationAttested    = "vnd.docker.reference.digest"
)

// document of a layout: a manifest has layers, an index has manifests.
type layoutDocument struct {
	MediaType    string          `json:"mediaType"`
	ArtifactType string          `json:"artifactType"`
	Config       v1.Descriptor   `json:"config"`
	Layers       []v1.Descriptor `json:"layers"`
	Manifests    []v1.Descriptor `json:"manifests"`
	FSLayers     []any           `json:"fsLayers"` // of Docker's schema 1
}

// layoutReader walks the indexes of an OCI image layout.
type layoutReader struct {
	*reader
	seen map[digest.Digest][]*image // what each manifest or index led to
}

// oci reads an OCI image layout (image-spec v1.1 image-layout.md).
func (r *reader) oci() error {
	const name = "index.json"
	raw, err := r.document(name, "the index")
	if err != nil {
		return err
	}
	var doc layoutDocument
	if err := r.decode(name, raw, &doc); err != nil {
		return err
	}
	l := &layoutReader{reader: r, seen: map[digest.Digest][]*image{}}
	_, err = l.index(name, doc.Manifests, nil, 0)
	return err
}

// index reads all that an index lists; inherited are the names that it has
// itself.
func (l *layoutReader) index(path string, list []v1.Descriptor, inherited []string, depth int) ([]*image, error) {
	if max := l.o.Limits.Nesting; depth > max {
		return nil, tooLarge("nesting", "indexes are nested deeper than the limit", int64(depth), int64(max)).At(path, -1)
	}
	// Each document is read once, so that this bounds the work as well.
	if n, max := len(list), 16*l.o.Limits.Images; n > max {
		return nil, tooLarge("too-many-images", "an index lists more than the limit", int64(n), int64(max)).At(path, -1)
	}
	var found []*image
	for i, d := range list {
		if err := d.Digest.Validate(); err != nil {
			return nil, imagecore.NewError(imagecore.ErrInvalid, "bad-digest",
				"manifest "+strconv.Itoa(i)+" has no valid digest: "+strconv.Quote(d.Digest.String()), "digest", d.Digest.String()).At(path, -1)
		}
		images, err := l.descriptor(d, append(names(d), inherited...), depth)
		if err != nil {
			return nil, err
		}
		// Each image once: indexes that list one another several times would
		// else multiply at every level.
		for _, img := range images {
			if !slices.Contains(found, img) {
				found = append(found, img)
			}
		}
	}
	return found, nil
}

// names are those that a descriptor gives: containerd's whole name before the
// ref, which is often a bare tag.
func names(d v1.Descriptor) []string {
	if n := d.Annotations[annotationContainerd]; n != "" {
		return []string{n}
	}
	if n := d.Annotations[annotationRef]; n != "" {
		return []string{n}
	}
	return nil
}

// descriptor reads a manifest or a further index.
func (l *layoutReader) descriptor(d v1.Descriptor, refs []string, depth int) ([]*image, error) {
	if found, ok := l.seen[d.Digest]; ok { // once more under another name
		for _, img := range found {
			img.addRefs(refs)
		}
		return found, nil
	}
	l.seen[d.Digest] = nil
	if kind := d.Annotations[annotationAttestation]; kind != "" {
		l.warn("attestation", "an attestation lies beside the images and is not one of them",
			"digest", d.Digest.String(), "kind", kind, "of", d.Annotations[annotationAttested])
		return nil, nil
	}
	path := blobPath(d.Digest)
	_, ok, err := l.files.Lookup(path)
	if err != nil {
		return nil, err
	}
	if !ok {
		l.warn("absent-platform", "the archive names an image that it does not hold",
			"digest", d.Digest.String(), "platform", descriptorPlatform(d))
		return nil, nil
	}
	raw, err := l.document(path, "the manifest")
	if err != nil {
		return nil, err
	}
	var doc layoutDocument
	if err := l.decode(path, raw, &doc); err != nil {
		return nil, err
	}
	switch {
	case len(doc.FSLayers) > 0:
		return nil, imagecore.NewError(imagecore.ErrUnsupported, "unsupported-format",
			"a manifest of schema version 1 is not read, since it has no config: have a newer program pull the image", "format", "docker-schema1").At(path, -1)
	case doc.Manifests != nil && doc.Layers == nil:
		found, err := l.index(path, doc.Manifests, refs, depth+1)
		l.seen[d.Digest] = found
		return found, err
	case d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown":
		l.warn("attestation", "an attestation lies beside the images and is not one of them",
			"digest", d.Digest.String(), "kind", "unknown/unknown", "of", "")
		return nil, nil
	case doc.ArtifactType != "" && doc.Config.MediaType != v1.MediaTypeImageConfig, !isConfig(doc.Config.MediaType):
		l.warn("not-an-image", "something that is not a container image lies beside the images",
			"digest", d.Digest.String(), "mediaType", firstOf(doc.ArtifactType, doc.Config.MediaType, doc.MediaType))
		return nil, nil
	}
	img, err := l.image(d, &doc, raw)
	if img == nil || err != nil {
		return nil, err
	}
	img.addRefs(refs)
	l.seen[d.Digest] = []*image{img}
	return l.seen[d.Digest], l.add(img)
}

// image reads one manifest's image; nil if its config is absent.
func (l *layoutReader) image(d v1.Descriptor, doc *layoutDocument, manifest []byte) (*image, error) {
	path := blobPath(d.Digest)
	if err := doc.Config.Digest.Validate(); err != nil {
		return nil, imagecore.NewError(imagecore.ErrInvalid, "bad-digest",
			"the config has no valid digest: "+strconv.Quote(doc.Config.Digest.String()), "digest", doc.Config.Digest.String()).At(path, -1)
	}
	configPath := blobPath(doc.Config.Digest)
	if _, ok, err := l.files.Lookup(configPath); err != nil {
		return nil, err
	} else if !ok {
		l.warn("absent-platform", "the archive names an image that it does not hold",
			"digest", d.Digest.String(), "platform", descriptorPlatform(d))
		return nil, nil
	}
	raw, err := l.document(configPath, "the config")
	if err != nil {
		return nil, err
	}
	layers := make([]imagecore.Layer, len(doc.Layers))
	blobs := make([]*blob, len(doc.Layers))
	for i, ld := range doc.Layers {
		if err := ld.Digest.Validate(); err != nil {
			return nil, imagecore.NewError(imagecore.ErrInvalid, "bad-digest",
				"the layer has no valid digest: "+strconv.Quote(ld.Digest.String()), "digest", ld.Digest.String()).At(path, -1).In(i)
		}
		if strings.HasSuffix(ld.MediaType, "+encrypted") {
			return nil, imagecore.NewError(imagecore.ErrUnsupported, "unsupported-format",
				"the layer is encrypted: decrypt the image first", "format", "encrypted").At(path, -1).In(i)
		}
		layers[i].Digest, layers[i].MediaType, layers[i].Size, layers[i].Annotations = ld.Digest, ld.MediaType, ld.Size, ld.Annotations
		f, ok, err := l.files.Lookup(blobPath(ld.Digest))
		if err != nil {
			return nil, inLayer(err, i)
		}
		if ok {
			blobs[i] = l.blob(f)
		}
	}
	img, err := l.newImage(configPath, raw, layers, blobs, d.Platform)
	if err != nil {
		return nil, err
	}
	img.Manifest = imagecore.Blob{Digest: d.Digest, Size: int64(len(manifest)), Raw: string(manifest)}
	img.document("the manifest", d.Digest, d.Size, manifest)
	img.document("the config", doc.Config.Digest, doc.Config.Size, raw)
	for i, ld := range doc.Layers {
		if b := blobs[i]; b != nil {
			img.claimed(i, claim{what: "the layer as stored", size: ld.Size, bytes: b.file.Size})
		}
	}
	return img, nil
}

func blobPath(d digest.Digest) string {
	return "blobs/" + d.Algorithm().String() + "/" + d.Encoded()
}

// isConfig reports whether a manifest with a config of this media type is an
// image's. Old manifests leave it out.
func isConfig(mediaType string) bool {
	return mediaType == "" || mediaType == v1.MediaTypeImageConfig || mediaType == "application/vnd.docker.container.image.v1+json"
}

func descriptorPlatform(d v1.Descriptor) string {
	if d.Platform == nil {
		return ""
	}
	return platform(&config{}, d.Platform)
}

func firstOf(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

// hybrid reads an archive with both manifest.json and index.json, as Docker 25
// and later write it. The index counts; names come from manifest.json, which
// writes them the way people do.
func (r *reader) hybrid() error {
	if err := r.oci(); err != nil {
		return err
	}
	all, err := r.savedImages()
	if err != nil {
		return err
	}
	byConfig := map[digest.Digest]*image{}
	for _, img := range r.found {
		byConfig[img.ID] = img
	}
	named := map[*image]bool{}
	for i := range all {
		s := &all[i]
		raw, err := r.document(s.Config, "the config")
		if err != nil {
			return err
		}
		img := byConfig[digest.FromBytes(raw)]
		switch {
		case img == nil && len(byConfig) == 0:
			// The index names nothing that is there: what manifest.json names is
			// better than nothing.
			r.warn("manifests-disagree", "index.json names no image that the archive holds; manifest.json is used", "config", s.Config)
			if img, err = r.savedImage(s); err != nil {
				return err
			}
			if err := r.add(img); err != nil {
				return err
			}
			continue
		case img == nil:
			r.warn("manifests-disagree", "manifest.json names an image that index.json does not name; index.json counts", "config", s.Config)
			continue
		case len(s.Layers) != len(img.Layers):
			img.warn(-1, "manifests-disagree", "manifest.json and index.json give this image different layers; index.json counts", "config", s.Config)
		}
		if len(s.RepoTags) > 0 {
			if !named[img] {
				img.Refs = []string{}
			}
			named[img] = true
			img.addRefs(s.RepoTags)
		}
	}
	return nil
}
