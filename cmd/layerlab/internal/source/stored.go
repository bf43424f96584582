package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/choose"
)

// Annotations that carry an image's name in an index.json: containerd's whole
// name, and image-spec's (annotations.md), which may be the tag alone.
const annotationName = "io.containerd.image.name"

// answerWithin is how long the server may take to say what a name means; the
// store's own list is nearly as good.
const answerWithin = 2 * time.Second

// openStored reads the one image of the store that name means.
func openStored(ctx context.Context, name string, o Options) (*Source, error) {
	missing := imagecore.NewError(imagecore.ErrNotFound, "image-not-found",
		fmt.Sprintf("no stored image is named %q", name), "image", name)
	if o.Data == "" || name == "" {
		return nil, missing
	}
	server, id := o.server(ctx, name)
	if id == "" {
		return openListed(ctx, name, missing, o)
	}
	s, err := openListed(ctx, id, missing, o)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, imagecore.ErrNotFound) {
		// Not ours to read, or gone while we looked: the server still has it.
		if saved, serr := server.save(ctx, id, o); serr == nil {
			return saved, nil
		}
	}
	return s, err
}

// server asks the running server which image a name means; id is "" where none
// answers in time, or where it does not know the name.
func (o Options) server(ctx context.Context, name string) (server *engine, id string) {
	socket := o.Socket
	if socket == "" {
		socket = filepath.Join(o.Data, "docker.sock")
	}
	if _, err := os.Stat(socket); err != nil {
		return nil, ""
	}
	server, err := engineAt("unix://"+(&url.URL{Path: socket}).EscapedPath(), o)
	if err != nil {
		return nil, ""
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	id, err = server.imageID(ctx, name)
	if err != nil {
		return server, ""
	}
	return server, id
}

// openListed reads the image of that name or id from the store's index.json.
func openListed(ctx context.Context, name string, missing error, o Options) (*Source, error) {
	raw, err := os.ReadFile(filepath.Join(o.Data, v1.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	var index v1.Index
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, imagecore.NewError(imagecore.ErrInvalid, "bad-json", fmt.Sprintf("index.json of the store: %v", err))
	}
	named := slices.DeleteFunc(slices.Clone(index.Manifests), func(d v1.Descriptor) bool {
		return !slices.ContainsFunc([]string{d.Annotations[annotationName], d.Annotations[v1.AnnotationRefName]},
			func(ref string) bool { return choose.SameRef(ref, name) })
	})
	if len(named) == 0 && choose.IsID(name) {
		named = slices.DeleteFunc(slices.Clone(index.Manifests), func(d v1.Descriptor) bool { return !hasID(o.Data, d, name) })
	}
	if len(named) == 0 {
		return nil, missing
	}
	index.Manifests = named
	if raw, err = json.Marshal(index); err != nil {
		return nil, err
	}
	return openFolder(ctx, o.Data, raw, o)
}

// hasID says whether the image of a manifest has that id, or an id that begins
// so: the digest of its config, which only the manifest knows. What cannot be
// read has none.
func hasID(dir string, d v1.Descriptor, id string) bool {
	if d.Digest.Validate() != nil || d.Size > 1<<20 {
		return false
	}
	raw, err := os.ReadFile(filepath.Join(dir, v1.ImageBlobsDir, d.Digest.Algorithm().String(), d.Digest.Encoded()))
	if err != nil {
		return false
	}
	var m v1.Manifest
	return json.Unmarshal(raw, &m) == nil && m.Config.Digest.Validate() == nil &&
		(strings.HasPrefix(m.Config.Digest.String(), id) || strings.HasPrefix(m.Config.Digest.Encoded(), id))
}

// withIndex is an OCI layout with another index.json.
type withIndex struct {
	fs.FS
	index []byte
}

func (w withIndex) Open(name string) (fs.File, error) {
	if name == v1.ImageIndexFile {
		return &indexFile{Reader: bytes.NewReader(w.index)}, nil
	}
	return w.FS.Open(name)
}

// indexFile is the replaced index.json as an open file, and its own FileInfo.
type indexFile struct{ *bytes.Reader }

func (f *indexFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *indexFile) Close() error               { return nil }
func (f *indexFile) Name() string               { return v1.ImageIndexFile }
func (f *indexFile) Mode() fs.FileMode          { return 0o444 }
func (f *indexFile) ModTime() time.Time         { return time.Time{} }
func (f *indexFile) IsDir() bool                { return false }
func (f *indexFile) Sys() any                   { return nil }
func (f *indexFile) Size() int64                { return f.Reader.Size() }

var _ io.ReaderAt = (*indexFile)(nil)
