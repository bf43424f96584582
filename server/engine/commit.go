//go:build linux

package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Commit makes an image of the container's image and its own layer. A running
// container is frozen while its layer is read. The layer's tar does not depend
// on when or where it is made. Codes: whiteout-name for an upper that holds a
// name beginning with .wh., bad-change for a line of Changes.
func (s *Service) Commit(ctx context.Context, id string, req wire.CommitContainer) (wire.Image, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return wire.Image{}, err
	}
	c.still.Lock()
	defer c.still.Unlock()
	if c.isRemoved() {
		return wire.Image{}, notFound(id)
	}
	rec := c.record()
	image, release, err := s.o.Images.Hold(ctx, c.image.String())
	if err != nil {
		return wire.Image{}, err
	}
	defer release()
	config, err := bundle.Commit(image.Config, bundle.Committed{
		Command: rec.Request.Command, Entrypoint: rec.Request.Entrypoint, Env: rec.Request.Env,
		WorkingDir: rec.Request.WorkingDir, User: rec.Request.User, Labels: rec.Settings.Labels, Health: rec.Check,
		Ran: rec.Command, Author: req.Author, Message: req.Message, Changes: req.Changes, At: s.o.Now().UTC(),
	})
	if err != nil {
		return wire.Image{}, err
	}
	thaw, err := s.freeze(ctx, c)
	if err != nil {
		return wire.Image{}, err
	}
	defer thaw()
	unhold, err := s.holdLayer(c)
	if err != nil {
		return wire.Image{}, err
	}
	defer unhold()
	items, err := s.layerItems(ctx, c)
	if err != nil {
		return wire.Image{}, fmt.Errorf("commit container %s: %w", bundle.ShortID(c.id), err)
	}

	began := s.o.Now()
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := writeLayer(w, items)
		w.CloseWithError(err)
		packed <- err
	}()
	made, err := s.o.Images.Commit(ctx, Commit{Parent: c.image, Layer: r, Config: config, Ref: req.Ref, From: c.id})
	r.CloseWithError(io.ErrClosedPipe) // the writer ends also where the store stopped reading
	if packErr := <-packed; packErr != nil && !errors.Is(packErr, io.ErrClosedPipe) {
		err = packErr
	}
	if err != nil {
		return wire.Image{}, fmt.Errorf("commit container %s: %w", bundle.ShortID(c.id), err)
	}
	noteCommit(ctx, began, made, len(items))
	s.act(c, "commit", "comment", req.Message, "imageID", made.ID, "imageRef", req.Ref)
	return made, nil
}

// writeLayer writes a layer's tar in large pieces: each is a change between who
// reads files and who hashes.
func writeLayer(w io.Writer, items []pack.Item) error {
	b := bufio.NewWriterSize(w, 1<<20)
	if err := pack.WriteLayer(b, items); err != nil {
		return err
	}
	return b.Flush()
}

// freeze stops the processes of a running container; one that is paused, or
// does not run, is left alone.
func (s *Service) freeze(ctx context.Context, c *container) (thaw func(), err error) {
	rec, sh, err := c.mustRun()
	if err != nil || rec.State == wire.StatePaused || s.o.Rootless { // without cgroups nobody can be stopped
		return func() {}, nil
	}
	if err := sh.Pause(ctx); err != nil {
		if again := c.record(); !again.alive() {
			return func() {}, nil // it ended meanwhile
		}
		return nil, fmt.Errorf("freeze container %s: %w", bundle.ShortID(c.id), err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
		defer cancel()
		err := sh.Resume(ctx)
		if again := c.record(); err != nil && again.alive() {
			s.o.Log.Error("container stays frozen after commit", "container", c.id, "err", err)
		}
	}, nil
}

// layerItems lists the upper as entries of a layer.
func (s *Service) layerItems(ctx context.Context, c *container) ([]pack.Item, error) {
	upper := filepath.Join(s.layerDir(c), "upper")
	if _, err := os.Lstat(upper); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // never started: a layer without entries
	}
	lower, err := s.trees.Get(ctx, c.image)
	if err != nil {
		return nil, err
	}
	ids, err := s.ids(c)
	if err != nil {
		return nil, err
	}
	return snapshot.Items(ctx, upper, lower.Top(), ids)
}
