//go:build linux

package dockerapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

func (h *Handler) containerList(c *call) error {
	f, err := c.filters("id", "name", "label", "label!", "status", "exited", "ancestor", "before", "since", "network", "volume", "health", "is-task", "publish", "expose")
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	list, err := h.Containers.List(ctx)
	if err != nil {
		return err
	}
	for _, s := range f["status"] {
		if !slices.Contains([]string{"created", "restarting", "running", "removing", "paused", "exited", "dead"}, s) {
			return invalid("invalid filter 'status=%s'", s)
		}
	}
	for _, v := range f["health"] {
		if container.ValidateHealthStatus(container.HealthStatus(v)) != nil {
			return invalid("Unrecognised filter value for health: %s", v)
		}
	}
	limit, err := c.number("limit", -1)
	if err != nil {
		return err
	}
	all := c.flag("all") || limit > 0 || f.has("status") || f.has("exited")
	inTime, err := h.createdBetween(ctx, f)
	if err != nil {
		return err
	}
	out := []container.Summary{}
	for _, one := range list {
		if !all && one.Pid == 0 && one.State != wire.StateRestarting || !inTime(one) {
			continue
		}
		s, err := h.summary(ctx, one, c.flag("size"))
		if err != nil {
			continue // removed meanwhile
		}
		keep := f.matches("id", one.ID) &&
			f.matches("name", one.Name, "/"+one.Name) &&
			f.any("status", func(v string) bool { return v == one.State }) &&
			f.any("exited", func(v string) bool { return one.ExitCode != nil && strconv.Itoa(*one.ExitCode) == v }) &&
			f.any("ancestor", func(v string) bool { return h.madeOf(ctx, one, v) }) &&
			f.any("network", func(v string) bool { return inNetwork(s, v) }) &&
			f.any("health", func(v string) bool { return healthIs(one.Health, v) }) &&
			f.any("is-task", func(v string) bool { return v == "false" }) &&
			f.any("volume", func(v string) bool { return hasMount(s.Mounts, v) }) && f.any("publish", func(v string) bool { return publishes(s.Ports, v, true) }) && f.any("expose", func(v string) bool { return publishes(s.Ports, v, false) }) && f.labels(s.Labels)
		if keep {
			out = append(out, s)
		}
		if limit > 0 && len(out) == limit {
			break
		}
	}
	return c.json(http.StatusOK, out)
}

func (h *Handler) createdBetween(ctx context.Context, f filters) (func(wire.Container) bool, error) {
	bounds := map[string]time.Time{}
	for _, name := range []string{"before", "since"} {
		if f.has(name) {
			d, err := h.Containers.Detail(ctx, f[name][0])
			if err != nil {
				return nil, containerError(f[name][0], err)
			}
			bounds[name] = d.CreatedAt
		}
	}
	return func(one wire.Container) bool {
		before, isBefore := bounds["before"]
		since, isSince := bounds["since"]
		return (!isBefore || one.CreatedAt.Before(before)) && (!isSince || one.CreatedAt.After(since))
	}, nil
}

// madeOf reports whether a container's image is ref, or was made on it.
func (h *Handler) madeOf(ctx context.Context, one wire.Container, ref string) bool {
	img, err := h.Images.Find(ctx, ref)
	if err != nil {
		return false
	}
	mine, err := h.Images.Find(ctx, one.Image)
	if err != nil || len(mine.Layers) < len(img.Layers) || len(img.Layers) == 0 {
		return err == nil && mine.ID == img.ID
	}
	return mine.Layers[len(img.Layers)-1].ChainID == img.Layers[len(img.Layers)-1].ChainID
}

func (h *Handler) summary(ctx context.Context, one wire.Container, size bool) (container.Summary, error) {
	d, err := h.Containers.Detail(ctx, one.ID)
	if err != nil {
		return container.Summary{}, err
	}
	s := container.Summary{
		ID: one.ID, Names: []string{"/" + one.Name}, Image: h.imageName(ctx, one), ImageID: one.Image,
		Command: words(one.Command), Created: one.CreatedAt.Unix(), Ports: portSummaries(d),
		Labels: h.labels(ctx, d), State: container.ContainerState(one.State), Status: status(one, time.Now()),
		NetworkSettings: &container.NetworkSettingsSummary{Networks: endpoints(d, false)},
		Mounts:          mountPoints(d.Mounts),
		Health:          healthSummary(d.Health),
	}
	s.HostConfig.NetworkMode = networkMode(d)
	if size {
		changes, err := h.Containers.AllChanges(ctx, one.ID)
		if err != nil {
			return s, err
		}
		s.SizeRw = changes.Bytes
		s.SizeRootFs = changes.Bytes
		if img, err := h.Images.Find(ctx, one.Image); err == nil {
			s.SizeRootFs += img.Size()
		}
	}
	return s, nil
}

// hasMount tells a volume by its name, any mount by its place.
func hasMount(list []container.MountPoint, want string) bool {
	return slices.ContainsFunc(list, func(m container.MountPoint) bool { return m.Name == want || m.Destination == want })
}

// imageName is what the creator wrote, while that still means the image.
func (h *Handler) imageName(ctx context.Context, one wire.Container) string {
	if img, err := h.Images.Find(ctx, one.ImageRef); err == nil && img.ID.String() == one.Image {
		return one.ImageRef
	}
	return one.Image
}

// labels are the image's with those of the container over them.
func (h *Handler) labels(ctx context.Context, d Container) map[string]string {
	all := map[string]string{}
	if img, err := h.Images.Find(ctx, d.Container.Image); err == nil {
		for k, v := range readConfig(&img).Config.Labels {
			all[k] = v
		}
	}
	for k, v := range d.CreateRequest.Labels {
		all[k] = v
	}
	return all
}

// words joins a command as docker ps shows it.
func words(command []string) string {
	list := slices.Clone(command)
	for i, w := range list {
		if strings.ContainsAny(w, " \t\n'\"") {
			list[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(list, " ")
}

// status is the sentence of docker ps.
func status(one wire.Container, now time.Time) string {
	since := func(t *time.Time) string {
		if t == nil {
			return "Less than a second"
		}
		return units.HumanDuration(now.Sub(*t))
	}
	switch one.State {
	case wire.StateRunning:
		return "Up " + since(one.StartedAt) + wellness(one.Health)
	case wire.StatePaused:
		return "Up " + since(one.StartedAt) + " (Paused)"
	case wire.StateRestarting:
		code := 0
		if one.ExitCode != nil {
			code = *one.ExitCode
		}
		return fmt.Sprintf("Restarting (%d) %s ago", code, since(one.FinishedAt))
	case wire.StateCreated:
		return "Created"
	}
	exit := 0
	if one.ExitCode != nil {
		exit = *one.ExitCode
	}
	if one.StartedAt == nil { // it could not start
		return "Created"
	}
	return fmt.Sprintf("Exited (%d) %s ago", exit, since(one.FinishedAt))
}
