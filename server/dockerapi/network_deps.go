//go:build linux

package dockerapi

import (
	"context"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Networks is what the API needs of the networks' service.
type Networks interface {
	List(ctx context.Context) ([]wire.Network, error)
	// Get takes a name, an id or a prefix of one.
	Get(ctx context.Context, ref string) (wire.Network, error)
	Create(ctx context.Context, req wire.CreateNetwork) (wire.Network, error)
	Remove(ctx context.Context, ref string) error
	// Prune removes what no container is in and keep says yes to.
	Prune(ctx context.Context, keep func(wire.Network) bool) (names []string, err error)
	Connect(ctx context.Context, ref string, req wire.ConnectNetwork) error
	Disconnect(ctx context.Context, ref, container string) error
}
