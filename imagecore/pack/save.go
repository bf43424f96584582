package pack

import (
	"archive/tar"
	_ "crypto/sha256" // go-digest needs it linked
	"encoding/json"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is an image to be written.
type Image struct {
	Refs   []string // "name:tag"
	Config []byte   // as stored: its digest is the image's id
	// Manifest is the OCI or Docker manifest that goes with the layers, as
	// stored; nil makes one.
	Manifest []byte
	Layers   []Layer // base first, as many as the config's diffIDs
}

// Layer is a layer's blob as stored.
type Layer struct {
	// Descriptor has the digest and size of the blob, and its media type.
	// The blob may be compressed; Docker 1.10 and later take gzip.
	Descriptor v1.Descriptor
	// Open gives the blob; it is read at most once for each digest.
	Open func() (io.ReadCloser, error)
}

// DockerSave writes images as docker save does since Docker 25: an OCI image
// layout whose blobs manifest.json names too, for Docker 1.10 and later, and
// the folders ID/{VERSION,json,layer.tar} with repositories of Docker 1.0 to
// 1.9, whose layer.tar are symbolic links to the blobs. A blob that several
// images share is written once.
func DockerSave(w io.Writer, images []Image) error {
	items, err := Saved(images)
	if err != nil {
		return err
	}
	return WriteItems(w, items)
}

// Saved lists what DockerSave writes, in its order. Nothing is opened.
func Saved(images []Image) ([]Item, error) {
	s := newSaver()
	for i := range images {
		if err := s.image(&images[i]); err != nil {
			return nil, err
		}
	}
	s.layout()
	s.document("manifest.json", s.saved)
	if len(s.repositories) > 0 {
		s.document("repositories", s.repositories)
	}
	return s.sorted(), nil
}

func newSaver() *saver {
	return &saver{blobs: map[digest.Digest]Item{}, dirs: map[string]bool{}, repositories: map[string]map[string]string{}}
}

// layout adds what makes the blobs an OCI image layout.
func (s *saver) layout() {
	for _, it := range s.blobs {
		s.items = append(s.items, it)
	}
	s.folder("blobs")
	s.folder("blobs/sha256")
	s.document("oci-layout", v1.ImageLayout{Version: v1.ImageLayoutVersion})
	s.document("index.json", v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: s.manifests})
}

func (s *saver) sorted() []Item {
	sort.Slice(s.items, func(i, j int) bool { return s.items[i].Path < s.items[j].Path })
	return s.items
}

// WriteItems writes items as one tar, in their order.
func WriteItems(w io.Writer, items []Item) error {
	tw := tar.NewWriter(w)
	for i := range items {
		if err := writeItem(tw, &items[i]); err != nil {
			return err
		}
	}
	return tw.Close()
}

// saved is an element of manifest.json (Docker image specification v1.1).
type saved struct {
	Config       string
	RepoTags     []string
	Layers       []string
	LayerSources map[digest.Digest]v1.Descriptor `json:",omitempty"`
}

type saver struct {
	items        []Item
	blobs        map[digest.Digest]Item
	dirs         map[string]bool
	saved        []saved
	manifests    []v1.Descriptor
	repositories map[string]map[string]string // name → tag → top layer
}

// image adds an image in all forms of docker save.
func (s *saver) image(img *Image) error {
	config, err := img.config()
	if err != nil {
		return err
	}
	entry := saved{RepoTags: img.Refs, LayerSources: map[digest.Digest]v1.Descriptor{}, Layers: []string{}}
	if entry.RepoTags == nil {
		entry.RepoTags = []string{}
	}
	for i, l := range img.Layers {
		d := l.Descriptor
		entry.Layers = append(entry.Layers, blobPath(d.Digest))
		entry.LayerSources[config.RootFS.DiffIDs[i]] = v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest}
	}
	desc, err := s.content(img)
	if err != nil {
		return err
	}
	entry.Config = blobPath(digest.FromBytes(img.Config))
	s.saved = append(s.saved, entry)
	for _, ref := range img.Refs {
		_, tag := splitRef(ref)
		s.name(desc, ref, tag)
	}
	if len(img.Refs) == 0 {
		s.manifests = append(s.manifests, desc)
	}
	return s.v1(img, config, func(id string, l *Layer) Item {
		return Item{Path: id + "/layer.tar", Kind: imagecore.Symlink, Link: "../" + blobPath(l.Descriptor.Digest), Attr: plain()}
	})
}

// config parses the image's config and checks that it goes with its layers.
func (img *Image) config() (*v1.Image, error) {
	var config v1.Image
	if err := json.Unmarshal(img.Config, &config); err != nil {
		return nil, badConfig(err)
	}
	if got, want := len(img.Layers), len(config.RootFS.DiffIDs); got != want {
		return nil, imagecore.NewError(imagecore.ErrInvalid, "layer-count",
			"the config names "+strconv.Itoa(want)+" layers, there are "+strconv.Itoa(got), "want", strconv.Itoa(want), "got", strconv.Itoa(got))
	}
	for i, l := range img.Layers {
		if l.Open == nil {
			return nil, imagecore.NewError(imagecore.ErrNotFound, "layer-absent", "the layer's content is not here", "digest", l.Descriptor.Digest.String()).In(i)
		}
	}
	return &config, nil
}

