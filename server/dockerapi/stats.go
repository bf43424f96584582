//go:build linux

package dockerapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/server/dockerapi/policy"
	"github.com/layerlab/layerlab/server/dockerapi/settings"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Stats is what the API needs of the engine's counters.
type Stats interface {
	// Stats calls use at once and then every interval with what a container has
	// used, until it ends, ctx does or use returns an error.
	Stats(ctx context.Context, id string, interval time.Duration, use func(container.StatsResponse) error) error
	Update(ctx context.Context, id string, limits wire.Limits, policy *wire.Restart) (wire.Container, error)
}

// statsEvery is how often dockerd sends.
const statsEvery = time.Second

// containerStats streams, or answers once: with one-shot without the counts
// before, else those of a second ago, of which clients make rates.
func (h *Handler) containerStats(c *call) error {
	name := c.path["name"]
	d, err := h.Containers.Detail(c.r.Context(), name)
	if err != nil {
		return containerError(name, err)
	}
	stream, oneShot := c.query("stream") == "" || c.flag("stream"), c.flag("one-shot")
	if stream && oneShot {
		return invalid("cannot have stream=true and one-shot=true")
	}
	c.Header().Set("Content-Type", "application/json")
	blank := container.StatsResponse{ID: d.Container.ID, Name: "/" + d.Name, OSType: "linux"}
	if d.Pid == 0 {
		return c.json(http.StatusOK, blank)
	}
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	out, before := json.NewEncoder(c), blank
	err = h.Containers.Stats(ctx, d.Container.ID, statsEvery, func(now container.StatsResponse) error {
		now.ID, now.Name, now.OSType = blank.ID, blank.Name, blank.OSType
		now.PreRead, now.PreCPUStats = before.Read, before.CPUStats
		first := before.Read.IsZero()
		before = now
		if first && !stream && !oneShot {
			return nil // the rate needs two
		}
		if !c.begun {
			c.head(http.StatusOK)
		}
		if err := out.Encode(now); err != nil {
			return err
		}
		c.flush()
		if !stream {
			cancel()
		}
		return nil
	})
	if err == nil && !c.begun { // it ended before the second reading
		return c.json(http.StatusOK, before)
	}
	return containerError(name, err)
}

// containerUpdate changes limits and the restart policy.
func (h *Handler) containerUpdate(c *call) error {
	name := c.path["name"]
	var raw json.RawMessage
	if err := c.body(&raw); err != nil {
		return err
	}
	var req container.UpdateConfig
	if err := json.Unmarshal(raw, &req); raw != nil && err != nil {
		return invalid("invalid JSON: %v", err)
	}
	if err := policy.CheckDropped("", raw); err != nil {
		return err
	}
	host := &container.HostConfig{Resources: req.Resources, RestartPolicy: req.RestartPolicy}
	if err := policy.Check(nil, host, nil); err != nil {
		return err
	}
	l, err := settings.Limits(host)
	if err != nil {
		return err
	}
	restart, err := settings.Restart(host)
	if err != nil {
		return err
	}
	if restart == nil && req.RestartPolicy.Name != "" {
		restart = &wire.Restart{Name: wire.RestartNo}
	}
	if _, err := h.Containers.Update(c.r.Context(), name, *l, restart); err != nil {
		return containerError(name, err)
	}
	return c.json(http.StatusOK, container.UpdateResponse{Warnings: []string{}})
}
