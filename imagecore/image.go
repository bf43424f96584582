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
	// Dockerfile tells the history by lines of a Dockerfile, one that was given
	// or one made of the history.
	Dockerfile []Line `json:"dockerfile,omitempty"`
	// V1 are the images of Docker's image specification v1 that the layers are,
	// base first: one a layer, each the parent of the next; absent where the
	// archive has none.
	V1 []V1 `json:"v1,omitempty"`
}

// Line is an instruction of a Dockerfile with what it made.
type Line struct {
	// Number is the line where the instruction begins, from 1: in the file that
	// was given, else in the one that is made of the history.
	Number      int    `json:"number"`
	Instruction string `json:"instruction"` // RUN, COPY …, in capitals; "" where the history tells of none
	Text        string `json:"text"`        // the instruction whole, its further lines included
	// History is the index of the entry of the history that it left, absent for
	// instructions that leave none (FROM, ARG, those of other stages).
	History *int `json:"history,omitempty"`
	// Layer is the index of the layer that it made; absent: metadata only.
	Layer *int `json:"layer,omitempty"`
	// Note says in a word what else is to be known: "base" (an image that FROM
	// named made it), "other-stage", "not-built" (the history knows nothing of
	// it), "guessed" (the history's words differ), "unknown" (no Dockerfile
	// makes such an entry).
	Note string `json:"note,omitempty"`
}

// V1 is an image of Docker's image specification v1.
type V1 struct {
	ID  string `json:"id"`  // the name of its folder
	Raw string `json:"raw"` // its JSON, byte for byte
	// Checksum is what the JSON claims of the layer's tar: a tarsum, or a plain
	// digest; "" for nothing.
	Checksum string `json:"checksum,omitempty"`
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
	// Form says that the blob is more than a compressed tar: "estargz" or
	// "zstd:chunked", which hold a table of contents so that files can be
	// fetched one by one; "" for plain layers.
	Form string `json:"form,omitempty"`
	// Annotations are those of the manifest's descriptor.
	Annotations map[string]string `json:"annotations,omitempty"`
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
