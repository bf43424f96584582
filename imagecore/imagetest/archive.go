package imagetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Format of an Archive, as imagecore.Source names it.
type Format string

const (
	DockerSave   Format = "docker-save"   // manifest.json, Docker 1.10 to 24
	DockerHybrid Format = "docker-hybrid" // manifest.json and an OCI layout, Docker 25 and later
	OCI          Format = "oci"
	DockerExport Format = "docker-export" // the tree of the first image, flat, with .dockerenv
	Rootfs       Format = "rootfs"
)

// Archive describes an archive with one or more images.
type Archive struct {
	Format Format
	Images []Image
	Gzip   bool // the archive as a whole
	// GzipLayers compresses each layer.
	GzipLayers bool
	// LinkTwins makes a layer that was there before a link to it: 's' a
	// symbolic link, 'h' a hard link, 0 a copy. DockerSave only.
	LinkTwins byte
	// DocumentsLast puts the small documents behind the layers.
	DocumentsLast bool
}

// Image is an image of an Archive.
type Image struct {
	Stack  Stack
	Refs   []string
	Config v1.ImageConfig
	Arch   string // default amd64
	// Edit, if set, changes the config document before it is digested.
	Edit func(config []byte) []byte
}

// One returns an archive with one tagged image.
func One(f Format, s Stack) Archive {
	return Archive{Format: f, Images: []Image{{Stack: s, Refs: []string{"test/image:latest"}, Config: v1.ImageConfig{Cmd: []string{"/x"}}}}}
}

// file is a file of an archive to be written.
type file struct {
	name string
	data []byte
	link string
	kind byte
}

// Bytes returns the archive, the same for the same description.
func (a Archive) Bytes() []byte {
	var b []byte
	switch a.Format {
	case DockerExport, Rootfs:
		l := a.Images[0].Stack[0]
		if a.Format == DockerExport {
			l = append(Layer{{Type: 'f', Name: ".dockerenv", Mode: 0o755, ModTime: Time}}, l...)
		}
		b = l.Tar()
	case OCI:
		b = a.oci()
	case DockerHybrid:
		b = a.hybrid()
	default:
		b = a.dockerSave()
	}
	if a.Gzip {
		b = Gzip(b)
	}
	return b
}

// Gzip compresses without a time or a name, so that the result is the same.
func Gzip(b []byte) []byte {
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	_, _ = zw.Write(b)
	_ = zw.Close()
	return out.Bytes()
}

// blobs returns the layers as stored and as they are unpacked.
func (a Archive) blobs(img Image) (stored, tars [][]byte) {
	for _, l := range img.Stack {
		b := l.Tar()
		tars = append(tars, b)
		if a.GzipLayers {
			b = Gzip(b)
		}
		stored = append(stored, b)
	}
	return stored, tars
}

// config returns the config document of an image.
func (img Image) config(tars [][]byte) []byte {
	created := time.Unix(Time, 0).UTC()
	arch := img.Arch
	if arch == "" {
		arch = "amd64"
	}
	c := v1.Image{Created: &created, Platform: v1.Platform{Architecture: arch, OS: "linux"}, Config: img.Config, RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}}
	for i, b := range tars {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.FromBytes(b))
		c.History = append(c.History, v1.History{Created: &created, CreatedBy: fmt.Sprintf("layer %d", i)})
	}
	raw, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	if img.Edit != nil {
		raw = img.Edit(raw)
	}
	return raw
}

func (a Archive) mediaType() string {
	if a.GzipLayers {
		return v1.MediaTypeImageLayerGzip
	}
	return v1.MediaTypeImageLayer
}

func (a Archive) dockerSave() []byte {
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	var files, documents []file
	var manifest []entry
	seen := map[digest.Digest]string{}
	for n, img := range a.Images {
		stored, tars := a.blobs(img)
		config := img.config(tars)
		e := entry{Config: digest.FromBytes(config).Encoded() + ".json", RepoTags: img.Refs}
		documents = append(documents, file{name: e.Config, data: config})
		for i, b := range stored {
			name := fmt.Sprintf("%d-%d/layer.tar", n, i)
			f := file{name: name, data: b}
			if first, ok := seen[digest.FromBytes(b)]; ok && a.LinkTwins != 0 {
				f = file{name: name, kind: tar.TypeSymlink, link: "../" + first}
				if a.LinkTwins == 'h' {
					f.kind, f.link = tar.TypeLink, first
				}
			} else {
				seen[digest.FromBytes(b)] = name
			}
			files = append(files, file{name: path.Dir(name) + "/", kind: tar.TypeDir}, file{name: path.Dir(name) + "/VERSION", data: []byte("1.0")}, f)
			e.Layers = append(e.Layers, name)
		}
		manifest = append(manifest, e)
	}
	documents = append(documents, document("manifest.json", manifest))
	return a.write(documents, files)
}

func (a Archive) oci() []byte {
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	blobs := map[string]bool{}
	var files []file
	add := func(b []byte) digest.Digest {
		d := digest.FromBytes(b)
		name := "blobs/sha256/" + d.Encoded()
		if !blobs[name] {
			blobs[name] = true
			files = append(files, file{name: name, data: b})
		}
		return d
	}
	for _, img := range a.Images {
		stored, tars := a.blobs(img)
		config := img.config(tars)
		add(config)
		var layers []v1.Descriptor
		for _, b := range stored {
			layers = append(layers, v1.Descriptor{MediaType: a.mediaType(), Digest: add(b), Size: int64(len(b))})
		}
		manifest, desc, err := pack.Manifest(config, layers)
		if err != nil {
			panic(err)
		}
		add(manifest)
		desc.Platform = &v1.Platform{Architecture: img.Arch, OS: "linux"}
		if img.Arch == "" {
			desc.Platform.Architecture = "amd64"
		}
		for _, ref := range img.Refs {
			named := desc
			named.Annotations = map[string]string{v1.AnnotationRefName: ref}
			index.Manifests = append(index.Manifests, named)
		}
		if len(img.Refs) == 0 {
			index.Manifests = append(index.Manifests, desc)
		}
	}
	return a.write([]file{document("oci-layout", v1.ImageLayout{Version: v1.ImageLayoutVersion}), document("index.json", index)}, files)
}

func (a Archive) hybrid() []byte {
	var images []pack.Image
	for _, img := range a.Images {
		stored, tars := a.blobs(img)
		p := pack.Image{Refs: img.Refs, Config: img.config(tars)}
		for _, b := range stored {
			p.Layers = append(p.Layers, pack.Layer{
				Descriptor: v1.Descriptor{MediaType: a.mediaType(), Digest: digest.FromBytes(b), Size: int64(len(b))},
				Open:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil },
			})
		}
		images = append(images, p)
	}
	var out bytes.Buffer
	if err := pack.DockerSave(&out, images); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func document(name string, v any) file {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return file{name: name, data: raw}
}

func (a Archive) write(documents, files []file) []byte {
	all := append(append([]file(nil), documents...), files...)
	if a.DocumentsLast {
		all = append(append([]file(nil), files...), documents...)
	}
	return writeFiles(all)
}

func writeFiles(files []file) []byte {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data)), Typeflag: f.kind, Linkname: f.link, ModTime: time.Unix(Time, 0)}
		switch f.kind {
		case 0:
			h.Typeflag = tar.TypeReg
		case tar.TypeDir:
			h.Mode = 0o755
		}
		if err := tw.WriteHeader(h); err != nil {
			panic(err)
		}
		_, _ = tw.Write(f.data)
	}
	_ = tw.Close()
	return b.Bytes()
}
