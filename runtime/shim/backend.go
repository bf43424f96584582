//go:build linux

package shim

import (
	"context"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/runtime/console"
	"github.com/layerlab/layerlab/runtime/foreign"
	"github.com/layerlab/layerlab/runtime/launch"
)

// running is a process in the container; launch.Process documents the methods.
type running interface {
	Pid() int
	Master() *os.File
	Cgroup() *cgroup.Group
	Start() error
	Wait() (unix.WaitStatus, error)
	Signal(unix.Signal) error
	Close() error
}

// backend makes the container and the further processes in it. What is around
// them is the shim's, whoever makes them.
type backend interface {
	// create makes the container's own process, up to just before its execve.
	create(ctx context.Context, o *Options, m made) (running, error)
	// exec runs a further process beside target, which create returned.
	exec(ctx context.Context, target running, p *specs.Process, stdio *console.Child, o ExecOptions) (running, error)
}

// made is what a backend gets made: the config, the detached mounts of the root
// (nil: config.json names it) and of binds by their index, and the process's
// streams, nil with a terminal. All stay the caller's.
type made struct {
	spec  *specs.Spec
	root  *os.File
	binds map[int]*os.File
	stdio *console.Child
}

func backendOf(o *Options) backend {
	if o.Runtime != nil {
		return byCommand{*o.Runtime}
	}
	return launched{}
}

// launched is our own runtime, in this process.
type launched struct{}

func (launched) create(ctx context.Context, o *Options, m made) (running, error) {
	config := launch.Config{Spec: m.spec, Bundle: o.Bundle, Rootfs: -1, Stdio: numbers(m.stdio), Cols: o.Cols, Rows: o.Rows}
	if m.root != nil {
		config.Rootfs = int(m.root.Fd())
	}
	for i, f := range m.binds {
		if config.Mounts == nil {
			config.Mounts = map[int]int{}
		}
		config.Mounts[i] = int(f.Fd())
	}
	p, err := launch.Create(ctx, config)
	if err != nil {
		return nil, err // not a nil *Process within a non-nil interface
	}
	return p, nil
}

func (launched) exec(ctx context.Context, target running, spec *specs.Process, stdio *console.Child, o ExecOptions) (running, error) {
	p, err := launch.Exec(ctx, target.(*launch.Process), spec, launch.ExecConfig{Stdio: numbers(stdio), Cols: o.Cols, Rows: o.Rows})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func numbers(c *console.Child) [3]int {
	if c == nil {
		return [3]int{-1, -1, -1}
	}
	return c.Stdio()
}

// byCommand is another runtime, by its command line.
type byCommand struct{ runtime foreign.Runtime }

func (b byCommand) create(ctx context.Context, o *Options, m made) (running, error) {
	p, err := b.runtime.Create(ctx, foreign.Config{ID: o.ID, Spec: m.spec, Rootfs: m.root, Mounts: m.binds, Stdio: files(m.stdio)})
	if err != nil {
		return nil, err
	}
	return sized(p, o.Cols, o.Rows)
}

func (b byCommand) exec(ctx context.Context, target running, spec *specs.Process, stdio *console.Child, o ExecOptions) (running, error) {
	p, err := target.(*foreign.Process).Exec(ctx, o.ID, spec, files(stdio))
	if err != nil {
		return nil, err
	}
	return sized(p, o.Cols, o.Rows)
}

// sized gives a terminal its first size, which not every runtime takes from
// config.json.
func sized(p *foreign.Process, cols, rows uint16) (running, error) {
	if p.Master() != nil && cols > 0 && rows > 0 {
		if err := launch.Resize(p.Master(), cols, rows); err != nil {
			discard(p)
			return nil, err
		}
	}
	return p, nil
}

func files(c *console.Child) []*os.File {
	if c == nil {
		return nil
	}
	return []*os.File{c.Stdin, c.Stdout, c.Stderr}
}

// trace is what the launcher tells of its steps.
func (c *container) trace() (any, error) {
	p, ours := c.main.proc.(*launch.Process)
	if !ours {
		name := c.opts.Runtime.Name
		return nil, fault.New(fault.ErrUnsupported, CodeNoTrace,
			fmt.Sprintf("the container was made by %s, which tells nobody its steps: only the server's own runtime has a plan and a trace", name), "runtime", name)
	}
	return trace{p.Plan(), p.Trace()}, nil
}
