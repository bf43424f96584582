//go:build linux

package store

import (
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Save writes an image in docker save's form to the writer that open gives it.
// open is called once, when the image is found, with a name for the file.
func (s *Store) Save(ctx context.Context, ref string, open func(name string) io.Writer) error {
	r, refs, release, err := s.hold(ref)
	if err != nil {
		return err
	}
	defer release()
	img, err := s.packed(r, refs)
	if err != nil {
		return err
	}
	return pack.DockerSave(stopper{ctx, open(fileName(r, refs, ".tar"))}, []pack.Image{img})
}

// Named is an image and those of its names that an archive shall carry.
type Named struct {
	ID   digest.Digest
	Refs []string // "name:tag"; none saves the image without a name
}

// SaveAll writes several images as one archive, as docker save does when it is
// given several names. open is called once all of them are found.
func (s *Store) SaveAll(ctx context.Context, list []Named, open func() io.Writer) error {
	images := make([]pack.Image, 0, len(list))
	for _, n := range list {
		r, _, release, err := s.hold(n.ID.String())
		if err != nil {
			return err
		}
		defer release() // all of them stay until the last is written
		img, err := s.packed(r, n.Refs)
		if err != nil {
			return err
		}
		images = append(images, img)
	}
	return pack.DockerSave(stopper{ctx, open()}, images)
}

// packed is a held image as package pack wants it.
func (s *Store) packed(r *record, refs []string) (img pack.Image, err error) {
	img.Refs = refs
	if img.Config, err = s.readFile(blobFile(r.ID)); err != nil {
		return img, fmt.Errorf("config of image %s: %w", r.ID, err)
	}
	if img.Manifest, err = s.readFile(blobFile(r.Manifest.Digest)); err != nil {
		return img, fmt.Errorf("manifest of image %s: %w", r.ID, err)
	}
	for _, l := range r.Layers {
		img.Layers = append(img.Layers, pack.Layer{
			Descriptor: v1.Descriptor{MediaType: l.MediaType, Digest: l.Blob, Size: l.Size},
			Open:       func() (io.ReadCloser, error) { return s.openBlob(l.Blob) },
		})
	}
	return img, nil
}

// maxDocument is how large a file of an archive is told with its text.
const maxDocument = 256 << 10 // bytes

// Files tells what Save writes of an image, documents with their text.
func (s *Store) Files(ctx context.Context, ref string) ([]wire.ArchiveFile, error) {
	r, refs, release, err := s.hold(ref)
	if err != nil {
		return nil, err
	}
	defer release()
	img, err := s.packed(r, refs)
	if err != nil {
		return nil, err
	}
	items, err := pack.Saved([]pack.Image{img})
	if err != nil {
		return nil, err
	}
	layers := map[string]bool{}
	for _, l := range r.Layers {
		layers[blobFile(l.Blob)] = true
	}
	files := make([]wire.ArchiveFile, 0, len(items))
	for i := range items {
		it := &items[i]
		f := wire.ArchiveFile{Name: it.Path, Kind: wire.ArchiveRegular, Size: it.Size, Target: it.Link}
		switch it.Kind {
		case imagecore.Dir:
			f.Kind, f.Name = wire.ArchiveFolder, it.Path+"/"
		case imagecore.Symlink:
			f.Kind = wire.ArchiveLink
		default:
			if !layers[it.Path] && it.Size <= maxDocument {
				if f.Text, err = text(it); err != nil {
					return nil, fmt.Errorf("%s of image %s: %w", it.Path, r.ID, err)
				}
			}
		}
		files = append(files, f)
	}
	return files, ctx.Err()
}

// text is the content of a small item.
func text(it *pack.Item) (string, error) {
	if it.Open == nil {
		return "", nil
	}
	f, err := it.Open()
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, it.Size))
	return string(b), err
}

// Flatten writes an image's merged tree as one tar, as docker export does, to
// the writer that open gives it.
func (s *Store) Flatten(ctx context.Context, ref string, open func(name string) io.Writer) error {
	r, refs, release, err := s.hold(ref)
	if err != nil {
		return err
	}
	defer release()
	merged, err := s.Tree(ctx, r.ID)
	if err != nil {
		return err
	}
	var layers []*LayerReader
	defer func() {
		for _, l := range layers {
			if l != nil {
				l.Close()
			}
		}
	}()
	layers = make([]*LayerReader, len(r.Layers))
	content := func(layer int) (io.ReaderAt, error) {
		if layers[layer] == nil {
			l, err := s.openLayer(ctx, r, layer)
			if err != nil {
				return nil, err
			}
			layers[layer] = l
		}
		return layers[layer], nil
	}
	return pack.Flatten(stopper{ctx, open(fileName(r, refs, "-flat.tar"))}, merged.Top(), content)
}

// stopper is a writer that ends when nobody wants the bytes any more.
type stopper struct {
	ctx context.Context // of the one call that writes
	w   io.Writer
}

func (s stopper) Write(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, canceled(s.ctx)
	}
	return s.w.Write(p)
}
