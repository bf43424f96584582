//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/container"
	"github.com/layerlab/layerlab/runtime/launch"
)

// bundleFlags are those of create and run.
type bundleFlags struct {
	bundle, console, pidFile string
	noPivot, noKeyring       bool
	trace                    bool
	preserve                 int
}

func (b *bundleFlags) declare(fs *flag.FlagSet) {
	bothString(fs, &b.bundle, "bundle", "b", "", "folder of config.json; default: the working folder")
	fs.StringVar(&b.console, "console-socket", "", "Unix socket that the terminal's master is sent to")
	fs.StringVar(&b.pidFile, "pid-file", "", "file that the process id is written to")
	fs.BoolVar(&b.noPivot, "no-pivot", false, "chroot instead of pivot_root")
	fs.BoolVar(&b.noKeyring, "no-new-keyring", false, "accepted; the process always gets a keyring of its own")
	fs.IntVar(&b.preserve, "preserve-fds", 0, "number of further descriptors that the process gets")
	fs.BoolVar(&b.trace, "trace", false, "print every step with its result and time to standard error")
}

// make creates the container. Where that breaks off, the trace tells how far it
// came.
func (b *bundleFlags) make(ctx context.Context, g *global, o container.Options) (*container.Container, *launch.Process, error) {
	o.Bundle, o.NoPivot, o.PreserveFDs = b.bundle, b.noPivot, b.preserve
	c, p, err := g.store.Create(ctx, o)
	var u *launch.Unfinished
	if b.trace && errors.As(err, &u) {
		ticked(g.errOut, u.Plan.Describe(), u.Trace)
	}
	return c, p, err
}

// load reads the bundle, and makes sure that we run from a file that nobody can
// write if the container's root may be the host's.
func (b *bundleFlags) load(g *global, detached bool) (*specs.Spec, []byte, error) {
	if b.bundle == "" {
		b.bundle = "."
	}
	dir, err := filepath.Abs(b.bundle)
	if err != nil {
		return nil, nil, err
	}
	b.bundle = dir
	s, raw, err := container.LoadSpec(dir)
	if err != nil {
		return nil, nil, err
	}
	if s.Process == nil {
		return nil, nil, fault.New(fault.ErrInvalid, "invalid-config", "config.json: process is missing", "setting", "process", "what", "is missing")
	}
	switch {
	case detached && s.Process.Terminal && b.console == "":
		return nil, nil, errors.New("cannot allocate tty if runc will detach without setting console socket")
	case !s.Process.Terminal && b.console != "":
		return nil, nil, errors.New("cannot use console socket if runc will not detach or allocate tty")
	}
	return s, raw, g.seal(s)
}

func create(ctx context.Context, g *global, args []string) error {
	var b bundleFlags
	fs := newFlags("create", g.errOut)
	b.declare(fs)
	if err := parse(fs, args, 1, 1, "ID"); err != nil {
		return err
	}
	s, raw, err := b.load(g, true)
	if err != nil {
		return err
	}
	c, p, err := b.make(ctx, g, container.Options{ID: fs.Arg(0), Spec: s, Config: raw})
	if err != nil {
		return err
	}
	if b.trace {
		ticked(g.errOut, p.Plan(), p.Trace())
	}
	fail := func(err error) error { return errors.Join(err, c.Delete(ctx, true)) }
	if m := p.Master(); m != nil {
		if err := sendMaster(b.console, m); err != nil {
			return fail(err)
		}
	}
	if err := writePID(b.pidFile, p.Pid()); err != nil {
		return fail(err)
	}
	return nil
}

func start(ctx context.Context, g *global, args []string) error {
	fs := newFlags("start", g.errOut)
	if err := parse(fs, args, 1, 1, "ID"); err != nil {
		return err
	}
	c, err := g.store.Load(fs.Arg(0))
	if err != nil {
		return err
	}
	return c.Start(ctx)
}

