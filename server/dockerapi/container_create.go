//go:build linux

package dockerapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/server/caution"
	"github.com/layerlab/layerlab/server/dockerapi/policy"
	"github.com/layerlab/layerlab/server/dockerapi/settings"
	"github.com/layerlab/layerlab/server/health"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func (h *Handler) containerCreate(c *call) error {
	if err := c.mustBeJSON(); err != nil && c.r.ContentLength != 0 {
		return err
	}
	raw, err := io.ReadAll(c.bounded())
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	var req container.CreateRequest
	if err := json.Unmarshal(raw, &req); err != nil {
		return invalid("invalid JSON: %v", err)
	}
	if req.Config == nil {
		return invalid("config cannot be empty in order to create a container")
	}
	if err := policy.Check(req.Config, req.HostConfig, req.NetworkingConfig); err != nil {
		return err
	}
	if req.Config.Healthcheck != nil && c.version < 44 { // it had no such thing yet
		req.Config.Healthcheck.StartInterval = 0
	}
	if err := policy.CheckDropped("HostConfig", raw); err != nil {
		return err
	}
	want, warnings, err := createRequest(&req)
	if err != nil {
		return err
	}
	if want.Network, err = settings.Networks(&req, raw); err != nil {
		return err
	}
	want.Name, want.Client = c.query("name"), raw
	if platform := c.query("platform"); platform != "" && c.version > 40 {
		img, err := h.Images.Find(c.r.Context(), want.Image)
		if err == nil {
			err = mustProvide(&img, want.Image, []string{platform})
		}
		if err != nil {
			return imageError(req.Image, err)
		}
	}
	if strings.Contains(want.Image, "@") { // the engine knows names and ids
		img, err := h.Images.Find(c.r.Context(), want.Image)
		if err != nil {
			return imageError(req.Image, err)
		}
		want.Image = img.ID.String()
	}
	made, err := h.Containers.Create(c.r.Context(), want)
	switch code(err) {
	case "":
	case "image-not-found":
		return imageError(req.Image, err)
	case "name-taken":
		holder, lookErr := h.Containers.Detail(c.r.Context(), want.Name)
		if lookErr != nil {
			return err
		}
		return conflict("Conflict. The container name %q is already in use by container %q. You have to remove (or rename) that container to be able to reuse that name.", "/"+want.Name, holder.Container.ID)
	case "source-missing":
		return settings.InvalidMount("bind", "%s", err)
	case "bad-volume-name":
		return invalid("create %s: %s", args(err)["name"], err)
	case "bad-name":
		return invalid("Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", want.Name)
	}
	if err != nil {
		return containerError(want.Name, err)
	}
	for _, w := range caution.OfCreate(&want.CreateContainer, h.Facts.PlainBinds) {
		warnings = append(warnings, w.Message)
	}
	return c.json(http.StatusCreated, container.CreateResponse{ID: made.ID, Warnings: warnings})
}

// createRequest takes what is honoured of a request.
func createRequest(req *container.CreateRequest) (CreateRequest, []string, error) {
	config := req.Config
	want := CreateRequest{
		CreateContainer: wire.CreateContainer{
			Image: config.Image, Command: config.Cmd, Entrypoint: config.Entrypoint, Env: config.Env,
			WorkingDir: config.WorkingDir, User: config.User, Hostname: config.Hostname, Domainname: config.Domainname, TTY: config.Tty,
		},
		Labels: config.Labels, OpenStdin: config.OpenStdin, StdinOnce: config.StdinOnce,
		StopSignal: config.StopSignal, StopTimeout: config.StopTimeout,
		Health: (*health.Check)(config.Healthcheck), Shell: config.Shell,
	}
	warnings := []string{}
	var err error
	if want.Mounts, err = settings.Mounts(config, req.HostConfig); err != nil {
		return want, nil, err
	}
	if req.HostConfig != nil {
		want.AutoRemove = req.HostConfig.AutoRemove
		more, err := settings.Read(&want.CreateContainer, req.HostConfig)
		if err != nil {
			return want, nil, err
		}
		warnings = append(warnings, more...)
	}
	return want, warnings, nil
}

func (h *Handler) containerCommit(c *call) error {
	name := c.query("container")
	ref := c.query("repo")
	if tag := c.query("tag"); tag != "" && ref != "" {
		ref += ":" + tag
	}
	d, err := h.Containers.Detail(c.r.Context(), name)
	if err != nil {
		return containerError(name, err)
	}
	var changes []string
	for _, line := range c.r.URL.Query()["changes"] {
		changes = append(changes, splitLines(line)...)
	}
	img, err := h.Containers.Commit(c.r.Context(), d.Container.ID, wire.CommitContainer{
		Ref: ref, Message: c.query("comment"), Author: c.query("author"), Changes: changes,
	})
	if err != nil {
		return containerError(name, err)
	}
	return c.json(http.StatusCreated, container.CommitResponse{ID: img.ID})
}
