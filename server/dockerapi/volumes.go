//go:build linux

package dockerapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/volume"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/dockerapi/shape"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// anonymousLabel marks volumes that nobody named, as moby's daemon does.
const anonymousLabel = "com.docker.volume.anonymous"

// Volumes is what the API needs of the engine's volumes.
type Volumes interface {
	CreateVolume(ctx context.Context, v wire.CreateVolume) (wire.Volume, error)
	Volumes(ctx context.Context) ([]wire.Volume, error)
	Volume(ctx context.Context, name string) (wire.Volume, error)
	DeleteVolume(ctx context.Context, name string) error
	// VolumeSize is the number of bytes that it takes on disk.
	VolumeSize(ctx context.Context, name string) (int64, error)
}

func dockerVolume(v wire.Volume) volume.Volume {
	out := volume.Volume{
		Name: v.Name, Driver: "local", Mountpoint: v.Path, Labels: map[string]string{}, Options: nil,
		Scope: "local", CreatedAt: v.CreatedAt.Format(time.RFC3339),
	}
	for k, value := range v.Labels {
		out.Labels[k] = value
	}
	if v.Anonymous {
		out.Labels[anonymousLabel] = ""
	}
	if len(out.Labels) == 0 {
		out.Labels = nil // null, as dockerd's
	}
	return out
}

func (h *Handler) volumeCreate(c *call) error {
	var req volume.CreateRequest
	if err := c.body(&req); err != nil {
		return err
	}
	if req.Driver != "" && req.Driver != "local" {
		return &refusal{http.StatusNotFound, "create " + req.Name + `: Error looking up volume plugin ` + req.Driver + `: plugin "` + req.Driver + `" not found`}
	}
	for key := range req.DriverOpts {
		return invalid("create %s: option %q of the local driver is not served by layerlab", req.Name, key)
	}
	if req.ClusterVolumeSpec != nil {
		return &refusal{http.StatusServiceUnavailable, "cluster volumes are not served by layerlab"}
	}
	v, err := h.Containers.CreateVolume(c.r.Context(), wire.CreateVolume{Name: req.Name, Labels: req.Labels})
	if code(err) == "bad-volume-name" {
		return invalid("create %s: %s", req.Name, err)
	}
	if err != nil {
		return err
	}
	return c.json(http.StatusCreated, dockerVolume(v))
}

func (h *Handler) volumeInspect(c *call) error {
	v, err := h.Containers.Volume(c.r.Context(), c.path["name"])
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, dockerVolume(v))
}

// wanted applies the filters that lists and pruning share.
func (f filters) volume(v wire.Volume) bool {
	return f.labels(dockerVolume(v).Labels) &&
		f.matches("name", v.Name) &&
		f.any("driver", func(name string) bool { return name == "local" })
}

func (h *Handler) volumeList(c *call) error {
	f, err := c.filters("dangling", "driver", "label", "label!", "name")
	if err != nil {
		return err
	}
	dangling, err := f.truth("dangling")
	if err != nil {
		return err
	}
	list, err := h.Containers.Volumes(c.r.Context())
	if err != nil {
		return err
	}
	volumes := []volume.Volume{}
	for _, v := range list {
		if f.volume(v) && (dangling == nil || *dangling == (len(v.UsedBy) == 0)) {
			volumes = append(volumes, dockerVolume(v))
		}
	}
	shaped, err := shape.All(c.version, volumes)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, map[string]any{"Volumes": shaped, "Warnings": nil})
}

func (h *Handler) volumeRemove(c *call) error {
	err := h.Containers.DeleteVolume(c.r.Context(), c.path["name"])
	if code(err) == "volume-not-found" && c.flag("force") {
		err = nil
	}
	if err != nil {
		return err
	}
	return c.none()
}

// volumePrune removes anonymous volumes that no container has; with all=true,
// and for clients before 1.42, named ones too.
func (h *Handler) volumePrune(c *call) error {
	f, err := c.filters("label", "label!", "all")
	if err != nil {
		return err
	}
	all, err := f.truth("all")
	if err != nil {
		return err
	}
	named := c.version < 42 || all != nil && *all
	ctx := c.r.Context()
	list, err := h.Containers.Volumes(ctx)
	if err != nil {
		return err
	}
	report := volume.PruneReport{VolumesDeleted: []string{}}
	for _, v := range list {
		if len(v.UsedBy) > 0 || !v.Anonymous && !named || !f.volume(v) {
			continue
		}
		size, err := h.Containers.VolumeSize(ctx, v.Name)
		if err != nil {
			return err
		}
		err = h.Containers.DeleteVolume(ctx, v.Name)
		if errors.Is(err, imagecore.ErrNotFound) || errors.Is(err, imagecore.ErrConflict) {
			continue // gone, or taken meanwhile
		}
		if err != nil {
			return err
		}
		report.VolumesDeleted = append(report.VolumesDeleted, v.Name)
		report.SpaceReclaimed += uint64(size)
	}
	h.pruned("volume", report.SpaceReclaimed)
	return c.json(http.StatusOK, report)
}

// volumeUsage says of each volume how many containers have it and how large it
// is, for system df.
func (h *Handler) volumeUsage(ctx context.Context) (*volume.DiskUsage, error) {
	list, err := h.Containers.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	usage := &volume.DiskUsage{Items: []volume.Volume{}}
	for _, v := range list {
		size, err := h.Containers.VolumeSize(ctx, v.Name)
		if errors.Is(err, imagecore.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		one := dockerVolume(v)
		one.UsageData = &volume.UsageData{RefCount: int64(len(v.UsedBy)), Size: size}
		usage.Items = append(usage.Items, one)
		usage.TotalCount++
		usage.TotalSize += size
		if len(v.UsedBy) > 0 {
			usage.ActiveCount++
		} else {
			usage.Reclaimable += size
		}
	}
	slices.SortFunc(usage.Items, func(a, b volume.Volume) int { return strings.Compare(a.Name, b.Name) })
	return usage, nil
}
