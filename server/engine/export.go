//go:build linux

package engine

import (
	"context"
	"fmt"
	"io"

	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/server/engine/bundle"
)

// Export hands the merged tree of a container's image and its own layer to
// use, with random access to the tars that its contents lie in. A container
// that runs is frozen while its layer is read, and runs on before use is
// called.
func (s *Service) Export(ctx context.Context, id string, use func(v *tree.View, content func(layer int) (io.ReaderAt, error)) error) error {
	c, err := s.find(ctx, id)
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := s.packUpper(ctx, c, w)
		w.CloseWithError(err)
		packed <- err
	}()
	err = s.o.Images.Export(ctx, c.image, r, use)
	r.CloseWithError(io.ErrClosedPipe)
	<-packed // what it says has come through the pipe
	if err != nil {
		return fmt.Errorf("export container %s: %w", bundle.ShortID(c.id), err)
	}
	return nil
}

// packUpper writes the container's own layer as a tar.
func (s *Service) packUpper(ctx context.Context, c *container, w io.Writer) error {
	c.still.Lock()
	defer c.still.Unlock()
	if c.isRemoved() {
		return notFound(c.id)
	}
	thaw, err := s.freeze(ctx, c)
	if err != nil {
		return err
	}
	defer thaw()
	release, err := s.holdLayer(c)
	if err != nil {
		return err
	}
	defer release()
	items, err := s.layerItems(ctx, c)
	if err != nil {
		return err
	}
	return writeLayer(w, items)
}

// Processes returns the host's numbers of all processes of a container.
func (s *Service) Processes(ctx context.Context, id string) ([]int, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	rec, _, err := c.mustRun()
	if err != nil {
		return nil, err
	}
	return s.pids(rec)
}
