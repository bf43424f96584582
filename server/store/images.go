//go:build linux

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/survey"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Image is a stored image as the engine needs it.
type Image struct {
	ID       digest.Digest
	Refs     []string // sorted
	Config   []byte   // the config document, byte for byte
	Layers   []Layer  // base first
	Manifest v1.Descriptor
	// Parent is the image that this one was committed on, "" for one that came
	// from outside. It may be gone.
	Parent   digest.Digest
	Platform string    // os/arch[/variant]
	Created  time.Time // as the config says, zero where it does not
	Stored   time.Time
}

// Layer is a layer of an Image.
type Layer struct {
	DiffID    digest.Digest
	ChainID   digest.Digest
	Blob      digest.Digest // as stored
	MediaType string
	Size      int64 // bytes of the blob
	TarSize   int64 // bytes, uncompressed
	Content   int64 // bytes of its files, unpacked: tree.ContentSizes
	CreatedBy string
	Dir       string // absolute path of the unpacked layer, for overlayfs
}

// List gives all images, newest first.
func (s *Store) List(context.Context) ([]wire.Image, error) {
	out := []wire.Image{}
	stored := map[string]time.Time{}
	err := s.db.View(func(tx *bolt.Tx) error {
		all, err := records(tx)
		if err != nil {
			return err
		}
		refs := names(tx)
		for _, r := range all {
			out = append(out, describe(r, refs[r.ID]))
			stored[string(r.ID)] = r.Stored
		}
		return nil
	})
	slices.SortStableFunc(out, func(a, b wire.Image) int {
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
		return stored[b.ID].Compare(stored[a.ID])
	})
	return s.count(out), err
}

// describe words a record for the page, without the number of containers.
func describe(r *record, refs []string) wire.Image {
	img := wire.Image{
		ID: r.ID.String(), Refs: append([]string{}, refs...), Platform: r.Platform,
		Created: r.Created, Layers: []wire.ImageLayer{}, Sample: r.Sample,
		CommittedFrom: r.CommittedFrom,
	}
	for _, l := range r.Layers {
		img.Size += l.TarSize
		img.Unpacked += l.content()
		img.Layers = append(img.Layers, wire.ImageLayer{
			DiffID: l.DiffID.String(), ChainID: l.ChainID.String(), Size: l.TarSize, CreatedBy: l.CreatedBy,
		})
	}
	return img
}

// count fills in the numbers of containers. It must not be called within a
// transaction: whoever counts may be waiting for one.
func (s *Store) count(images []wire.Image) []wire.Image {
	for i := range images {
		images[i].Containers = s.users(digest.Digest(images[i].ID))
	}
	return images
}

func (s *Store) users(id digest.Digest) int {
	if s.o.Users == nil {
		return 0
	}
	return s.o.Users(id)
}

// resolve finds the image that ref means: an id, a name, or a prefix of an id.
func resolve(tx *bolt.Tx, ref string) (r *record, name string, err error) {
	if id := digest.Digest(ref); id.Validate() == nil {
		if r, err = getRecord(tx, id); r != nil || err != nil {
			return r, "", err
		}
	}
	if name, err := Normalize(ref); err == nil {
		if id := tx.Bucket([]byte(bucketNames)).Get([]byte(name)); id != nil {
			r, err := getRecord(tx, digest.Digest(id))
			if r == nil && err == nil {
				err = fmt.Errorf("meta.db: name %s points to image %s, which is not there", name, id)
			}
			return r, name, err
		}
	}
	prefix := strings.TrimPrefix(ref, "sha256:")
	if len(prefix) >= 4 && strings.Trim(prefix, "0123456789abcdef") == "" {
		key := []byte("sha256:" + prefix)
		c := tx.Bucket([]byte(bucketImages)).Cursor()
		first, _ := c.Seek(key)
		if first != nil && strings.HasPrefix(string(first), string(key)) {
			if second, _ := c.Next(); second != nil && strings.HasPrefix(string(second), string(key)) {
				return nil, "", imagecore.NewError(imagecore.ErrAmbiguous, "image-ambiguous",
					fmt.Sprintf("several images have ids that begin with %s", prefix), "ref", ref)
			}
			r, err := getRecord(tx, digest.Digest(first))
			return r, "", err
		}
	}
	return nil, "", notFound(ref)
}

