package imagecore

import (
	"encoding/json"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Report is what an archive holds: the object of `layerlab inspect --json`, of
// GET /api/v1/images/{id} (with one image) and of the page's preview.
type Report struct {
	Source   Source    `json:"source"`
	Images   []Image   `json:"images"`
	Warnings []Warning `json:"warnings"`
}

// Source says what kind of archive was read.
type Source struct {
	// Format is one of docker-v1, docker-save, docker-hybrid, oci,
	// docker-export, rootfs.
	Format string `json:"format"`
	// Compression is that of the archive as a whole: none, gzip, zstd, xz, bzip2.
	Compression string `json:"compression"`
	Size        int64  `json:"size"` // bytes, as stored
}

// Image is one image of an archive.
type Image struct {
	// ID is the digest of the config; for formats without one (plain root
	// file systems) the digest of the config that would be made of it.
	ID       digest.Digest `json:"id"`
	Refs     []string      `json:"refs"`     // "name:tag", as the archive has them
	Platform string        `json:"platform"` // os/arch[/variant]
	Manifest Blob          `json:"manifest"`
	Config   Blob          `json:"config"`
	Layers   []Layer       `json:"layers"` // base first
	History  []History     `json:"history"`
}

// Blob is a small JSON document of an image with its digest.
type Blob struct {
	Digest digest.Digest `json:"digest,omitempty"`
	Size   int64         `json:"size"`          // bytes
	Raw    string        `json:"raw,omitempty"` // the document, byte for byte
}

// Spec parses the image's config as image-spec v1.1 config.md has it.
func (b Blob) Spec() (v1.Image, error) {
	var img v1.Image
	err := json.Unmarshal([]byte(b.Raw), &img)
	return img, err
}

// History is an entry of the image's history; Layer is the index of the layer
// that it made, absent for entries that changed metadata only.
type History struct {
	v1.History
	Layer *int `json:"layer,omitempty"`
}

// Layer is one layer of an image.
type Layer struct {
	Index     int           `json:"index"`     // 0 is the base
	DiffID    digest.Digest `json:"diffID"`    // of the uncompressed tar, as the config claims
	ChainID   digest.Digest `json:"chainID"`   // of the stack up to here (image-spec config.md "Layer ChainID")
	Digest    digest.Digest `json:"digest"`    // of the blob as stored; empty where the format has none
	MediaType string        `json:"mediaType"` // as the manifest has it, else derived from the bytes
	Size      int64         `json:"size"`      // bytes, as stored
	TarSize   int64         `json:"tarSize"`   // bytes, uncompressed
	// EntryCount is the number of tar records.
	EntryCount int    `json:"entries"`
	CreatedBy  string `json:"createdBy"`
	// Present is false where the archive names the layer but does not hold it
	// (foreign layers, pruned platforms).
	Present bool `json:"present"`

	// Entries are the records in the order of the tar; nil until scanned.
	Entries []Entry `json:"-"`
}

// Warning is something odd that does not keep the archive from being read.
type Warning struct {
	// Code names the kind of warning; the page has words for each code and
	// fills Args in. Message is the English sentence.
	Code    string            `json:"code"`
	Args    map[string]string `json:"args"`
	Message string            `json:"message"`
	Layer   int               `json:"layer"`            // index, -1 where none is meant
	Entry   string            `json:"entry,omitempty"`  // name of the tar entry
	Offset  int64             `json:"offset,omitempty"` // bytes from the start of the layer's tar (of the archive where Layer is -1)
}
