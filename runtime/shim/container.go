//go:build linux

package shim

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/console"
	"github.com/layerlab/layerlab/runtime/foreign"
	"github.com/layerlab/layerlab/runtime/jsonlog"
)

const (
	// The container's own streams end with it, since whatever could hold them
	// is killed with its pid namespace; the bounds are for a kernel that
	// disagrees.
	mainQuiet, mainMost = 5 * time.Second, 30 * time.Second
	// An exec'd process may leave children on its streams.
	execQuiet, execMost = 250 * time.Millisecond, 5 * time.Second
	// keptExecs is how many exec'd processes are remembered after their end,
	// with their replay.
	keptExecs = 16
)

// container is the shim's one container.
type container struct {
	opts *Options
	spec *specs.Spec
	log  *jsonlog.Writer
	by   backend

	acked  chan struct{} // closed by AckExit
	served atomic.Int64  // operations so far

	mu        sync.Mutex
	status    string
	main      *process
	execs     map[string]*process
	ended     []string // ids of execs that have ended, oldest first
	acking    bool
	exitError string
	watchers  sync.WaitGroup
}

// process is one process with its streams.
type process struct {
	id   string
	proc running
	host *console.Host
	hub  *hub
	tty  bool
	pump sync.Once     // begin
	done chan struct{} // closed once exit is set and all output is out

	// guarded by the container's mu
	started  time.Time
	startErr error
	exit     *Exit
}

// begin takes the process's output from now on.
func (p *process) begin() { p.pump.Do(func() { p.host.Pump(p.hub.publish) }) }

// newContainer creates the container; it does not run yet.
func newContainer(ctx context.Context, o *Options) (*container, error) {
	spec, err := loadSpec(o.Bundle)
	if err != nil {
		return nil, err
	}
	c := &container{opts: o, spec: spec, status: StatusCreated, acked: make(chan struct{}), execs: make(map[string]*process)}
	if o.Log != "" {
		if c.log, err = jsonlog.Open(o.Log, o.LogLimits); err != nil {
			return nil, fmt.Errorf("log: %w", err)
		}
	}
	// A record of an earlier run would pass for this one's.
	if err := os.Remove(o.ExitFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old exit record: %w", err)
	}
	c.by = backendOf(o)
	proc, host, err := create(ctx, c.by, o, spec)
	if err != nil {
		return nil, err
	}
	c.main = &process{proc: proc, host: host, hub: newHub(c.log, spec.Process.Terminal), tty: spec.Process.Terminal, done: make(chan struct{})}
	c.main.begin()
	c.watchers.Go(c.watchMain)
	return c, nil
}

// destroy ends a container that nobody will know of.
func (c *container) destroy() {
	c.main.proc.Signal(unix.SIGKILL)
	<-c.main.done
	c.watchers.Wait()
}

// watchMain waits for the container's end and settles everything.
func (c *container) watchMain() {
	p := c.main
	status, err := p.proc.Wait()
	at := time.Now().UTC()
	group := p.proc.Cgroup()
	if group != nil {
		// The pid namespace is dead with its first process; what was put into
		// the cgroup from outside is not.
		group.Kill()
	}
	p.host.Finish(mainQuiet, mainMost)

	c.mu.Lock()
	exit := exitOf(status, p.started, at)
	if err != nil {
		exit.Code, exit.Error = 137, failure(fmt.Errorf("wait for the container: %w", err))
	}
	if p.startErr != nil {
		exit.Code, exit.Signal, exit.Error = startCode(p.startErr), 0, failure(p.startErr)
	}
	execs := make([]*process, 0, len(c.execs))
	for _, e := range c.execs {
		execs = append(execs, e)
	}
	c.mu.Unlock()
	for _, e := range execs {
		<-e.done // they share the pid namespace
	}
	exit.OOMKilled = group != nil && group.OOMKilled()
	err = writeExit(c.opts.ExitFile, exit)

	c.mu.Lock()
	p.exit, c.status = exit, StatusExited
	if err != nil {
		c.exitError = err.Error()
	}
	c.mu.Unlock()
	if group != nil {
		group.Remove()
	}
	if f, is := p.proc.(*foreign.Process); is {
		if err := f.Forget(); err != nil {
			fmt.Fprintln(os.Stderr, err) // the server sweeps that folder
		}
	}
	p.hub.end(exit)
	close(p.done)
	p.proc.Close()
}

// watchExec is the same for an exec'd process.
func (c *container) watchExec(p *process) {
	status, err := p.proc.Wait()
	at := time.Now().UTC()
	p.begin()
	p.host.Finish(execQuiet, execMost)
	exit := exitOf(status, p.started, at)
	if err != nil {
		exit.Code, exit.Error = 137, failure(fmt.Errorf("wait for the process: %w", err))
	}
	c.mu.Lock()
	p.exit = exit
	c.ended = append(c.ended, p.id)
	if len(c.ended) > keptExecs {
		delete(c.execs, c.ended[0])
		c.ended = c.ended[1:]
	}
	c.mu.Unlock()
	p.hub.end(exit)
	close(p.done)
	p.proc.Close()
}

