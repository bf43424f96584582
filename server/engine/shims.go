//go:build linux

package engine

import (
	"context"
	"errors"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/runtime/plan"
	"github.com/layerlab/layerlab/runtime/rootless"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// Shims starts shims and finds them again. Tests put a fake in its place.
type Shims interface {
	// Start returns when the container is created and not yet running. On an
	// error nothing is left of it.
	Start(ctx context.Context, o shim.Options) (Shim, error)
	// Dial finds a shim that runs.
	Dial(ctx context.Context, socket string) (Shim, error)
	// Clean kills what is left in a container's cgroup and removes the cgroup.
	Clean(cgroup string) error
	// Pids lists the processes of a container's cgroup.
	Pids(cgroup string) ([]int, error)
	// Stats reads what it used, Update sets limits of it.
	Stats(cgroup string) (*cgroup.Stats, error)
	Update(cgroup string, r *specs.LinuxResources) error
	// WatchOOM tells when the kernel kills a process of it for lack of memory,
	// until ctx ends or it is removed.
	WatchOOM(ctx context.Context, cgroup string) (<-chan struct{}, error)
}

// Shim is one container's shim. Process ids are "" for the container's command
// and what Exec returned for others.
type Shim interface {
	Start(ctx context.Context) (*shim.State, error)
	State(ctx context.Context) (*shim.State, error)
	Signal(ctx context.Context, id string, sig unix.Signal, all bool) error
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	Resize(ctx context.Context, id string, cols, rows uint16) error
	Attach(ctx context.Context, id string) (Stream, error)
	Exec(ctx context.Context, p *specs.Process, o shim.ExecOptions) (string, error)
	Wait(ctx context.Context, id string) (*shim.Exit, error)
	AckExit(ctx context.Context) error
	Trace(ctx context.Context) (*plan.Plan, []plan.Result, error)
}

// Stream is one viewer's connection to a process: its replay, then what it
// writes as it writes it. shim.Stream documents the methods.
type Stream interface {
	TTY() bool
	Replay() int64
	Next() (shim.Chunk, error)
	Exit() *shim.Exit
	Write(p []byte) (int, error)
	CloseWrite() error
	Close() error
}

// Processes returns the Shims that are real: processes of executable, a sealed
// copy of layerlab-runtime. method is what snapshot.Probe found.
func Processes(executable *os.File, method snapshot.Method) Shims {
	return processes{executable: executable, method: method}
}

type processes struct {
	executable *os.File
	method     snapshot.Method
}

func (p processes) Start(ctx context.Context, o shim.Options) (Shim, error) {
	o.Executable, o.Method = p.executable, p.method
	c, err := shim.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	return client{c}, nil
}

func (p processes) Dial(ctx context.Context, socket string) (Shim, error) {
	c, err := shim.Dial(ctx, socket)
	if err != nil {
		return nil, err
	}
	return client{c}, nil
}

// Clean removes the cgroup of a container whose shim could not.
func (p processes) Clean(path string) error {
	if path == "" {
		return nil
	}
	g, err := cgroup.Open(path)
	if errors.Is(err, imagecore.ErrNotFound) {
		return nil // as it should be
	}
	if err != nil {
		return err
	}
	return errors.Join(g.Kill(), g.Remove())
}

// open finds a container's cgroup; a server without any says so.
func open(path string) (*cgroup.Group, error) {
	if path == "" {
		return nil, rootless.NoCgroup("limits and stats")
	}
	return cgroup.Open(path)
}

// Pids lists the processes of a container's cgroup.
func (p processes) Pids(path string) ([]int, error) {
	g, err := open(path)
	if err != nil {
		return nil, err
	}
	return g.Pids()
}

func (p processes) Stats(path string) (*cgroup.Stats, error) {
	g, err := open(path)
	if err != nil {
		return nil, err
	}
	return g.Stats()
}

func (p processes) Update(path string, r *specs.LinuxResources) error {
	g, err := open(path)
	if err != nil {
		return err
	}
	return g.Update(r)
}

func (p processes) WatchOOM(ctx context.Context, path string) (<-chan struct{}, error) {
	g, err := open(path)
	if err != nil {
		return nil, err
	}
	return g.WatchOOM(ctx)
}

type client struct{ *shim.Client }

func (c client) Attach(ctx context.Context, id string) (Stream, error) {
	s, err := c.Client.Attach(ctx, id)
	if err != nil {
		return nil, err
	}
	return s, nil
}
