//go:build linux

package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/launch"
)

// createHooks runs what runtime-spec wants between the namespaces and the
// change of root. The container's process waits meanwhile.
func (c *Container) createHooks(ctx context.Context, pid int) error {
	h := c.Spec.Hooks
	st := specs.State{Version: specs.Version, ID: c.ID, Status: specs.StateCreating, Pid: pid, Bundle: c.Bundle, Annotations: c.Spec.Annotations}
	//lint:ignore SA1019 prestart is deprecated, but Docker's network plugins use it
	if err := runHooks(ctx, "prestart", h.Prestart, st); err != nil {
		return err
	}
	if err := runHooks(ctx, "createRuntime", h.CreateRuntime, st); err != nil {
		return err
	}
	return c.hooksInside(ctx, "createContainer", h.CreateContainer, st)
}

// startHooks run in the container, just before its command.
func (c *Container) startHooks(ctx context.Context) error {
	if c.Spec.Hooks == nil {
		return nil
	}
	return c.hooksInside(ctx, "startContainer", c.Spec.Hooks.StartContainer, c.OCI())
}

// StartHooks is for a caller that starts the process itself (Options.Attached).
func (c *Container) StartHooks(ctx context.Context) error { return c.startHooks(ctx) }

// PostStart runs the hooks of after the start. Their errors change nothing any
// more and are dropped, as runtime-spec asks (a warning at most).
func (c *Container) PostStart(ctx context.Context) {
	if c.Spec.Hooks != nil {
		_ = runHooks(ctx, "poststart", c.Spec.Hooks.Poststart, c.OCI())
	}
}

func (c *Container) postStop(ctx context.Context) {
	if c.Spec == nil || c.Spec.Hooks == nil {
		return
	}
	st := c.OCI()
	st.Status, st.Pid = specs.StateStopped, 0
	for _, h := range c.Spec.Hooks.Poststop {
		_ = runHooks(ctx, "poststop", []specs.Hook{h}, st) // each runs, whatever became of the others
	}
}

// runHooks runs hooks one after the other in our own namespaces; the state is
// their standard input.
func runHooks(ctx context.Context, name string, l []specs.Hook, st specs.State) error {
	in, err := json.Marshal(st)
	if err != nil {
		return err
	}
	for i, h := range l {
		ctx, cancel := withTimeout(ctx, h)
		cmd := exec.CommandContext(ctx, h.Path)
		if len(h.Args) > 0 {
			cmd.Args = h.Args
		}
		cmd.Env = h.Env
		if cmd.Env == nil {
			cmd.Env = []string{}
		}
		cmd.Stdin = bytes.NewReader(in)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		// When its time is over, what it started goes too. A daemon that it
		// leaves behind on purpose does not hold us up by our pipe.
		cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
		cmd.WaitDelay = 100 * time.Millisecond
		err := cmd.Run()
		cancel()
		if errors.Is(err, exec.ErrWaitDelay) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("error running %s hook #%d: %s: %w, output: %s", name, i, h.Path, err, out.Bytes())
		}
	}
	return nil
}

func withTimeout(ctx context.Context, h specs.Hook) (context.Context, context.CancelFunc) {
	if h.Timeout == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(*h.Timeout)*time.Second)
}

// hooksInside runs hooks in the container's namespaces.
func (c *Container) hooksInside(ctx context.Context, name string, l []specs.Hook, st specs.State) error {
	in, err := json.Marshal(st)
	if err != nil {
		return err
	}
	for i, h := range l {
		if err := c.hookInside(ctx, h, st.Pid, in); err != nil {
			return fmt.Errorf("error running %s hook #%d: %s: %w", name, i, h.Path, err)
		}
	}
	return nil
}

func (c *Container) hookInside(ctx context.Context, h specs.Hook, pid int, in []byte) error {
	ctx, cancel := withTimeout(ctx, h)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	args := h.Args
	if len(args) == 0 {
		args = []string{h.Path}
	}
	// What the plan looks up is the first argument, what runs is the path.
	args = append([]string{h.Path}, args[1:]...)
	bare := &specs.Spec{Version: c.Spec.Version, Linux: &specs.Linux{UIDMappings: c.Spec.Linux.UIDMappings, GIDMappings: c.Spec.Linux.GIDMappings}}
	p, err := launch.ExecIn(ctx, launch.Target{PID: pid, Spec: bare},
		&specs.Process{Args: args, Env: h.Env, Cwd: "/"}, launch.ExecConfig{Stdio: [3]int{int(r.Fd()), 1, 2}})
	if err != nil {
		w.Close()
		return err
	}
	defer p.Close()
	stop := context.AfterFunc(ctx, func() { p.Signal(unix.SIGKILL) })
	defer stop()
	_, err = io.Copy(w, bytes.NewReader(in))
	w.Close()
	ws, waitErr := p.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case waitErr != nil:
		return waitErr
	case ws.ExitStatus() != 0:
		return fmt.Errorf("exit status %d", ws.ExitStatus())
	case err != nil && err != io.ErrClosedPipe && !isPipe(err):
		return err
	}
	return nil
}

// isPipe reports whether a hook simply did not read its input.
func isPipe(err error) bool {
	e, ok := err.(*os.PathError)
	return ok && e.Err == unix.EPIPE
}
