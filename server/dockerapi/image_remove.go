//go:build linux

package dockerapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/image"
	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func (h *Handler) imageRemove(c *call) error {
	if c.query("platforms") != "" {
		return invalid("platforms is not served by layerlab: an image has one platform, remove it as a whole")
	}
	list, err := h.removeImage(c.r.Context(), c.path["name"], c.flag("force"), !c.flag("noprune"))
	if err != nil {
		return imageError(c.path["name"], err)
	}
	return c.json(http.StatusOK, list)
}

// removeImage is docker rmi: a name goes, the image with its last one; an id
// means the image whole, if one repository at most names it.
func (h *Handler) removeImage(ctx context.Context, ref string, force, parents bool) ([]image.DeleteResponse, error) {
	img, err := h.Images.Find(ctx, ref)
	if err != nil {
		return nil, err
	}
	users, err := h.users(ctx)
	if err != nil {
		return nil, err
	}
	mine := users[img.ID.String()]
	if name := h.nameOf(&img, ref); name != "" {
		if len(img.Refs) == 1 && len(mine) > 0 && !force {
			return nil, conflict("conflict: unable to remove repository reference %q (must force) - container %s is using its referenced image %s",
				ref, short(mine[0].ID), short(img.ID.String()))
		}
		if len(img.Refs) > 1 || len(mine) > 0 {
			return []image.DeleteResponse{{Untagged: name}}, h.Images.Untag(ctx, name)
		}
		return h.deleteImage(ctx, img, parents)
	}
	repositories := map[string]bool{}
	for _, r := range img.Refs {
		repositories[repository(r)] = true
	}
	if len(repositories) > 1 && !force {
		return nil, conflict("conflict: unable to delete %s (must be forced) - image is referenced in multiple repositories", short(img.ID.String()))
	}
	for _, one := range mine {
		if one.State == wire.StateRunning || one.State == wire.StatePaused {
			return nil, conflict("conflict: unable to delete %s (cannot be forced) - image is being used by running container %s", short(img.ID.String()), short(one.ID))
		}
	}
	if len(mine) > 0 && !force {
		return nil, conflict("conflict: unable to delete %s (must be forced) - image is being used by stopped container %s", short(img.ID.String()), short(mine[0].ID))
	}
	images, err := h.Images.All(ctx)
	if err != nil {
		return nil, err
	}
	if hasChild(images, img.ID) {
		return nil, conflict("conflict: unable to delete %s (cannot be forced) - image has dependent child images", short(img.ID.String()))
	}
	if len(mine) == 0 {
		return h.deleteImage(ctx, img, parents)
	}
	// A stopped container could not start without the image: its names go, the
	// image stays until the container does.
	var gone []image.DeleteResponse
	for _, r := range img.Refs {
		if err := h.Images.Untag(ctx, r); err != nil {
			return gone, err
		}
		gone = append(gone, image.DeleteResponse{Untagged: r})
	}
	return gone, nil
}

// nameOf returns the name that ref means, "" where it means an id.
func (h *Handler) nameOf(img *Image, ref string) string {
	name, err := h.Images.Normalize(ref)
	if err != nil || !slices.Contains(img.Refs, name) {
		return ""
	}
	return name
}

// deleteImage takes an image away, and the images without names that only it
// was made on.
func (h *Handler) deleteImage(ctx context.Context, img Image, parents bool) ([]image.DeleteResponse, error) {
	images, err := h.Images.All(ctx)
	if err != nil {
		return nil, err
	}
	var gone []image.DeleteResponse
	for _, r := range img.Refs {
		gone = append(gone, image.DeleteResponse{Untagged: r})
	}
	if hasChild(images, img.ID) { // what was made on it says so in its history
		for _, r := range img.Refs {
			if err := h.Images.Untag(ctx, r); err != nil {
				return nil, err
			}
		}
		return gone, nil
	}
	if err := h.Images.Remove(ctx, img.ID.String()); err != nil {
		return nil, err
	}
	gone = append(gone, image.DeleteResponse{Deleted: img.ID.String()})
	images = slices.DeleteFunc(images, func(i Image) bool { return i.ID == img.ID })
	kept := map[digest.Digest]bool{}
	for _, i := range images {
		for _, l := range i.Layers {
			kept[l.ChainID] = true
		}
	}
	for _, l := range slices.Backward(img.Layers) {
		if !kept[l.ChainID] {
			gone = append(gone, image.DeleteResponse{Deleted: l.ChainID.String()})
		}
	}
	at := slices.IndexFunc(images, func(i Image) bool { return i.ID == img.Parent })
	if !parents || at < 0 || len(images[at].Refs) > 0 || hasChild(images, img.Parent) {
		return gone, nil
	}
	more, err := h.deleteImage(ctx, images[at], parents)
	if errors.Is(err, imagecore.ErrConflict) {
		return gone, nil // in use: it stays
	}
	return append(gone, more...), err
}

func (h *Handler) imagePrune(c *call) error {
	f, err := c.filters("dangling", "label", "label!", "until")
	if err != nil {
		return err
	}
	only, err := f.truth("dangling")
	if err != nil {
		return err
	}
	var until time.Time
	if f.has("until") {
		if until, err = moment(f["until"][0], time.Now()); err != nil {
			return err
		}
	}
	gone, freed, err := h.pruneImages(c.r.Context(), only == nil || *only, func(img *Image) bool {
		return f.labels(readConfig(img).Config.Labels) && (until.IsZero() || img.Created.Before(until))
	})
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, image.PruneReport{ImagesDeleted: gone, SpaceReclaimed: freed})
}

// short is how messages show an id.
func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(12, len(id))]
}
