//go:build linux

package dockerapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types"
	"github.com/moby/moby/api/types/events"

	"github.com/layerlab/layerlab/server/dockerapi/shape"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func (h *Handler) events(c *call) error {
	f, err := c.filters("type", "event", "container", "image", "label", "label!", "scope", "daemon", "network", "volume", "plugin", "node", "service", "secret", "config")
	if err != nil {
		return err
	}
	since, err := moment(c.query("since"), time.Now())
	if err != nil {
		return err
	}
	if c.query("since") == "0" { // all that are kept, as docker-py asks for them
		since = time.Unix(0, 0)
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
	form := c.streamForm()
	c.Header().Set("Content-Type", form)
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
		if form == types.MediaTypeJSONSequence {
			_, err = c.Write([]byte{0x1e}) // RFC 7464: a record separator before each
		}
		if err = errors.Join(err, out.Encode(older(c.version, m))); err != nil {
			return nil
		}
		c.flush()
	}
}

// streamForm is the first of the forms of a stream of JSON that the client
// accepts and its version of the API has; they differ in name, and in what
// separates the objects.
func (c *call) streamForm() string {
	since := map[string]shape.Version{types.MediaTypeNDJSON: 52, types.MediaTypeJSONSequence: 52, types.MediaTypeJSONLines: 53}
	for accepted := range strings.SplitSeq(c.r.Header.Get("Accept"), ",") {
		form, _, _ := strings.Cut(strings.TrimSpace(accepted), ";")
		if at, known := since[form]; known && c.version >= at {
			return form
		}
	}
	return types.MediaTypeJSON
}

// pruned tells that all that was unused of a kind has gone.
func (h *Handler) pruned(of string, bytes uint64) {
	h.Events.Act(of, "", "prune", map[string]string{"reclaimed": strconv.FormatUint(bytes, 10)})
}

// message gives an event Docker's words; ok is false for what Docker has none
// for.
func message(e wire.Event) (m events.Message, ok bool) {
	m.Actor = events.Actor{ID: e.ID, Attributes: map[string]string{}}
	m.Scope, m.Time, m.TimeNano = "local", e.Time.Unix(), e.Time.UnixNano()
	if e.Kind == wire.EventAction {
		var a wire.Action
		if json.Unmarshal(e.Data, &a) != nil {
			return m, false
		}
		m.Type, m.Action = events.Type(a.Of), events.Action(a.Action)
		maps.Copy(m.Actor.Attributes, a.Attributes)
		return m, true
	}
	if m.Action, ok = actions()[e.Kind]; !ok {
		return m, false
	}
	kind, _, _ := strings.Cut(e.Kind, ".")
	m.Type = events.Type(kind)
	switch m.Type {
	case events.ImageEventType:
		imageMessage(&m, e)
	case events.VolumeEventType:
		m.Actor.Attributes["driver"] = "local"
	case events.NetworkEventType:
		networkMessage(&m, e)
	default:
		containerMessage(&m, e)
	}
	return m, true
}

// actions are Docker's words for the kinds of events that have a thing's state.
func actions() map[string]events.Action {
	return map[string]events.Action{
		wire.EventImageCreated: events.ActionLoad, wire.EventImageDeleted: events.ActionDelete,
		wire.EventImageTagged: events.ActionTag, wire.EventImageUntagged: events.ActionUnTag,
		wire.EventContainerCreated: events.ActionCreate, wire.EventContainerStarted: events.ActionStart,
		wire.EventContainerPaused: events.ActionPause, wire.EventContainerResumed: events.ActionUnPause,
		wire.EventContainerExited: events.ActionDie, wire.EventContainerDeleted: events.ActionDestroy,
		wire.EventContainerRenamed: events.ActionRename, wire.EventContainerOOM: events.ActionOOM,
		wire.EventContainerUpdated: events.ActionUpdate,
		wire.EventVolumeCreated:    events.ActionCreate, wire.EventVolumeDeleted: events.ActionDestroy,
		wire.EventNetworkCreated: events.ActionCreate, wire.EventNetworkDeleted: events.ActionDestroy,
		wire.EventNetworkConnected: events.ActionConnect, wire.EventNetworkDisconnected: events.ActionDisconnect,
	}
}

