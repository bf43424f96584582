//go:build linux

package dockerapi

import (
	"context"
	"errors"
	"maps"
	"net/http"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/system"

	"github.com/layerlab/layerlab/server/dockerapi/shape"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// diskUsage tells what takes how much. Since 1.42 a client may ask for some
// kinds alone. Up to 1.51 the answer has lists; since then sums, and what they
// are sums of for who asks for verbose; 1.52 has both.
func (h *Handler) diskUsage(c *call) error {
	v, err := h.usage(c)
	if err != nil {
		return err
	}
	if c.version > 51 && c.flag("verbose") {
		return c.json(http.StatusOK, v)
	}
	lists, err := usageLists(c.version, v)
	if err != nil {
		return err
	}
	if c.version < 52 {
		return c.json(http.StatusOK, lists)
	}
	sums := map[string]any{}
	if v.ImageUsage != nil {
		v.ImageUsage.Items, sums["ImageUsage"] = nil, v.ImageUsage
	}
	if v.ContainerUsage != nil {
		v.ContainerUsage.Items, sums["ContainerUsage"] = nil, v.ContainerUsage
	}
	if v.VolumeUsage != nil {
		v.VolumeUsage.Items, sums["VolumeUsage"] = nil, v.VolumeUsage
	}
	if v.BuildCacheUsage != nil {
		sums["BuildCacheUsage"] = v.BuildCacheUsage
	}
	if c.version == 52 {
		maps.Copy(sums, lists)
	}
	return c.json(http.StatusOK, sums)
}

// usage looks at the kinds that are asked for.
func (h *Handler) usage(c *call) (v system.DiskUsage, err error) {
	kinds := c.r.URL.Query()["type"]
	if len(kinds) == 0 || c.version < 42 {
		kinds = []string{string(system.ImageObject), string(system.ContainerObject), string(system.VolumeObject), string(system.BuildCacheObject)}
	}
	for _, kind := range kinds {
		switch system.DiskUsageObject(kind) {
		case system.ImageObject:
			v.ImageUsage, err = h.imageUsage(c.r.Context())
		case system.ContainerObject:
			v.ContainerUsage, err = h.containerUsage(c.r.Context())
		case system.VolumeObject:
			v.VolumeUsage, err = h.volumeUsage(c.r.Context())
		case system.BuildCacheObject:
			v.BuildCacheUsage = &build.DiskUsage{} // there is no builder
		default:
			err = invalid("unknown object type: %s", kind)
		}
		if err != nil {
			return v, err
		}
	}
	return v, nil
}

// usageLists is the answer as it was before 1.52.
func usageLists(of shape.Version, v system.DiskUsage) (map[string]any, error) {
	d := map[string]any{"LayersSize": 0, "Images": nil, "Containers": nil, "Volumes": nil, "BuildCache": nil}
	var failed [3]error
	if v.ImageUsage != nil {
		d["LayersSize"] = v.ImageUsage.TotalSize
		d["Images"], failed[0] = shape.All(of, v.ImageUsage.Items)
	}
	if v.ContainerUsage != nil {
		d["Containers"], failed[1] = shape.All(of, v.ContainerUsage.Items)
	}
	if v.VolumeUsage != nil {
		d["Volumes"], failed[2] = shape.All(of, v.VolumeUsage.Items)
	}
	if v.BuildCacheUsage != nil {
		d["BuildCache"] = []struct{}{}
	}
	if of < 42 {
		d["BuilderSize"] = 0
	}
	return d, errors.Join(failed[:]...)
}

func (h *Handler) imageUsage(ctx context.Context) (*image.DiskUsage, error) {
	list, err := h.summaries(ctx, imageFilter{all: true, sharedSize: true})
	if err != nil {
		return nil, err
	}
	layers, unused, used, err := h.layerBytes(ctx)
	return &image.DiskUsage{ActiveCount: used, TotalCount: int64(len(list)), TotalSize: layers, Reclaimable: unused, Items: list}, err
}

func (h *Handler) containerUsage(ctx context.Context) (*container.DiskUsage, error) {
	list, err := h.Containers.List(ctx)
	if err != nil {
		return nil, err
	}
	v := &container.DiskUsage{TotalCount: int64(len(list)), Items: []container.Summary{}}
	for _, one := range list {
		s, err := h.summary(ctx, one, true)
		if err != nil {
			return nil, err
		}
		v.Items = append(v.Items, s)
		v.TotalSize += s.SizeRw
		if one.Pid == 0 {
			v.Reclaimable += s.SizeRw
		} else {
			v.ActiveCount++
		}
	}
	return v, nil
}

// layerBytes adds up the layers, each once: of all images, of those that no
// container is made of alone, and how many images have containers.
func (h *Handler) layerBytes(ctx context.Context) (all, unused, used int64, err error) {
	images, err := h.Images.All(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	by, err := h.users(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	sizes, needed := map[string]int64{}, map[string]bool{}
	for _, img := range images {
		busy := len(by[img.ID.String()]) > 0
		if busy {
			used++
		}
		for _, l := range img.Layers {
			sizes[l.ChainID.String()] = l.Size
			needed[l.ChainID.String()] = needed[l.ChainID.String()] || busy
		}
	}
	for chain, n := range sizes {
		all += n
		if !needed[chain] {
			unused += n
		}
	}
	return all, unused, used, nil
}

// users lists the containers of each image.
func (h *Handler) users(ctx context.Context) (map[string][]wire.Container, error) {
	list, err := h.Containers.List(ctx)
	by := map[string][]wire.Container{}
	for _, one := range list {
		by[one.Image] = append(by[one.Image], one)
	}
	return by, err
}
