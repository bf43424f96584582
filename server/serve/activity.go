//go:build linux

package serve

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/dockerapi"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/store"
)

// openActivity makes the recorder of what is asked; the bus is open by then.
func (s *server) openActivity() {
	s.activity = activity.New(activity.Options{Now: time.Now, Send: s.bus.Send, Listening: s.bus.Listening})
}

// noted is the bus, with every kept event told to the recorder too.
type noted struct {
	*events.Bus
	recorder *activity.Recorder
}

func (n noted) Publish(kind, id string, data any) error {
	// Before the page hears of it: who looks then finds it with its call.
	n.recorder.Event(kind, id, further(data)...)
	return n.Bus.Publish(kind, id, data)
}

// further are ids of what an event is about beside its own.
func further(data any) []string {
	if e, ok := data.(wire.Endpoint); ok {
		return []string{e.Container}
	}
	return nil
}

// notedHold notes the images that the engine's names are resolved to.
type notedHold struct{ images }

func (n notedHold) Hold(ctx context.Context, ref string) (engine.Image, func(), error) {
	img, release, err := n.images.Hold(ctx, ref)
	if err == nil {
		activity.Of(ctx).Image(ref, img.ID.String())
	}
	return img, release, err
}

// notedImages notes what the Docker API asks of the store.
type notedImages struct{ dockerImages }

func (n notedImages) Find(ctx context.Context, ref string) (dockerapi.Image, error) {
	img, err := n.dockerImages.Find(ctx, ref)
	if err == nil {
		activity.Of(ctx).Image(ref, img.ID.String())
	}
	return img, err
}

func (n notedImages) Load(ctx context.Context, body io.Reader, platforms []string, progress func(wire.UploadProgress)) ([]dockerapi.Loaded, error) {
	began := time.Now()
	list, err := n.dockerImages.Load(ctx, body, platforms, progress)
	if err == nil {
		call := activity.Of(ctx)
		for _, l := range list {
			call.Image(first(l.Names), l.ID)
		}
		call.Did(began, "stored", "images", strconv.Itoa(len(list)))
	}
	return list, err
}

func (n notedImages) Make(ctx context.Context, layer io.Reader, req dockerapi.ImportRequest) (string, error) {
	began := time.Now()
	id, err := n.dockerImages.Make(ctx, layer, req)
	if err == nil {
		activity.Of(ctx).Image(req.Ref, id)
		activity.Of(ctx).Did(began, "stored", "images", "1")
	}
	return id, err
}

func (n notedImages) Save(ctx context.Context, list []dockerapi.Named, open func() io.Writer) error {
	call, began := activity.Of(ctx), time.Now()
	for _, i := range list {
		call.Image(first(i.Refs), i.ID.String())
	}
	sent := &counter{}
	err := n.dockerImages.Save(ctx, list, func() io.Writer { sent.w = open(); return sent })
	if err == nil {
		call.Did(began, "sent", "bytes", strconv.FormatInt(sent.n, 10))
	}
	return err
}

// first is the name by which an image is told, "" of one without.
func first(refs []string) string {
	if len(refs) == 0 {
		return ""
	}
	return refs[0]
}

// notedStore notes what the page asks of the store.
type notedStore struct {
	*store.Store
	docker *dockerapi.Handler
}

func (n notedStore) Import(ctx context.Context, body io.Reader, size int64, progress func(wire.UploadProgress)) ([]wire.Image, error) {
	began := time.Now()
	list, err := n.Store.Import(ctx, body, size, progress)
	if err == nil {
		call := activity.Of(ctx)
		for _, i := range list {
			call.Image(first(i.Refs), i.ID)
		}
		call.Did(began, "stored", "images", strconv.Itoa(len(list)))
	}
	return list, err
}

func (n notedStore) Tag(ctx context.Context, id, ref string) (wire.Image, error) {
	n.resolve(ctx, id)
	return n.Store.Tag(ctx, id, ref)
}

func (n notedStore) Prune(ctx context.Context, all bool) (wire.Pruned, error) {
	return n.docker.PruneImages(ctx, all)
}

func (n notedStore) Remove(ctx context.Context, id string) error {
	n.resolve(ctx, id)
	return n.Store.Remove(ctx, id)
}

func (n notedStore) Save(ctx context.Context, id string, open func(name string) io.Writer) error {
	n.resolve(ctx, id)
	return noteSent(ctx, open, func(open func(name string) io.Writer) error { return n.Store.Save(ctx, id, open) })
}

func (n notedStore) Flatten(ctx context.Context, id string, open func(name string) io.Writer) error {
	n.resolve(ctx, id)
	return noteSent(ctx, open, func(open func(name string) io.Writer) error { return n.Store.Flatten(ctx, id, open) })
}

func (n notedStore) resolve(ctx context.Context, ref string) {
	if img, release, err := n.Hold(ctx, ref); err == nil {
		release()
		activity.Of(ctx).Image(ref, img.ID.String())
	}
}

// noteSent counts what a download writes.
func noteSent(ctx context.Context, open func(name string) io.Writer, do func(func(name string) io.Writer) error) error {
	sent, began := &counter{}, time.Now()
	err := do(func(name string) io.Writer { sent.w = open(name); return sent })
	if err == nil {
		activity.Of(ctx).Did(began, "sent", "bytes", strconv.FormatInt(sent.n, 10))
	}
	return err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