// process finds one by its id; "" is the container's own.
func (c *container) process(id string) (*process, error) {
	if id == "" {
		return c.main, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.execs[id]; ok {
		return p, nil
	}
	return nil, fault.New(fault.ErrNotFound, CodeNoProcess, fmt.Sprintf("no process %q in this container", id), "id", id)
}

func (c *container) conflict(code, message string) error {
	return fault.New(fault.ErrConflict, code, message, "id", c.opts.ID, "status", c.status)
}

// start lets the container's command run.
func (c *container) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status == StatusExited {
		return c.conflict(CodeNotRunning, "the container has ended")
	}
	if c.status != StatusCreated {
		return c.conflict(CodeAlreadyStarted, "the container has been started")
	}
	pidfd := -1
	if hasFirstProcess(c.spec.Process) {
		fd, err := unix.PidfdOpen(c.main.proc.Pid(), 0)
		if err != nil {
			return fmt.Errorf("start: %w", os.NewSyscallError("pidfd_open", err))
		}
		defer unix.Close(fd)
		pidfd = fd
	}
	if err := c.main.proc.Start(); err != nil {
		c.main.startErr = err
		// It may have ended by itself; what is left of it goes now.
		c.main.proc.Signal(unix.SIGKILL)
		return err
	}
	c.main.started = time.Now().UTC()
	c.status = StatusRunning
	if pidfd >= 0 {
		awaitCommand(c.main.proc.Pid(), pidfd)
	}
	return nil
}

func (c *container) state() *State {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &State{
		ID: c.opts.ID, Status: c.status, TTY: c.main.tty, StartedAt: c.main.started,
		Exit: c.main.exit, Execs: []Process{}, ExitError: c.exitError,
	}
	if s.Exit == nil {
		s.Pid = c.main.proc.Pid()
	}
	if c.log != nil {
		s.LogLost = c.log.Lost()
	}
	for id, e := range c.execs {
		p := Process{ID: id, TTY: e.tty, Exit: e.exit}
		if p.Exit == nil {
			p.Pid = e.proc.Pid()
		}
		s.Execs = append(s.Execs, p)
	}
	slices.SortFunc(s.Execs, func(a, b Process) int { return strings.Compare(a.ID, b.ID) })
	return s
}

// kill sends a signal to one process, or to all of the container.
func (c *container) kill(id string, sig unix.Signal, all bool) error {
	p, err := c.process(id)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.exit != nil || c.main.exit != nil {
		return c.conflict(CodeNotRunning, "the process has ended")
	}
	group := c.main.proc.Cgroup()
	if all && group != nil {
		err = group.Signal(sig)
	} else {
		err = p.proc.Signal(sig)
	}
	if errors.Is(err, unix.ESRCH) {
		return c.conflict(CodeNotRunning, "the process has ended")
	}
	if err != nil {
		return fmt.Errorf("signal %d: %w", sig, err)
	}
	if sig == unix.SIGKILL && c.status == StatusPaused && group != nil {
		// A process frozen by cgroup v1 takes its signal only when thawed.
		if err := group.Thaw(); err != nil {
			return fmt.Errorf("thaw: %w", err)
		}
		c.status = StatusRunning
	}
	return nil
}

func (c *container) pause() error {
	return c.freeze(StatusRunning, StatusPaused, "the container does not run", func(g freezer) error { return g.Freeze() })
}

func (c *container) resume() error {
	return c.freeze(StatusPaused, StatusRunning, "the container is not paused", func(g freezer) error { return g.Thaw() })
}

type freezer interface {
	Freeze() error
	Thaw() error
}

func (c *container) freeze(from, to, otherwise string, do func(freezer) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != from || c.main.exit != nil {
		return c.conflict(CodeNotRunning, otherwise)
	}
	group := c.main.proc.Cgroup()
	if group == nil {
		return fault.New(fault.ErrUnsupported, "unsupported-setting", "pausing needs a cgroup: set linux.cgroupsPath", "setting", "linux.cgroupsPath")
	}
	if err := do(group); err != nil {
		return err
	}
	c.status = to
	return nil
}

// exec runs a further process and returns its id.
func (c *container) exec(ctx context.Context, spec *specs.Process, o ExecOptions) (string, error) {
	if spec == nil {
		return "", fault.New(fault.ErrInvalid, CodeBadRequest, "exec names no process")
	}
	if o.ID == "" {
		var b [16]byte
		rand.Read(b[:])
		o.ID = hex.EncodeToString(b[:])
	}
	// Held while the process is made: a pause in between would keep it from
	// ever answering.
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != StatusRunning || c.main.exit != nil {
		return "", c.conflict(CodeNotRunning, "the container does not run")
	}
	if _, ok := c.execs[o.ID]; ok {
		return "", fault.New(fault.ErrExists, CodeExecExists, fmt.Sprintf("process %q exists", o.ID), "id", o.ID)
	}
	proc, host, err := enter(ctx, c.by, c.main.proc, c.spec, spec, o)
	if err != nil {
		return "", err
	}
	p := &process{
		id: o.ID, proc: proc, host: host, hub: newHub(nil, spec.Terminal), tty: spec.Terminal,
		done: make(chan struct{}), started: time.Now().UTC(),
	}
	c.execs[o.ID] = p
	if !o.Hold {
		p.begin()
	}
	c.watchers.Go(func() { c.watchExec(p) })
	return o.ID, nil
}

// ack lets the shim end.
func (c *container) ack() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.main.exit == nil {
		return c.conflict(CodeStillRuns, "the container has not ended")
	}
	if !c.acking {
		c.acking = true
		close(c.acked)
	}
	return nil
}