func notFound(ref string) error {
	return imagecore.NewError(imagecore.ErrNotFound, "image-not-found", fmt.Sprintf("no image %q", ref), "ref", ref)
}

// hold resolves ref and keeps its image from being removed until release.
func (s *Store) hold(ref string) (r *record, refs []string, release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.db.View(func(tx *bolt.Tx) error {
		if r, _, err = resolve(tx, ref); err != nil {
			return err
		}
		refs = names(tx)[r.ID]
		return nil
	})
	if err != nil {
		return nil, nil, nil, err
	}
	id := r.ID
	if s.going == id {
		return nil, nil, nil, notFound(ref)
	}
	s.held[id]++
	released := false
	return r, refs, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if released {
			return
		}
		released = true
		if s.held[id]--; s.held[id] == 0 {
			delete(s.held, id)
		}
	}, nil
}

// Hold resolves an id, a prefix of one of at least 4 hexadecimal digits, or a
// name. Until release is called the image stays: Remove reports a conflict.
// release may be called more than once.
func (s *Store) Hold(_ context.Context, ref string) (img Image, release func(), err error) {
	r, refs, release, err := s.hold(ref)
	if err != nil {
		return Image{}, nil, err
	}
	config, err := s.readFile(blobFile(r.ID))
	if err != nil {
		release()
		return Image{}, nil, fmt.Errorf("config of image %s: %w", r.ID, err)
	}
	return s.image(r, refs, config), release, nil
}

func (s *Store) image(r *record, refs []string, config []byte) Image {
	img := Image{
		ID: r.ID, Refs: refs, Config: config, Manifest: r.Manifest, Parent: r.Parent,
		Platform: r.Platform, Created: r.Created, Stored: r.Stored,
	}
	for _, l := range r.Layers {
		img.Layers = append(img.Layers, Layer{
			DiffID: l.DiffID, ChainID: l.ChainID, Blob: l.Blob, MediaType: l.MediaType,
			Size: l.Size, TarSize: l.TarSize, Content: l.content(), CreatedBy: l.CreatedBy,
			Dir: filepath.Join(s.o.Dir, layerDir(l.ChainID)),
		})
	}
	return img
}

// All gives all images whole, newest first. Unlike those of Hold they may be
// removed while they are looked at.
func (s *Store) All(ctx context.Context) ([]Image, error) {
	list, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Image, 0, len(list))
	for _, one := range list {
		img, release, err := s.Hold(ctx, one.ID)
		if errors.Is(err, imagecore.ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		release()
		out = append(out, img)
	}
	return out, nil
}

// Get describes one image.
func (s *Store) Get(_ context.Context, ref string) (wire.Image, error) {
	var out wire.Image
	err := s.db.View(func(tx *bolt.Tx) error {
		r, _, err := resolve(tx, ref)
		if err != nil {
			return err
		}
		out = describe(r, names(tx)[r.ID])
		return nil
	})
	out.Containers = s.users(digest.Digest(out.ID))
	return out, err
}

// Report gives the imagecore.Report of one image as JSON: as the archive was
// read, under the names that the image has now.
func (s *Store) Report(_ context.Context, ref string) ([]byte, error) {
	r, refs, release, err := s.hold(ref)
	if err != nil {
		return nil, err
	}
	defer release()
	var report imagecore.Report
	if err := json.Unmarshal(r.Report, &report); err != nil {
		return nil, fmt.Errorf("meta.db: report of image %s: %w", r.ID, err)
	}
	report.Images[0].Refs = append([]string{}, refs...)
	return json.Marshal(report)
}

// Index gives the binary index (package imagecore/index). That of the spec lens
// is as it was made when the image was stored, the same bytes that the page
// makes of the same archive; other lenses are worked out anew, and may refuse
// the image as their engines do.
func (s *Store) Index(ctx context.Context, ref string, lens tree.Lens) ([]byte, error) {
	r, _, release, err := s.hold(ref)
	if err != nil {
		return nil, err
	}
	defer release()
	if lens == tree.Spec {
		return s.readIndex(r)
	}
	o, give, err := s.open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer give()
	return survey.Index(o.a, 0, lens)
}