func run(ctx context.Context, g *global, args []string) error {
	var b bundleFlags
	var detach, keep, noSubreaper bool
	fs := newFlags("run", g.errOut)
	b.declare(fs)
	bothBool(fs, &detach, "detach", "d", "return when the container runs")
	fs.BoolVar(&keep, "keep", false, "do not remove the container when it has ended")
	fs.BoolVar(&noSubreaper, "no-subreaper", false, "accepted; there is none")
	if err := parse(fs, args, 1, 1, "ID"); err != nil {
		return err
	}
	s, raw, err := b.load(g, detach)
	if err != nil {
		return err
	}
	c, p, err := b.make(ctx, g, container.Options{ID: fs.Arg(0), Spec: s, Config: raw, Attached: true})
	if err != nil {
		return err
	}
	fail := func(err error) error {
		p.Signal(unix.SIGKILL)
		p.Wait()
		return errors.Join(err, c.Delete(ctx, true))
	}
	if err := writePID(b.pidFile, p.Pid()); err != nil {
		return fail(err)
	}
	if err := c.StartHooks(ctx); err != nil {
		return fail(err)
	}
	wait, err := connect(p, b.console)
	if err != nil {
		return fail(err)
	}
	err = p.Start()
	if b.trace {
		ticked(g.errOut, p.Plan(), p.Trace())
	}
	if err != nil {
		return fail(err)
	}
	c.PostStart(ctx)
	if detach {
		return nil
	}
	code, err := wait()
	if err != nil {
		return fail(err)
	}
	if !keep {
		if err := c.Bury(ctx, p.Cgroup()); err != nil {
			return err
		}
	}
	if code != 0 {
		return exitCode(code)
	}
	return nil
}

func kill(_ context.Context, g *global, args []string) error {
	var all bool
	fs := newFlags("kill", g.errOut)
	bothBool(fs, &all, "all", "a", "signal every process of the container")
	if err := parse(fs, args, 1, 2, "ID [SIGNAL]"); err != nil {
		return err
	}
	name := fs.Arg(1)
	if name == "" {
		name = "SIGTERM"
	}
	sig, err := parseSignal(name)
	if err != nil {
		return err
	}
	c, err := g.store.Load(fs.Arg(0))
	if err != nil {
		return err
	}
	return c.Signal(sig, all)
}

// parseSignal takes a number or a name, with or without SIG.
func parseSignal(s string) (unix.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n < 65 {
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if n := unix.SignalNum(name); n != 0 {
		return n, nil
	}
	return 0, fault.New(fault.ErrInvalid, "unknown-signal", fmt.Sprintf("unknown signal %q", s), "signal", s)
}

func remove(ctx context.Context, g *global, args []string) error {
	var force bool
	fs := newFlags("delete", g.errOut)
	bothBool(fs, &force, "force", "f", "kill it first if it runs; no error if it is not there")
	if err := parse(fs, args, 1, 1, "ID"); err != nil {
		return err
	}
	c, err := g.store.Load(fs.Arg(0))
	if err != nil {
		if force && errors.Is(err, fault.ErrNotFound) {
			return g.store.Remove(fs.Arg(0))
		}
		return err
	}
	return c.Delete(ctx, force)
}

func pause(_ context.Context, g *global, args []string) error {
	fs := newFlags("pause", g.errOut)
	if err := parse(fs, args, 1, 1, "ID"); err != nil {
		return err
	}
	c, err := g.store.Load(fs.Arg(0))
	if err != nil {
		return err
	}
	return c.Pause()
}

func resume(_ context.Context, g *global, args []string) error {
	fs := newFlags("resume", g.errOut)
	if err := parse(fs, args, 1, 1, "ID"); err != nil {
		return err
	}
	c, err := g.store.Load(fs.Arg(0))
	if err != nil {
		return err
	}
	return c.Resume()
}

// writePID writes the file whole or not at all: callers wait for it.
func writePID(path string, pid int) error {
	if path == "" {
		return nil
	}
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(tmp, []byte(strconv.Itoa(pid)), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
