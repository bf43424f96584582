package dockerapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/events"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

func (h *Handler) events(c *call) error {
	f, err := c.filters("type", "event", "container", "image", "label", "label!", "scope", "daemon", "network", "volume", "plugin")
	if err != nil {
		return err
	}
	since, err := moment(c.query("since"), time.Now())
	if err != nil {
		return err
	}
	until, err := moment(c.query("until"), time.Now())
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	if !until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, until.Add(time.Millisecond))
		defer cancel()
	}
	next, done, err := h.Events.Subscribe(since)
	if err != nil {
		return err
	}
	defer done()
	c.Header().Set("Content-Type", "application/json")
	c.head(http.StatusOK)
	c.flush()
	out := json.NewEncoder(c)
	for {
		e, err := next(ctx)
		if err != nil {
			return nil // the client, the time asked for or the server has ended
		}
		if !until.IsZero() && e.Time.After(until) {
			return nil
		}
		m, ok := message(e)
		if !ok || e.Time.Before(since) || !wants(f, m) {
			continue
		}
		if err := out.Encode(older(c.version, m)); err != nil {
			return nil
		}
		c.flush()
	}
}

// message gives an event Docker's words; ok is false for what Docker has none
// for.
func message(e wire.Event) (m events.Message, ok bool) {
	actions := map[string]events.Action{
		wire.EventImageCreated: events.ActionLoad, wire.EventImageDeleted: events.ActionDelete,
		wire.EventImageTagged: events.ActionTag, wire.EventImageUntagged: events.ActionUnTag,
		wire.EventContainerCreated: events.ActionCreate, wire.EventContainerStarted: events.ActionStart,
		wire.EventContainerPaused: events.ActionPause, wire.EventContainerResumed: events.ActionUnPause,
		wire.EventContainerExited: events.ActionDie, wire.EventContainerDeleted: events.ActionDestroy,
		wire.EventContainerRenamed: events.ActionRename, wire.EventContainerOOM: events.ActionOOM,
		wire.EventContainerUpdated: events.ActionUpdate,
		wire.EventVolumeCreated:    events.ActionCreate, wire.EventVolumeDeleted: events.ActionDestroy,
	}
	if m.Action, ok = actions[e.Kind]; !ok {
		return m, false
	}
	m.Actor = events.Actor{ID: e.ID, Attributes: map[string]string{}}
	m.Scope, m.Time, m.TimeNano = "local", e.Time.Unix(), e.Time.UnixNano()
	if strings.HasPrefix(e.Kind, "image.") {
		m.Type = events.ImageEventType
		m.Actor.Attributes["name"] = e.ID
		var img wire.Image
		if json.Unmarshal(e.Data, &img) == nil && len(img.Refs) > 0 {
			m.Actor.Attributes["name"] = img.Refs[0]
		}
		return m, true
	}
	if strings.HasPrefix(e.Kind, "volume.") {
		m.Type = events.VolumeEventType
		m.Actor.Attributes["driver"] = "local"
		return m, true
	}
	m.Type = events.ContainerEventType
	var one wire.Container
	if json.Unmarshal(e.Data, &one) == nil && one.ID != "" {
		m.Actor.Attributes["image"], m.Actor.Attributes["name"] = one.ImageRef, one.Name
		if e.Kind == wire.EventContainerExited && one.ExitCode != nil {
			m.Actor.Attributes["exitCode"] = strconv.Itoa(*one.ExitCode)
		}
	}
	return m, true
}

func wants(f filters, m events.Message) bool {
	names := func(v string) bool {
		return m.Actor.ID == v || m.Actor.Attributes["name"] == v || len(v) >= 4 && strings.HasPrefix(strings.TrimPrefix(m.Actor.ID, "sha256:"), v)
	}
	return f.any("type", func(v string) bool { return v == string(m.Type) }) &&
		f.any("event", func(v string) bool { return v == string(m.Action) }) &&
		f.any("scope", func(v string) bool { return v == m.Scope }) &&
		f.any("container", func(v string) bool { return m.Type == events.ContainerEventType && names(v) }) &&
		f.any("image", func(v string) bool {
			return m.Type == events.ImageEventType && names(v) || m.Actor.Attributes["image"] == v || repository(m.Actor.Attributes["image"]) == v
		}) && !f.has("daemon") && !f.has("network") && f.any("volume", func(v string) bool { return m.Type == events.VolumeEventType && m.Actor.ID == v }) && !f.has("plugin") && f.labels(m.Actor.Attributes)
}

// older adds what messages held until 1.51.
func older(v version, m events.Message) any {
	if v > 51 {
		return m
	}
	return struct {
		Status string `json:"status"`
		ID     string `json:"id"`
		From   string `json:"from,omitempty"`
		events.Message
	}{string(m.Action), m.Actor.ID, m.Actor.Attributes["image"], m}
}
