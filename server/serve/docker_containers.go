//go:build linux

package serve

import (
	"context"
	"io"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/server/dockerapi"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func (d dockerImages) Load(ctx context.Context, body io.Reader, progress func(wire.UploadProgress)) ([]dockerapi.Loaded, error) {
	list, err := d.store.Load(ctx, body, -1, progress)
	out := make([]dockerapi.Loaded, 0, len(list))
	for _, l := range list {
		out = append(out, dockerapi.Loaded{ID: l.Image.ID, Names: l.Names})
	}
	return out, err
}

// dockerContainers shows the engine as the Docker API wants it.
type dockerContainers struct{ *engine.Service }

func (d dockerContainers) Detail(ctx context.Context, id string) (dockerapi.Container, error) {
	c, err := d.Service.Detail(ctx, id)
	if err != nil {
		return dockerapi.Container{}, err
	}
	m := c.Settings
	var mounts []dockerapi.Mount
	for _, one := range c.Mounts {
		mounts = append(mounts, dockerapi.Mount{MountSpec: one.MountSpec, Volume: one.Volume})
	}
	return dockerapi.Container{
		Container: c.Container,
		CreateRequest: dockerapi.CreateRequest{
			CreateContainer: c.Request, Labels: m.Labels, OpenStdin: m.OpenStdin, StdinOnce: m.StdinOnce,
			AutoRemove: m.AutoRemove, StopSignal: m.StopSignal, StopTimeout: m.StopTimeout, Client: m.Client, Network: m.Network,
		},
		StopSignal: c.StopSignal, Hostname: c.Hostname, Env: c.Env, WorkingDir: c.WorkingDir, User: c.User,
		Folder: c.Folder, Execs: c.Execs, Mounts: mounts, Layer: c.Layer, Endpoints: c.Endpoints,
	}, nil
}

func (d dockerContainers) Create(ctx context.Context, r dockerapi.CreateRequest) (wire.Container, error) {
	return d.CreateWith(ctx, r.CreateContainer, engine.Settings{
		Labels: r.Labels, OpenStdin: r.OpenStdin, StdinOnce: r.StdinOnce, AutoRemove: r.AutoRemove,
		StopSignal: r.StopSignal, StopTimeout: r.StopTimeout, Client: r.Client, Network: r.Network,
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

func (d dockerContainers) Attach(ctx context.Context, id string) (func() (dockerapi.Stream, error), error) {
	w, err := d.AttachNext(ctx, id)
	if err != nil {
		return nil, err
	}
	return func() (dockerapi.Stream, error) {
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

func (s dockerStream) Next() (dockerapi.Chunk, error) {
	c, err := s.Stream.Next()
	return dockerapi.Chunk{Stream: c.Stream, Data: c.Data}, err
}

func (d dockerContainers) PrepareExec(ctx context.Context, id string, req wire.ExecContainer, stdin bool) (dockerapi.Exec, error) {
	f, err := d.Service.PrepareExec(ctx, id, req, stdin)
	return dockerapi.Exec(f), err
}

func (d dockerContainers) StartExec(ctx context.Context, id string, cols, rows uint16) (dockerapi.Stream, error) {
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

func (d dockerEvents) Subscribe(since time.Time) (func(context.Context) (wire.Event, error), func(), error) {
	var from uint64
	if !since.IsZero() {
		from = d.bus.Oldest()
	}
	sub, err := d.bus.Subscribe(from)
	if err != nil {
		return nil, nil, err
	}
	return sub.Next, sub.Close, nil
}
