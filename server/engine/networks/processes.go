//go:build linux

package networks

import (
	"context"
	"os"

	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/runtime/network/egress"
)

// Processes returns the Helpers that are real: processes of executable, a sealed
// copy of layerlab-runtime.
func Processes(executable *os.File) Helpers { return processes{executable} }

type processes struct{ executable *os.File }

func (p processes) Start(ctx context.Context, n network.Network) (Helper, error) {
	c, err := network.Start(ctx, p.executable, n)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (p processes) Dial(ctx context.Context, socket string) (Helper, *network.State, error) {
	c, state, err := network.Dial(ctx, socket)
	if err != nil {
		return nil, nil, err
	}
	return c, state, nil
}

func (p processes) CutOff(ctx context.Context, n network.Network) error { return egress.End(ctx, n) }

func (p processes) Clean(ctx context.Context, n network.Network) error { return network.Clean(ctx, n) }
