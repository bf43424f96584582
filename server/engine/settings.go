//go:build linux

package engine

import (
	"context"
	"encoding/json"
	"path/filepath"

	"github.com/layerlab/layerlab/server/caller"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/health"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Settings are what the docker command line sets of a container and the page
// has no field for.
type Settings struct {
	Labels      map[string]string `json:",omitempty"`
	OpenStdin   bool              `json:",omitempty"` // without a terminal: keep standard input open
	StdinOnce   bool              `json:",omitempty"` // and close it when its first viewer has no more
	AutoRemove  bool              `json:",omitempty"` // remove the container when it has ended
	StopSignal  string            `json:",omitempty"` // before the image's
	StopTimeout *int              `json:",omitempty"` // seconds, before the default of 10
	// Health is the check that was asked for, Shell what runs its line.
	Health *health.Check `json:",omitempty"`
	Shell  []string      `json:",omitempty"`
	// Network is what the container is to have of networks.
	Network wire.ContainerNetwork
	// Client is what the client sent, kept for whoever shows it again.
	Client json.RawMessage `json:",omitempty"`
}

// Detail is all that is known of a container.
type Detail struct {
	wire.Container
	Request    wire.CreateContainer
	Settings   Settings
	StopSignal string
	Hostname   string
	Env        []string // as the command gets it
	WorkingDir string
	User       string
	Folder     string   // holds hosts, hostname, resolv.conf, log and upper
	Execs      []string // ids of further processes that run
	Mounts     []Mount
	Layer      string          // folder of upper and work
	Endpoints  []wire.Endpoint // by the network's name
	Check      *health.Check   // in force, nil for none
	Health     *health.State   // nil where there is no check that is run
}

// Detail returns one container with all that is known of it.
func (s *Service) Detail(ctx context.Context, id string) (Detail, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return Detail{}, err
	}
	rec := c.record()
	d := Detail{
		Container: rec.view(), Request: rec.Request, Settings: rec.Settings, StopSignal: rec.StopSignal,
		Hostname: rec.Request.Hostname, Folder: s.folder(c.id), Execs: c.running(), Mounts: rec.Mounts, Layer: s.layerDir(c),
		Check: rec.Check, Health: rec.Health,
	}
	if d.Hostname == "" {
		d.Hostname = bundle.ShortID(c.id)
	}
	if s.o.Networks != nil {
		d.Endpoints = s.o.Networks.Endpoints(c.id)
	}
	// The record of a removal that is under way has no config.json any more.
	if spec, err := s.readSpec(c.id); err == nil && spec.Process != nil {
		d.Env, d.WorkingDir, d.User = spec.Process.Env, spec.Process.Cwd, rec.Request.User
	}
	return d, nil
}

// LogPath is the file that holds a container's output, in the form of Docker's
// json-file driver; it may not be there yet.
func (s *Service) LogPath(ctx context.Context, id string) (string, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return "", err
	}
	return filepath.Join(s.folder(c.id), "log"), nil
}

// autoRemove removes a container that has ended and was made to go then.
func (s *Service) autoRemove(c *container) {
	rec := c.record()
	if !rec.Settings.AutoRemove || rec.alive() || rec.FinishedAt == nil {
		return
	}
	ctx := caller.With(context.WithoutCancel(s.ctx), caller.Caller{Owner: c.owner})
	if err := s.DeleteWith(ctx, c.id, true); err != nil {
		s.o.Log.Error("container not removed at its end", "container", c.id, "err", err)
	}
}
