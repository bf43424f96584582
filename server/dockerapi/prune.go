//go:build linux

package dockerapi

import (
	"context"
	"errors"
	"slices"

	"github.com/moby/moby/api/types/image"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// PruneImages is docker image prune, with all docker image prune -a, for the page:
// what is in use is decided in one place.
func (h *Handler) PruneImages(ctx context.Context, all bool) (wire.Pruned, error) {
	done := wire.Pruned{Removed: []string{}}
	before, err := h.Images.All(ctx)
	if err != nil {
		return done, err
	}
	_, freed, err := h.pruneImages(ctx, !all, func(*Image) bool { return true })
	if err != nil {
		return done, err
	}
	after, err := h.Images.All(ctx)
	for _, img := range before {
		if slices.ContainsFunc(after, func(i Image) bool { return i.ID == img.ID }) {
			continue
		}
		if len(img.Refs) == 0 {
			img.Refs = []string{short(img.ID.String())}
		}
		done.Removed = append(done.Removed, img.Refs...)
	}
	done.Freed = int64(freed)
	return done, err
}

// pruneImages removes the images that which says yes to and no container has,
// those without a name alone where it is to be only them, and tells of it.
func (h *Handler) pruneImages(ctx context.Context, dangling bool, which func(*Image) bool) (gone []image.DeleteResponse, freed uint64, err error) {
	gone = []image.DeleteResponse{}
	before, _, _, err := h.layerBytes(ctx)
	if err != nil {
		return gone, 0, err
	}
	images, err := h.Images.All(ctx)
	if err != nil {
		return gone, 0, err
	}
	users, err := h.users(ctx)
	if err != nil {
		return gone, 0, err
	}
	for _, img := range images {
		switch {
		case dangling && len(img.Refs) > 0, len(users[img.ID.String()]) > 0, hasChild(images, img.ID) && len(img.Refs) == 0, !which(&img):
			continue
		}
		list, err := h.deleteImage(ctx, img, true)
		if err != nil && !errors.Is(err, imagecore.ErrConflict) && !errors.Is(err, imagecore.ErrNotFound) {
			return gone, 0, err
		}
		gone = append(gone, list...)
	}
	after, _, _, err := h.layerBytes(ctx)
	if err != nil {
		return gone, 0, err
	}
	freed = uint64(max(0, before-after))
	h.pruned("image", freed)
	return gone, freed, nil
}

// PruneContainers is docker container prune for the page.
func (h *Handler) PruneContainers(ctx context.Context) (wire.Pruned, error) {
	done := wire.Pruned{Removed: []string{}}
	names := map[string]string{}
	ids, freed, err := h.pruneContainers(ctx, func(one wire.Container, _ map[string]string) bool {
		names[one.ID] = one.Name
		return true
	})
	for _, id := range ids {
		done.Removed = append(done.Removed, names[id])
	}
	done.Freed = int64(freed)
	return done, err
}

// pruneContainers removes the containers that have no process and that which, who
// is given their labels too, says yes to, and tells of it.
func (h *Handler) pruneContainers(ctx context.Context, which func(wire.Container, map[string]string) bool) (ids []string, freed uint64, err error) {
	ids = []string{}
	list, err := h.Containers.List(ctx)
	if err != nil {
		return ids, 0, err
	}
	for _, one := range list {
		if one.Pid != 0 || one.State == wire.StateRestarting {
			continue
		}
		s, err := h.summary(ctx, one, true)
		if err != nil || !which(one, s.Labels) {
			continue
		}
		err = h.Containers.Delete(ctx, one.ID, false)
		switch {
		case errors.Is(err, imagecore.ErrNotFound), errors.Is(err, imagecore.ErrConflict):
			continue // gone, or started meanwhile
		case err != nil:
			return ids, freed, err
		}
		ids = append(ids, one.ID)
		freed += uint64(s.SizeRw)
	}
	h.pruned("container", freed)
	return ids, freed, nil
}

// Pruned tells of a prune that the page had done otherwise, in the same words.
func (h *Handler) Pruned(of string, bytes int64) { h.pruned(of, uint64(bytes)) }
