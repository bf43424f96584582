//go:build linux

package engine

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/server/engine/bundle"
)

// OwnLayer is a container's read-write layer at a moment, on top of its image's.
type OwnLayer struct {
	Image   digest.Digest
	Command []string    // what runs in the container
	Items   []pack.Item // as a commit would list them
}

// OwnLayer lists what the container wrote, without stopping it: what changes
// meanwhile may be listed as it was or as it will be. Its items may be opened
// until the container is removed, and refuse a file whose size has changed.
func (s *Service) OwnLayer(ctx context.Context, id string) (OwnLayer, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return OwnLayer{}, err
	}
	release, err := s.holdLayer(c)
	if err != nil {
		return OwnLayer{}, err
	}
	defer release()
	items, err := s.layerItems(ctx, c)
	if err != nil {
		return OwnLayer{}, fmt.Errorf("layer of container %s: %w", bundle.ShortID(c.id), err)
	}
	return OwnLayer{Image: c.image, Command: c.record().Command, Items: items}, nil
}

// OwnFile opens a file that the container wrote, by its path in the container.
// Only the container's own layer is looked at, never a link followed.
func (s *Service) OwnFile(ctx context.Context, id, path string) (io.ReadCloser, error) {
	own, err := s.OwnLayer(ctx, id)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(own.Items, func(it pack.Item) bool { return it.Path == path && it.Open != nil })
	if at < 0 {
		return nil, imagecore.NewError(imagecore.ErrNotFound, "path-not-found", fmt.Sprintf("the container's layer has no file %q", path), "path", path)
	}
	return own.Items[at].Open()
}