// content adds an image's blobs and returns its manifest's descriptor.
func (s *saver) content(img *Image) (v1.Descriptor, error) {
	layers := make([]v1.Descriptor, len(img.Layers))
	for i, l := range img.Layers {
		layers[i] = l.Descriptor
		s.blobs[l.Descriptor.Digest] = Item{Path: blobPath(l.Descriptor.Digest), Kind: imagecore.File, Attr: plain(), Size: l.Descriptor.Size, Open: l.Open}
	}
	raw, desc := img.Manifest, v1.Descriptor{}
	if raw == nil {
		var err error
		if raw, desc, err = Manifest(img.Config, layers); err != nil {
			return desc, err
		}
	} else {
		desc = v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
		var m v1.Manifest
		if err := json.Unmarshal(raw, &m); err == nil && m.MediaType != "" {
			desc.MediaType = m.MediaType
		}
	}
	s.blob(img.Config)
	s.blob(raw)
	return desc, nil
}

// name adds a manifest to the index under a name.
func (s *saver) name(desc v1.Descriptor, ref, refName string) {
	desc.Annotations = map[string]string{"io.containerd.image.name": fullRef(ref), v1.AnnotationRefName: refName}
	s.manifests = append(s.manifests, desc)
}

// blob adds a small document and returns its path.
func (s *saver) blob(b []byte) string {
	d := digest.FromBytes(b)
	s.blobs[d] = Item{Path: blobPath(d), Kind: imagecore.File, Attr: plain(), Size: int64(len(b)), Open: bytesOpener(b)}
	return blobPath(d)
}

func (s *saver) folder(path string) {
	if !s.dirs[path] {
		s.dirs[path] = true
		at := plain()
		at.Mode = 0o755
		s.items = append(s.items, Item{Path: path, Kind: imagecore.Dir, Attr: at})
	}
}

func (s *saver) document(path string, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // types of our own, all of which marshal
	}
	s.raw(path, raw)
}

func (s *saver) raw(path string, b []byte) {
	s.items = append(s.items, Item{Path: path, Kind: imagecore.File, Attr: plain(), Size: int64(len(b)), Open: bytesOpener(b)})
}

func blobPath(d digest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }

func bytesOpener(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(b))), nil }
}

// splitRef parts "host:5000/name:tag" at the tag's colon; the tag is "latest"
// where there is none.
func splitRef(ref string) (name, tag string) {
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i], ref[i+1:]
	}
	return ref, "latest"
}

// fullRef gives a familiar name its registry, as containerd keeps names.
func fullRef(ref string) string {
	name, tag := splitRef(ref)
	first, rest := cutSlash(name)
	switch {
	case rest == "":
		name = "docker.io/library/" + name
	case first != "localhost" && !strings.ContainsAny(first, ".:"):
		name = "docker.io/" + name
	}
	return name + ":" + tag
}

func cutSlash(s string) (first, rest string) {
	first, rest, _ = strings.Cut(s, "/")
	return first, rest
}

// v1 adds the image in the form of Docker's image specification v1.0: a chain
// of layers, each of which is an image that names its parent; tar gives the
// item of a layer's layer.tar.
func (s *saver) v1(img *Image, config *v1.Image, tar func(id string, l *Layer) Item) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(img.Config, &fields); err != nil {
		return badConfig(err)
	}
	var history []v1.History
	for _, h := range config.History {
		if !h.EmptyLayer {
			history = append(history, h)
		}
	}
	parent := ""
	chain := identity.ChainIDs(slices.Clone(config.RootFS.DiffIDs))
	for i := range img.Layers {
		j := map[string]json.RawMessage{}
		if i == len(img.Layers)-1 {
			for k, v := range fields {
				if k != "rootfs" && k != "history" {
					j[k] = v
				}
			}
		} else if i < len(history) {
			if history[i].Created != nil {
				set(j, "created", history[i].Created)
			}
			set(j, "container_config", map[string][]string{"Cmd": {history[i].CreatedBy}})
		}
		// The id is Docker's since 1.10 (moby image/v1 CreateID), so that whoever
		// can check theirs can check ours.
		if parent != "" {
			set(j, "parent", "sha256:"+parent)
		}
		set(j, "layer_id", chain[i])
		unnamed, err := json.Marshal(j)
		if err != nil {
			return badConfig(err)
		}
		id := digest.FromBytes(unnamed).Encoded()
		delete(j, "layer_id")
		set(j, "id", id)
		if parent != "" {
			set(j, "parent", parent)
		}
		named, err := json.Marshal(j)
		if err != nil {
			return badConfig(err)
		}
		if !s.dirs[id] {
			s.folder(id)
			s.raw(id+"/VERSION", []byte("1.0"))
			s.raw(id+"/json", named)
			s.items = append(s.items, tar(id, &img.Layers[i]))
		}
		parent = id
	}
	for _, ref := range img.Refs {
		name, tag := splitRef(ref)
		if parent == "" {
			continue
		}
		if s.repositories[name] == nil {
			s.repositories[name] = map[string]string{}
		}
		s.repositories[name][tag] = parent
	}
	return nil
}

// plain is the metadata of the archive's own files.
func plain() tree.Attr { return tree.Attr{Mode: 0o644} }
