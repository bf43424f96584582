//go:build linux

package shim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/config"
	"github.com/layerlab/layerlab/runtime/console"
	"github.com/layerlab/layerlab/runtime/plan"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// loadSpec reads the bundle's config.json.
func loadSpec(bundle string) (*specs.Spec, error) {
	b, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		return nil, err
	}
	spec, err := config.Spec(b)
	if err != nil {
		return nil, fmt.Errorf("%s/config.json: %w", bundle, err)
	}
	if spec.Process == nil {
		return nil, fault.New(fault.ErrInvalid, "invalid-config", "config.json has no process", "field", "process")
	}
	if spec.Linux == nil {
		spec.Linux = &specs.Linux{}
	}
	return spec, nil
}

// mountRoot returns the container's root, nil where config.json names one.
func mountRoot(o *Options, spec *specs.Spec) (*os.File, error) {
	if len(o.Layers) == 0 && o.Upper == "" {
		return nil, nil
	}
	root, err := snapshot.Mount(snapshot.MountOptions{
		Layers: o.Layers,
		Upper:  o.Upper,
		Work:   o.Work,
		Method: o.Method,
		IDs:    snapshot.IDs{UIDs: spec.Linux.UIDMappings, GIDs: spec.Linux.GIDMappings},
	})
	if err != nil {
		e := fault.New(fault.ErrHost, CodeNoRootfs, "root file system", "reason", err.Error())
		e.Err = err
		return nil, e
	}
	return root, nil
}

// create makes the container's own process, up to just before its execve.
func create(ctx context.Context, by backend, o *Options, spec *specs.Spec) (running, *console.Host, error) {
	if o.Cgroup != "" {
		spec.Linux.CgroupsPath = o.Cgroup
	}
	root, err := mountRoot(o, spec)
	if err != nil {
		return nil, nil, err
	}
	if root != nil {
		// The container's mount namespace keeps the mount from here on.
		defer root.Close()
	}
	binds, err := bind(o, spec)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range binds {
		defer m.Close()
	}
	return withHost(spec.Process, spec, o.Stdin, func(stdio *console.Child) (running, error) {
		return by.create(ctx, o, made{spec, root, binds, stdio})
	})
}

// enter runs a further process in the container.
func enter(ctx context.Context, by backend, target running, spec *specs.Spec, p *specs.Process, o ExecOptions) (running, *console.Host, error) {
	return withHost(p, spec, o.Stdin, func(stdio *console.Child) (running, error) {
		return by.exec(ctx, target, p, stdio, o)
	})
}

// withHost gives a process its streams: pipes before it is made, or the
// terminal that was made with it.
func withHost(p *specs.Process, spec *specs.Spec, stdin bool, run func(stdio *console.Child) (running, error)) (running, *console.Host, error) {
	if p.Terminal {
		proc, err := run(nil)
		if err != nil {
			return nil, nil, err
		}
		host, err := console.PTY(proc.Master())
		if err != nil {
			discard(proc)
			return nil, nil, err
		}
		return proc, host, nil
	}
	ids := snapshot.IDs{UIDs: spec.Linux.UIDMappings, GIDs: spec.Linux.GIDMappings}
	uid, gid, ok := ids.Host(p.User.UID, p.User.GID)
	if !ok {
		return nil, nil, fault.New(fault.ErrInvalid, "invalid-config",
			fmt.Sprintf("user %d:%d is outside of the container's id range", p.User.UID, p.User.GID), "field", "process.user")
	}
	host, child, err := console.Pipes(stdin, int(uid), int(gid))
	if err != nil {
		return nil, nil, err
	}
	defer child.Close()
	proc, err := run(child)
	if err != nil {
		host.Close()
		return nil, nil, err
	}
	return proc, host, nil
}

// discard ends a process that nobody will know of.
func discard(p running) {
	p.Signal(unix.SIGKILL)
	p.Wait()
	if g := p.Cgroup(); g != nil {
		g.Kill()
		g.Remove()
	}
	p.Close()
}

// trace is the answer to the operation of that name. Calls travel as texts: they
// are to be shown.
type trace struct {
	Plan  *plan.Plan    `json:"plan"`
	Trace []plan.Result `json:"trace"`
}

// startCode is the exit code of a command that could not be run, as shells and
// Docker have it.
func startCode(err error) int {
	var e *fault.Error
	if errors.As(err, &e) && e.Code == "command-not-found" {
		return 127
	}
	return 126
}
