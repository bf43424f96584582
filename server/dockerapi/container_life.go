//go:build linux

package dockerapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func splitLines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }

// done answers an operation that has no answer of its own.
func (c *call) done(name string, err error) error {
	if err != nil {
		return containerError(name, err)
	}
	return c.none()
}

func (h *Handler) containerStart(c *call) error {
	name := c.path["name"]
	d, err := h.Containers.Detail(c.r.Context(), name)
	if err != nil {
		return containerError(name, err)
	}
	switch d.State {
	case wire.StateRunning:
		c.head(http.StatusNotModified)
		return nil
	case wire.StatePaused:
		return conflict("cannot start a paused container, try unpause instead")
	}
	_, err = h.Containers.Start(c.r.Context(), d.Container.ID)
	return c.done(name, err)
}

// timeout reads t, seconds; -1 waits for ever.
func (c *call) timeout() (*int, error) {
	if c.query("t") == "" {
		return nil, nil
	}
	n, err := c.number("t", 0)
	return &n, err
}

func (h *Handler) containerStop(c *call) error {
	name := c.path["name"]
	d, err := h.Containers.Detail(c.r.Context(), name)
	if err != nil {
		return containerError(name, err)
	}
	if d.Pid == 0 && d.State != wire.StateRestarting {
		c.head(http.StatusNotModified)
		return nil
	}
	t, err := c.timeout()
	if err != nil {
		return err
	}
	_, err = h.Containers.Stop(c.r.Context(), d.Container.ID, wire.StopContainer{Timeout: t, Signal: c.query("signal")})
	return c.done(name, err)
}

func (h *Handler) containerRestart(c *call) error {
	name := c.path["name"]
	t, err := c.timeout()
	if err != nil {
		return err
	}
	_, err = h.Containers.Restart(c.r.Context(), name, wire.StopContainer{Timeout: t, Signal: c.query("signal")})
	if code(err) == "container-removes-itself" {
		return conflict("container %s removes itself when it stops: it cannot be restarted", args(err)["id"])
	}
	return c.done(name, err)
}

func (h *Handler) containerKill(c *call) error {
	name := c.path["name"]
	_, err := h.Containers.Kill(c.r.Context(), name, wire.KillContainer{Signal: c.query("signal")})
	if code(err) == "container-not-running" {
		return conflict("cannot kill container: %s: %v", name, containerError(name, err))
	}
	return c.done(name, err)
}

func (h *Handler) containerPause(c *call) error {
	name := c.path["name"]
	_, err := h.Containers.Pause(c.r.Context(), name)
	if code(err) == "container-paused" {
		return conflict("container %s is already paused", args(err)["id"])
	}
	return c.done(name, err)
}

func (h *Handler) containerUnpause(c *call) error {
	name := c.path["name"]
	_, err := h.Containers.Unpause(c.r.Context(), name)
	if code(err) == "container-not-paused" {
		return conflict("container %s is not paused", args(err)["id"])
	}
	return c.done(name, err)
}

func (h *Handler) containerRename(c *call) error {
	name, to := c.path["name"], strings.TrimPrefix(c.query("name"), "/")
	_, err := h.Containers.Rename(c.r.Context(), name, to)
	switch code(err) {
	case "name-taken":
		if holder, lookErr := h.Containers.Detail(c.r.Context(), to); lookErr == nil {
			if mine, err := h.Containers.Detail(c.r.Context(), name); err == nil && mine.Container.ID == holder.Container.ID {
				return invalid("Renaming a container with the same name as its current name")
			}
			return conflict("Error when allocating new name: Conflict. The container name %q is already in use by container %q. You have to remove (or rename) that container to be able to reuse that name.", "/"+to, holder.Container.ID)
		}
	case "bad-name":
		return invalid("Error when allocating new name: Invalid container name (/%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", to)
	}
	return c.done(name, err)
}

func (h *Handler) size(c *call) (cols, rows uint16, err error) {
	w, err := c.number("w", 0)
	if err != nil {
		return 0, 0, err
	}
	height, err := c.number("h", 0)
	return uint16(w), uint16(height), err
}

func (h *Handler) containerResize(c *call) error {
	cols, rows, err := h.size(c)
	if err != nil {
		return err
	}
	if err := h.Containers.Resize(c.r.Context(), c.path["name"], cols, rows); err != nil {
		return containerError(c.path["name"], err)
	}
	h.Containers.Act(c.r.Context(), c.path["name"], "resize", "width", strconv.Itoa(int(cols)), "height", strconv.Itoa(int(rows)))
	c.head(http.StatusOK)
	return nil
}

// containerWait answers its head at once: the command line starts the
// container only when it has that.
func (h *Handler) containerWait(c *call) error {
	until := c.query("condition")
	switch until {
	case "":
		until = "not-running"
	case "not-running", "next-exit", "removed":
	default:
		return invalid("invalid condition: %q", until)
	}
	wait, err := h.Containers.Await(c.r.Context(), c.path["name"], until)
	if err != nil {
		return containerError(c.path["name"], err)
	}
	c.Header().Set("Content-Type", "application/json")
	c.head(http.StatusOK)
	c.flush()
	one, err := wait(c.r.Context())
	if err != nil {
		return err
	}
	answer := container.WaitResponse{}
	if one.ExitCode != nil {
		answer.StatusCode = int64(*one.ExitCode)
	}
	return json.NewEncoder(c).Encode(answer)
}

func (h *Handler) containerRemove(c *call) error {
	name := c.path["name"]
	d, err := h.Containers.Detail(c.r.Context(), name)
	if err != nil {
		return containerError(name, err)
	}
	if c.flag("link") {
		return &refusal{http.StatusNotImplemented, "links between containers are not served by layerlab"}
	}
	if d.Pid != 0 || d.State == wire.StateRestarting {
		if !c.flag("force") {
			what := "stop the container before removing or force remove"
			if d.State == wire.StatePaused {
				what = "unpause and then " + what
			}
			return conflict("cannot remove container %q: container is %s: %s", "/"+d.Name, d.State, what)
		}
		_, err := h.Containers.Kill(c.r.Context(), d.Container.ID, wire.KillContainer{})
		if err != nil && code(err) != "container-not-running" {
			return err
		}
	}
	err = h.Containers.Delete(c.r.Context(), d.Container.ID, c.flag("v"))
	if d.AutoRemove && errors.Is(err, imagecore.ErrNotFound) {
		err = nil // it was faster
	}
	return c.done(name, err)
}

func (h *Handler) containerPrune(c *call) error {
	f, err := c.filters("label", "label!", "until")
	if err != nil {
		return err
	}
	var until time.Time
	if f.has("until") {
		if until, err = moment(f["until"][0], time.Now()); err != nil {
			return err
		}
	}
	ids, freed, err := h.pruneContainers(c.r.Context(), func(one wire.Container, labels map[string]string) bool {
		return (until.IsZero() || one.CreatedAt.Before(until)) && f.labels(labels)
	})
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, container.PruneReport{ContainersDeleted: ids, SpaceReclaimed: freed})
}
