//go:build linux

package serve

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/server/dockerapi"
	"github.com/layerlab/layerlab/server/dockerapi/viewer"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func (d dockerImages) Load(ctx context.Context, body io.Reader, platforms []string, progress func(wire.UploadProgress)) ([]dockerapi.Loaded, error) {
	list, err := d.store.Load(ctx, body, -1, platforms, progress)
	out := make([]dockerapi.Loaded, 0, len(list))
	for _, l := range list {
		out = append(out, dockerapi.Loaded{ID: l.Image.ID, Names: l.Names})
	}
	return out, err
}

// dockerContainers shows the engine as the Docker API wants it.
type dockerContainers struct {
	*engine.Service
	resize func(ctx context.Context, id string, cols, rows uint16) error
}

func (d dockerContainers) Resize(ctx context.Context, id string, cols, rows uint16) error {
	return d.resize(ctx, id, cols, rows)
}

func (d dockerContainers) Detail(ctx context.Context, id string) (dockerapi.Container, error) {
	c, err := d.Service.Detail(ctx, id)
	if err != nil {
		return dockerapi.Container{}, err
	}
	m := c.Settings
	var mounts []dockerapi.Mount
	for _, one := range c.Mounts {
		mounts = append(mounts, dockerapi.Mount{MountSpec: one.MountSpec, Volume: one.Volume, Anonymous: one.Anonymous})
	}
	return dockerapi.Container{
		Container: c.Container,
		CreateRequest: dockerapi.CreateRequest{
			CreateContainer: c.Request, Labels: m.Labels, OpenStdin: m.OpenStdin, StdinOnce: m.StdinOnce,
			AutoRemove: m.AutoRemove, StopSignal: m.StopSignal, StopTimeout: m.StopTimeout, Client: m.Client, Network: m.Network,
			Health: m.Health, Shell: m.Shell,
		},
		StopSignal: c.StopSignal, Hostname: c.Hostname, Env: c.Env, WorkingDir: c.WorkingDir, User: c.User,
		Folder: c.Folder, Execs: c.Execs, Mounts: mounts, Layer: c.Layer, Endpoints: c.Endpoints,
		Check: c.Check, Health: c.Health,
	}, nil
}

func (d dockerContainers) Create(ctx context.Context, r dockerapi.CreateRequest) (wire.Container, error) {
	return d.CreateWith(ctx, r.CreateContainer, engine.Settings{
		Labels: r.Labels, OpenStdin: r.OpenStdin, StdinOnce: r.StdinOnce, AutoRemove: r.AutoRemove,
		StopSignal: r.StopSignal, StopTimeout: r.StopTimeout, Client: r.Client, Network: r.Network,
		Health: r.Health, Shell: r.Shell,
	})
}

func (d dockerContainers) Delete(ctx context.Context, id string, volumes bool) error {
	return d.DeleteWith(ctx, id, volumes)
}

func (d dockerContainers) StatPath(ctx context.Context, id, path string) (container.PathStat, error) {
	st, err := d.Service.StatPath(ctx, id, path)
	return container.PathStat(st), err
}

func (d dockerContainers) ReadPath(ctx context.Context, id, path string) (container.PathStat, io.ReadCloser, error) {
	st, tar, err := d.Service.ReadPath(ctx, id, path)
	return container.PathStat(st), tar, err
}

func (d dockerContainers) WritePath(ctx context.Context, id, path string, tar io.Reader, how dockerapi.CopyIn) error {
	return d.Service.WritePath(ctx, id, path, tar, engine.CopyIn(how))
}

func (d dockerContainers) Await(ctx context.Context, id, until string) (func(context.Context) (wire.Container, error), error) {
	return d.Service.Await(ctx, id, engine.Until(until))
}

func (d dockerContainers) Attach(ctx context.Context, id string) (func() (viewer.Stream, error), error) {
	w, err := d.AttachNext(ctx, id)
	if err != nil {
		return nil, err
	}
	return func() (viewer.Stream, error) {
		s, err := w.Stream()
		if err != nil {
			return nil, err
		}
		v := dockerStream{Stream: s}
		if engine.Live(s) {
			v.skip = s.Replay()
		}
		return v, nil
	}, nil
}

// dockerStream is a viewer as the Docker API wants it.
type dockerStream struct {
	engine.Stream
	skip int64
}

func (s dockerStream) Skip() int64 { return s.skip }

func (s dockerStream) Next() (viewer.Chunk, error) {
	c, err := s.Stream.Next()
	return viewer.Chunk{Stream: c.Stream, Data: c.Data}, err
}

func (d dockerContainers) PrepareExec(ctx context.Context, id string, req wire.ExecContainer, stdin bool, detachKeys string) (dockerapi.Exec, error) {
	f, err := d.Service.PrepareExec(ctx, id, req, stdin, detachKeys)
	return dockerapi.Exec(f), err
}

func (d dockerContainers) StartExec(ctx context.Context, id string, cols, rows uint16) (viewer.Stream, error) {
	s, err := d.Service.StartExec(ctx, id, cols, rows)
	if err != nil {
		return nil, err
	}
	return dockerStream{Stream: s}, nil
}

func (d dockerContainers) InspectExec(ctx context.Context, id string) (dockerapi.Exec, error) {
	f, err := d.Service.InspectExec(ctx, id)
	return dockerapi.Exec(f), err
}

// dockerEvents shows the bus as the Docker API wants it.
type dockerEvents struct{ bus *events.Bus }

func (d dockerEvents) Act(of, id, action string, attributes map[string]string) {
	// That an event is lost must not undo what it tells of.
	_ = d.bus.Publish(wire.EventAction, id, wire.Action{Of: of, Action: action, Attributes: attributes})
}

func (d dockerEvents) Subscribe(since time.Time) (func(context.Context) (wire.Event, error), func(), error) {
	last := d.bus.Seq()
	if !since.IsZero() {
		last = 0
	}
	live, err := d.bus.Subscribe(0)
	if err != nil {
		return nil, nil, err
	}
	w := &dockerWatch{bus: d.bus, last: last, anyStart: !since.IsZero(), behind: true, live: live}
	return w.next, live.Close, nil
}

// dockerWatch reads kept events from a number on, and those that happen. One
// that falls behind what is queued for it goes back to what is kept, so that it
// misses none; what is not kept is none of Docker's.
type dockerWatch struct {
	bus      *events.Bus
	live     *events.Subscription
	last     uint64
	anyStart bool         // the first that is kept will do
	behind   bool         // kept events come first
	page     []wire.Event // of them
}

const watchPage = 256

func (w *dockerWatch) next(ctx context.Context) (wire.Event, error) {
	for {
		if len(w.page) > 0 {
			e := w.page[0]
			w.page, w.last = w.page[1:], e.Seq
			return e, nil
		}
		if w.behind {
			page, gone, err := w.bus.Kept(w.last, watchPage)
			if err != nil {
				return wire.Event{}, err
			}
			if gone && !w.anyStart {
				return wire.Event{}, errors.New("events were lost: the reader is too slow")
			}
			w.page, w.anyStart, w.behind = page, false, len(page) > 0
			continue
		}
		e, err := w.live.Next(ctx)
		switch {
		case err != nil:
			return e, err
		case e.Kind == wire.EventResync:
			w.behind = true
		case e.Seq > w.last: // those that are not kept carry the last one's number
			if e.Seq > w.last+1 {
				w.behind = true
				continue
			}
			w.last = e.Seq
			return e, nil
		}
	}
}
