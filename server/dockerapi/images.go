//go:build linux

package dockerapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/api/types/image"
	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// imageFilter is what docker images asks for.
type imageFilter struct {
	filters
	all        bool
	sharedSize bool
	descriptor bool // of the manifest
	manifests  bool
}

func (h *Handler) imageList(c *call) error {
	f, err := c.filters("dangling", "reference", "before", "since", "label", "label!", "until")
	if err != nil {
		return err
	}
	if old := c.query("filter"); old != "" && c.version < 41 {
		f["reference"] = append(f["reference"], old)
	}
	list, err := h.summaries(c.r.Context(), imageFilter{filters: f, all: c.flag("all"), sharedSize: c.flag("shared-size"), descriptor: c.version > 47, manifests: c.version > 46 && c.flag("manifests") || c.version > 53 && c.flag("identity")})
	if err != nil {
		return err
	}
	if c.version < 51 {
		for i := range list {
			list[i].Containers = -1 // was not counted
		}
	}
	return c.json(http.StatusOK, list)
}

// summaries lists images, newest first. As in Docker an image without a name
// that others were made on is shown with all only.
func (h *Handler) summaries(ctx context.Context, f imageFilter) ([]image.Summary, error) {
	images, err := h.Images.All(ctx)
	if err != nil {
		return nil, err
	}
	users, err := h.users(ctx)
	if err != nil {
		return nil, err
	}
	dangling, err := f.truth("dangling")
	if err != nil {
		return nil, err
	}
	inTime, err := h.between(ctx, f.filters)
	if err != nil {
		return nil, err
	}
	list := []image.Summary{}
	for i := range images {
		img := &images[i]
		refs, child := img.Refs, hasChild(images, img.ID)
		if len(refs) == 0 && child && !f.all {
			continue
		}
		if dangling != nil && *dangling != (len(refs) == 0 && !child) {
			continue
		}
		if f.has("reference") {
			refs = slices.DeleteFunc(slices.Clone(refs), func(ref string) bool {
				return !f.any("reference", func(pattern string) bool { return matchRef(pattern, ref) })
			})
			if len(refs) == 0 {
				continue
			}
		}
		config := readConfig(img)
		if !inTime(img) || !f.labels(config.Config.Labels) {
			continue
		}
		s := image.Summary{
			ID: img.ID.String(), ParentID: img.Parent.String(), Created: img.Created.Unix(), Size: img.Size(), SharedSize: -1,
			Containers: int64(len(users[img.ID.String()])), Labels: config.Config.Labels,
			RepoTags: byRepository(refs), RepoDigests: repoDigests(img, refs),
		}
		if f.sharedSize {
			s.SharedSize = shared(images, img)
		}
		if img.Created.IsZero() {
			s.Created = 0
		}
		if f.descriptor {
			s.Descriptor = &img.Manifest
		}
		if f.manifests {
			s.Manifests = manifests(img, users[img.ID.String()])
		}
		list = append(list, s)
	}
	return list, nil
}

// between reads the filters before, since and until.
func (h *Handler) between(ctx context.Context, f filters) (func(*Image) bool, error) {
	bound := func(name string) (time.Time, error) {
		if !f.has(name) {
			return time.Time{}, nil
		}
		img, err := h.Images.Find(ctx, f[name][0])
		return img.Created, imageError(f[name][0], err)
	}
	before, err := bound("before")
	if err != nil {
		return nil, err
	}
	since, err := bound("since")
	if err != nil {
		return nil, err
	}
	if f.has("until") {
		until, err := moment(f["until"][0], time.Now())
		if err != nil {
			return nil, err
		}
		if before.IsZero() || until.Before(before) {
			before = until
		}
	}
	return func(img *Image) bool {
		return (before.IsZero() || img.Created.Before(before)) && (since.IsZero() || img.Created.After(since))
	}, nil
}

// manifests tells of an image's one manifest: an image that is stored is of one
// platform, whatever archive it came in.
func manifests(img *Image, users []wire.Container) []image.ManifestSummary {
	config := readConfig(img)
	m := image.ManifestSummary{ID: img.Manifest.Digest.String(), Descriptor: img.Manifest, Available: true, Kind: image.ManifestKindImage}
	platform := config.Platform
	m.Descriptor.Platform = &platform
	m.ImageData = &image.ImageProperties{Platform: platform, Containers: []string{}}
	for _, one := range users {
		m.ImageData.Containers = append(m.ImageData.Containers, one.ID)
	}
	m.ImageData.Size.Unpacked = img.Size()
	m.Size.Content = img.Manifest.Size + int64(len(img.Config))
	for _, l := range img.Layers {
		m.Size.Content += l.Blob
	}
	m.Size.Total = m.Size.Content + img.Size()
	return []image.ManifestSummary{m}
}

func hasChild(images []Image, id digest.Digest) bool {
	return slices.ContainsFunc(images, func(i Image) bool { return i.Parent == id })
}

// shared is the size of the layers that another image has too.
func shared(images []Image, img *Image) (n int64) {
	for _, l := range img.Layers {
		if slices.ContainsFunc(images, func(other Image) bool {
			return other.ID != img.ID && slices.ContainsFunc(other.Layers, func(o Layer) bool { return o.ChainID == l.ChainID })
		}) {
			n += l.Size
		}
	}
	return n
}

// repoDigests gives the manifest's digest under each repository of refs.
func repoDigests(img *Image, refs []string) []string {
	list := []string{}
	for _, ref := range refs {
		d := repository(ref) + "@" + img.Manifest.Digest.String()
		if !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return list
}

// repository is a reference without its tag.
func repository(ref string) string {
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i]
	}
	return ref
}

// byRepository sorts names as Docker does: by what they are in full, with host
// and folder.
func byRepository(refs []string) []string {
	full := func(ref string) string {
		named, err := reference.ParseNormalizedNamed(ref)
		if err != nil {
			return ref
		}
		return named.String()
	}
	out := append([]string{}, refs...)
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(full(a), full(b)) })
	return out
}

// readConfig reads an image's config; what it does not say is zero. The store
// has read it before, so that it is well-formed.
func readConfig(img *Image) (config v1.DockerOCIImage) {
	_ = json.Unmarshal(img.Config, &config)
	return config
}