// imageMessage names an image by the name that came or, as Docker does for one
// that went, by its id.
func imageMessage(m *events.Message, e wire.Event) {
	m.Actor.Attributes["name"] = e.ID
	var img wire.NamedImage
	if json.Unmarshal(e.Data, &img) != nil || m.Action == events.ActionUnTag {
		return
	}
	if img.Ref != "" {
		m.Actor.Attributes["name"] = img.Ref
	} else if len(img.Refs) > 0 {
		m.Actor.Attributes["name"] = img.Refs[0]
	}
}

func networkMessage(m *events.Message, e wire.Event) {
	m.Actor.Attributes["type"] = "bridge"
	var n struct {
		Name, Driver, NetworkName, Container string
	}
	if json.Unmarshal(e.Data, &n) != nil {
		return
	}
	m.Actor.Attributes["name"] = cmp.Or(n.NetworkName, n.Name)
	if n.Container != "" {
		m.Actor.Attributes["container"] = n.Container
	}
	if n.Driver != "" {
		m.Actor.Attributes["type"] = n.Driver
	}
}

func containerMessage(m *events.Message, e wire.Event) {
	var one wire.Container
	if json.Unmarshal(e.Data, &one) != nil || one.ID == "" {
		return
	}
	maps.Copy(m.Actor.Attributes, one.Labels)
	m.Actor.Attributes["image"], m.Actor.Attributes["name"] = one.ImageRef, one.Name
	if m.Action == events.ActionDie && one.ExitCode != nil {
		m.Actor.Attributes["exitCode"] = strconv.Itoa(*one.ExitCode)
		if one.StartedAt != nil && one.FinishedAt != nil {
			m.Actor.Attributes["execDuration"] = strconv.FormatInt(int64(one.FinishedAt.Sub(*one.StartedAt).Seconds()), 10)
		}
	}
}

// wants reports whether all filters hold. Who asks for a container, a network
// and so on asks for events of that kind alone, but for images: a container's
// event is one of its image, too.
func wants(f filters, m events.Message) bool {
	names := func(v string) bool {
		return m.Actor.ID == v || m.Actor.Attributes["name"] == v || len(v) >= 4 && strings.HasPrefix(strings.TrimPrefix(m.Actor.ID, "sha256:"), v)
	}
	of := func(kind events.Type) func(string) bool {
		return func(v string) bool { return m.Type == kind && names(v) }
	}
	for _, never := range []string{"daemon", "plugin", "node", "service", "secret", "config"} {
		if f.has(never) {
			return false
		}
	}
	action, _, _ := strings.Cut(string(m.Action), ":") // "exec_create: sh"
	return f.any("type", func(v string) bool { return v == string(m.Type) }) &&
		f.any("event", func(v string) bool { return v == string(m.Action) || v == action }) &&
		f.any("scope", func(v string) bool { return v == m.Scope }) &&
		f.any("container", of(events.ContainerEventType)) &&
		f.any("network", of(events.NetworkEventType)) &&
		f.any("volume", of(events.VolumeEventType)) &&
		f.any("image", func(v string) bool {
			image := m.Actor.Attributes["image"]
			return m.Type == events.ImageEventType && (names(v) || repository(m.Actor.Attributes["name"]) == v) || image != "" && (image == v || repository(image) == v)
		}) && f.labels(m.Actor.Attributes)
}

// older adds what messages of images and containers held until 1.51.
func older(v shape.Version, m events.Message) any {
	if v > 51 || m.Type != events.ImageEventType && m.Type != events.ContainerEventType {
		return m
	}
	old := struct {
		Status string `json:"status"`
		ID     string `json:"id"`
		From   string `json:"from,omitempty"`
		events.Message
	}{Status: string(m.Action), ID: m.Actor.ID, Message: m}
	if m.Type == events.ContainerEventType {
		old.From = m.Actor.Attributes["image"]
	}
	return old
}
