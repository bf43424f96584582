package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/choose"
)

// Annotations that carry an image's name in an index.json: containerd's whole
// name, and image-spec's (annotations.md), which may be the tag alone.
const annotationName = "io.containerd.image.name"

// openStored reads the one image of the store that name means, from the
// store's index.json.
func openStored(ctx context.Context, name string, o Options) (*Source, error) {
	missing := imagecore.NewError(imagecore.ErrNotFound, "image-not-found",
		fmt.Sprintf("no stored image is named %q", name), "image", name)
	if o.Data == "" || name == "" {
		return nil, missing
	}
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
	if len(named) > 0 {
		index.Manifests = named
	} else if !choose.IsID(name) {
		return nil, missing
	}
	// By id: the id is the config's digest, which only the manifests know.
	if raw, err = json.Marshal(index); err != nil {
		return nil, err
	}
	s, err := openFolder(ctx, o.Data, raw, o)
	if err != nil {
		return nil, err
	}
	if len(named) == 0 && len(choose.Matching(s.Report().Images, name)) == 0 {
		return nil, errors.Join(missing, s.Close())
	}
	return s, nil
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
