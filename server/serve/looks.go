//go:build linux

package serve

import (
	"context"
	"io"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/audit/account"
	"github.com/layerlab/layerlab/imagecore/elf"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/store"
)

// looks lets the page look at containers as it looks at images: the engine
// knows the top layer, the store those below it.
type looks struct {
	store  *store.Store
	engine *engine.Service
}

func (l looks) Account(ctx context.Context, image string, compare bool) (*account.Account, error) {
	return l.store.Account(ctx, image, compare)
}

func (l looks) ELF(ctx context.Context, image string, layer int, path string) (*elf.Binary, error) {
	return l.store.ELF(ctx, image, layer, path)
}

func (l looks) ContainerIndex(ctx context.Context, id string, lens tree.Lens) ([]byte, error) {
	own, err := l.engine.OwnLayer(ctx, id)
	if err != nil {
		return nil, err
	}
	entries, size, err := pack.Entries(own.Items)
	if err != nil {
		return nil, err
	}
	return l.store.IndexWith(ctx, own.Image, imagecore.Layer{
		CreatedBy: strings.Join(own.Command, " "), TarSize: size, Size: size, Entries: entries, EntryCount: len(entries), Present: true,
	}, lens)
}

func (l looks) ContainerFile(ctx context.Context, id, path string) (io.ReadCloser, error) {
	return l.engine.OwnFile(ctx, id, path)
}
