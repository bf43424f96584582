//go:build linux

package dockerapi

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/storage"

	"github.com/layerlab/layerlab/server/dockerapi/shape"
)

// imageOf is the image that a path names, of the platform that a client may ask
// for since a version.
func (h *Handler) imageOf(c *call, since shape.Version) (Image, error) {
	name := c.path["name"]
	platforms, err := c.platforms(since)
	if err != nil {
		return Image{}, err
	}
	img, err := h.Images.Find(c.r.Context(), name)
	if err != nil {
		return img, imageError(name, err)
	}
	return img, mustProvide(&img, name, platforms)
}

func (h *Handler) imageInspect(c *call) error {
	img, err := h.imageOf(c, 49)
	if err != nil {
		return err
	}
	config := readConfig(&img)
	v := image.InspectResponse{
		ID: img.ID.String(), RepoTags: byRepository(img.Refs), RepoDigests: repoDigests(&img, img.Refs),
		Created: img.Created.Format(time.RFC3339Nano), Author: config.Author, Config: &config.Config,
		Architecture: config.Architecture, Variant: config.Variant, Os: config.OS, OsVersion: config.OSVersion,
		Size: img.Size(), GraphDriver: &storage.DriverData{Name: "overlay2", Data: map[string]string{}},
		RootFS: image.RootFS{Type: "layers"}, Metadata: image.Metadata{LastTagTime: img.Stored},
	}
	if config.Created == nil {
		v.Created = "" // was the year 1 before 1.44
	}
	if c.version > 47 {
		v.Descriptor = &img.Manifest
		if c.flag("manifests") {
			users, err := h.users(c.r.Context())
			if err != nil {
				return err
			}
			v.Manifests = manifests(&img, users[v.ID])
		}
	}
	if n := len(config.History); n > 0 {
		v.Comment = config.History[n-1].Comment
	}
	for _, l := range img.Layers {
		v.RootFS.Layers = append(v.RootFS.Layers, l.DiffID.String())
	}
	if c.version > 51 {
		return c.json(http.StatusOK, v)
	}
	// The parent stood there until 1.51.
	raw, err := shape.Answer(c.version, v)
	if err != nil {
		return err
	}
	var d map[string]any
	if err := json.Unmarshal(raw, &d); err != nil {
		return err
	}
	d["Parent"] = img.Parent.String()
	return c.json(http.StatusOK, d)
}

// imageHistory lists the steps, newest first. An image id stands beside a step
// where that image is here, as after a commit; the others are <missing>: their
// images exist, if at all, where they were built.
func (h *Handler) imageHistory(c *call) error {
	img, err := h.imageOf(c, 48)
	if err != nil {
		return err
	}
	config := readConfig(&img)
	list := make([]image.HistoryResponseItem, len(config.History))
	layer := 0
	for i, step := range config.History {
		item := &list[len(list)-1-i]
		*item = image.HistoryResponseItem{ID: "<missing>", CreatedBy: step.CreatedBy, Comment: step.Comment, Tags: nil}
		if step.Created != nil {
			item.Created = step.Created.Unix()
		}
		if !step.EmptyLayer && layer < len(img.Layers) {
			item.Size = img.Layers[layer].Size
			layer++
		}
	}
	for one, at := img, 0; at < len(list); {
		list[at].ID, list[at].Tags = one.ID.String(), one.Refs
		length := len(readConfig(&one).History)
		if one.Parent == "" {
			break
		}
		parent, err := h.Images.Find(c.r.Context(), one.Parent.String())
		if err != nil {
			break // gone: its steps are <missing>
		}
		at += max(1, length-len(readConfig(&parent).History))
		one = parent
	}
	return c.json(http.StatusOK, list)
}

func (h *Handler) imageTag(c *call) error {
	repo, tag := c.query("repo"), c.query("tag")
	if tag != "" {
		repo += ":" + tag
	}
	if err := h.Images.Tag(c.r.Context(), c.path["name"], repo); err != nil {
		return imageError(c.path["name"], err)
	}
	c.head(http.StatusCreated)
	return nil
}
