package bundle

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/server/health"
)

// Committed is what a commit adds to the config of the container's image.
type Committed struct {
	// What the container was created with; empty fields leave the image's.
	Command, Entrypoint, Env []string
	WorkingDir, User         string
	Labels                   map[string]string // added to the image's
	Health                   *health.Check     // what is checked in the container; nil leaves the image's

	Ran     []string // what the container ran, for the history
	Author  string
	Message string
	Changes []string // Dockerfile lines, applied last
	At      time.Time
}

// Commit returns the config of an image with one layer more, but for that
// layer's diffID, which the store appends. As with docker commit the image gets
// the container's settings, not its parent's; fields of the parent's config
// that image-spec does not know stay as they are.
func Commit(parent []byte, c Committed) ([]byte, error) {
	var image v1.Image
	doc, settings := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if err := json.Unmarshal(parent, &image); err != nil {
		return nil, fmt.Errorf("config of the parent image: %w", err)
	}
	if err := json.Unmarshal(parent, &doc); err != nil {
		return nil, fmt.Errorf("config of the parent image: %w", err)
	}
	if raw, ok := doc["config"]; ok && string(raw) != "null" {
		if err := json.Unmarshal(raw, &settings); err != nil {
			return nil, fmt.Errorf("config of the parent image: %w", err)
		}
	}
	config := image.Config
	override(&config, c)
	if c.Health != nil {
		raw, err := json.Marshal(c.Health)
		if err != nil {
			return nil, err
		}
		settings["Healthcheck"] = raw
	}
	if err := ApplyChanges(&config, settings, c.Changes); err != nil {
		return nil, err
	}
	if err := mergeKeys(settings, config); err != nil {
		return nil, err
	}
	at := c.At.UTC()
	history := append(image.History, v1.History{
		Created: &at, CreatedBy: strings.Join(c.Ran, " "), Author: c.Author, Comment: c.Message,
	})
	for key, value := range map[string]any{"config": settings, "history": history, "created": at} {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		doc[key] = raw
	}
	if c.Author != "" {
		raw, err := json.Marshal(c.Author)
		if err != nil {
			return nil, err
		}
		doc["author"] = raw
	}
	// What Docker kept of the container that a layer came from is not true of
	// the new one.
	delete(doc, "container")
	delete(doc, "container_config")
	return json.Marshal(doc)
}

func override(config *v1.ImageConfig, c Committed) {
	if len(c.Labels) > 0 {
		labels := maps.Clone(config.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		maps.Copy(labels, c.Labels)
		config.Labels = labels
	}
	if len(c.Entrypoint) > 0 {
		config.Entrypoint, config.Cmd = c.Entrypoint, nil
		if len(c.Entrypoint) == 1 && c.Entrypoint[0] == "" {
			config.Entrypoint = nil
		}
	}
	if len(c.Command) > 0 {
		config.Cmd = c.Command
	}
	for _, e := range c.Env {
		if strings.Contains(e, "=") {
			config.Env = set(append([]string{}, config.Env...), e, true)
		} else {
			config.Env = without(config.Env, e)
		}
	}
	if c.WorkingDir != "" {
		config.WorkingDir = c.WorkingDir
	}
	if c.User != "" {
		config.User = c.User
	}
}

// mergeKeys writes the fields of config over the document's, and deletes those
// that are empty now.
func mergeKeys(doc map[string]json.RawMessage, config v1.ImageConfig) error {
	raw, err := json.Marshal(config)
	if err != nil {
		return err
	}
	now := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &now); err != nil {
		return err
	}
	for _, key := range []string{"User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal"} {
		if value, ok := now[key]; ok {
			doc[key] = value
		} else {
			delete(doc, key)
		}
	}
	return nil
}
