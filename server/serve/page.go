//go:build linux

package serve

import (
	"context"
	"io"
	"time"

	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/server/caution"
	"github.com/layerlab/layerlab/server/dockerapi"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/engine/networks"
	"github.com/layerlab/layerlab/server/health"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// pageContainers shows the engine as the page wants it. What is told of an
// operation is told in the words of docker's.
type pageContainers struct {
	*engine.Service
	docker     *dockerapi.Handler
	plainBinds bool
}

func (p pageContainers) Create(ctx context.Context, c wire.NewContainer) (wire.CreatedContainer, error) {
	more := engine.Settings{Labels: c.Labels, AutoRemove: c.AutoRemove, StopSignal: c.StopSignal, StopTimeout: c.StopTimeout}
	if c.Network != nil {
		more.Network = *c.Network
	}
	if h := c.Health; h != nil {
		more.Health = &health.Check{
			Test: h.Test, Interval: time.Duration(h.Interval), Timeout: time.Duration(h.Timeout),
			StartPeriod: time.Duration(h.StartPeriod), StartInterval: time.Duration(h.StartInterval), Retries: h.Retries,
		}
	}
	made, err := p.CreateWith(ctx, c.CreateContainer, more)
	return wire.CreatedContainer{Container: made, Warnings: caution.OfCreate(&c.CreateContainer, p.plainBinds)}, err
}

// Export begins to write when the container's layer has been read.
func (p pageContainers) Export(ctx context.Context, id string, open func(name string) io.Writer) error {
	c, err := p.Get(ctx, id)
	if err != nil {
		return err
	}
	return noteSent(ctx, open, func(open func(name string) io.Writer) error {
		return p.Service.Export(ctx, c.ID, func(v *tree.View, content func(layer int) (io.ReaderAt, error)) error {
			w := open(c.Name + ".tar")
			p.Act(ctx, c.ID, "export")
			return pack.Flatten(w, v, content)
		})
	})
}

func (p pageContainers) Prune(ctx context.Context) (wire.Pruned, error) {
	return p.docker.PruneContainers(ctx)
}

func (p pageContainers) PruneVolumes(ctx context.Context, all bool) (wire.Pruned, error) {
	done, err := p.Service.PruneVolumes(ctx, all)
	if err == nil {
		p.docker.Pruned("volume", done.Freed)
	}
	return done, err
}

// pageNetworks shows the networks as the page wants them.
type pageNetworks struct {
	*networks.Service
	docker *dockerapi.Handler
}

func (p pageNetworks) Prune(ctx context.Context, keep func(wire.Network) bool) ([]string, error) {
	names, err := p.Service.Prune(ctx, keep)
	if err == nil {
		p.docker.Pruned("network", 0)
	}
	return names, err
}
