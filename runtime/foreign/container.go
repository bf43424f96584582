//go:build linux

package foreign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/runtime/descriptor"
	"github.com/layerlab/layerlab/runtime/network/link"
)

// Config says what Create creates. All descriptors stay the caller's.
type Config struct {
	ID   string
	Spec *specs.Spec
	// Rootfs is the detached mount of the root; nil: config.json names it.
	Rootfs *os.File
	// Mounts are detached bind mounts by their index in config.json; others are
	// opened by their source.
	Mounts map[int]*os.File
	// Stdio is the process's, nil with a terminal.
	Stdio []*os.File
}

// within bounds a runtime's command that nobody waits for longer.
const within = 30 * time.Second

// Create makes a container, up to just before its command. On an error nothing
// is left of it.
func (r Runtime) Create(ctx context.Context, c Config) (_ *Process, err error) {
	if err := os.RemoveAll(r.Root); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(r.Root, "state"), 0o700); err != nil {
		return nil, err
	}
	p := &Process{runtime: r, id: c.ID, main: true, pidfd: -1, terminal: c.Spec.Process.Terminal, command: c.Spec.Process.Args[0], kin: family()}
	if path := c.Spec.Linux.CgroupsPath; path != "" {
		if p.group, err = cgroup.Create(path, c.Spec.Linux.Resources); err != nil {
			p.kin.close()
			return nil, errors.Join(err, os.RemoveAll(r.Root))
		}
	}
	defer func() {
		if err != nil {
			p.discard()
		}
	}()
	o, mounts, err := r.stage(c)
	defer closeAll(mounts)
	if err != nil {
		return nil, err
	}
	p.stage = o.Stage
	if err := p.spawn(ctx, o, mounts, c.Stdio, "create", "--bundle", r.Root); err != nil {
		return nil, err
	}
	if !dialectOf(r.Path).sentry {
		return p, nil
	}
	// It has a network stack of its own and leaves the namespace's as it is,
	// where others bring lo up; the engine's resolver listens there.
	ns, err := link.Of(p.pid)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	return p, link.In(ns, link.Loopback)
}

// stage writes the bundle and says what its stage holds: the mounts that are
// returned, which are the caller's to close.
func (r Runtime) stage(c Config) (o order, mounts []*os.File, err error) {
	o.Stage = stageAt([]string{r.Root, r.Path}, walkable)
	if o.Stage == "" {
		return o, nil, r.failed("create", "this host has no folder /mnt, /media, /srv, /opt, /home or /tmp that all may enter", "")
	}
	if c.Rootfs != nil {
		f, err := descriptor.Again(c.Rootfs)
		if err != nil {
			return o, nil, err
		}
		mounts, o.Mounts = append(mounts, f), append(o.Mounts, bind{Name: rootName})
	}
	var at []int
	for i, m := range c.Spec.Mounts {
		if !isBind(m) {
			continue
		}
		f, err := open(c.Mounts[i], m)
		if err != nil {
			return o, mounts, err
		}
		mounts, at = append(mounts, f), append(at, i)
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			return o, mounts, &os.PathError{Op: "stat", Path: m.Source, Err: err}
		}
		o.Mounts = append(o.Mounts, bind{Name: bindName(i), File: st.Mode&unix.S_IFMT != unix.S_IFDIR})
	}
	text, err := json.Marshal(onStage(c.Spec, o.Stage, c.Rootfs != nil, at))
	if err != nil {
		return o, mounts, err
	}
	return o, mounts, os.WriteFile(filepath.Join(r.Root, "config.json"), text, 0o600)
}

// open returns the detached mount of a bind: the one that the caller made, or
// one of its source.
func open(have *os.File, m specs.Mount) (*os.File, error) {
	if have != nil {
		return descriptor.Again(have)
	}
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if slices.Contains(m.Options, "rbind") {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, m.Source, flags)
	if err == unix.ENOENT {
		e := fault.New(fault.ErrInvalid, "bind-source-missing", fmt.Sprintf("bind source %q", m.Source), "source", m.Source)
		e.Err = err
		return nil, e
	}
	if err != nil {
		return nil, &os.PathError{Op: "open_tree", Path: m.Source, Err: err}
	}
	return os.NewFile(uintptr(fd), m.Source), nil
}

// walkable says whether a path is a folder that everybody may enter.
func walkable(path string) bool {
	var st unix.Stat_t
	return unix.Lstat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Mode&0o001 != 0
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// Exec runs a further process in the container of p, in the background.
func (p *Process) Exec(ctx context.Context, id string, spec *specs.Process, stdio []*os.File) (*Process, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(p.runtime.Root, "process-"+id)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	defer os.Remove(file)
	e := &Process{runtime: p.runtime, id: p.id, pidfd: -1, terminal: spec.Terminal, command: spec.Args[0], group: p.group, kin: p.kin}
	if err := e.spawn(ctx, order{Stage: p.stage}, nil, stdio, "exec", "--detach", "--process", file); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// spawn runs a command that leaves a process behind: p.
func (p *Process) spawn(ctx context.Context, o order, mounts, stdio []*os.File, command string, more ...string) (err error) {
	r := p.runtime
	box, err := os.MkdirTemp(r.Root, "io-") // one command's
	if err != nil {
		return err
	}
	defer os.RemoveAll(box)
	pidFile := filepath.Join(box, "pid")
	more = append(more, "--pid-file", pidFile)
	var terminal *terminal
	if p.terminal {
		if terminal, err = listen(filepath.Join(box, "tty")); err != nil {
			return err
		}
		defer terminal.close()
		more = append(more, "--console-socket", terminal.path)
	}
	p.kin.births.Lock()
	defer p.kin.births.Unlock()
	if err := p.run(ctx, o, mounts, stdio, command, append(more, p.id)...); err != nil {
		return err
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.Name, command, err)
	}
	if p.pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
		return fmt.Errorf("%s %s: pid file: %w", r.Name, command, err)
	}
	p.kin.note(p.pid)
	if p.pidfd, err = unix.PidfdOpen(p.pid, 0); err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	if terminal != nil {
		p.master, err = terminal.take()
	}
	return err
}

// run runs one of the runtime's commands to its end; o says what is made before.
func (p *Process) run(ctx context.Context, o order, mounts, stdio []*os.File, command string, more ...string) error {
	r, d := p.runtime, dialectOf(p.runtime.Path)
	o.Argv = r.arguments(command, more...)
	if d.within && p.group != nil {
		o.Join = p.group.Files()
	}
	o.Unified = d.unified && len(cgroup.Hierarchies()) > 0
	cmd, err := o.command(mounts)
	if err != nil {
		return err
	}
	defer cmd.ExtraFiles[0].Close()
	for i, to := range []func(*os.File){
		func(f *os.File) { cmd.Stdin = f }, func(f *os.File) { cmd.Stdout = f }, func(f *os.File) { cmd.Stderr = f },
	} {
		if i < len(stdio) && stdio[i] != nil { // else /dev/null
			to(stdio[i])
		}
	}
	if err := p.kin.start(cmd); err != nil {
		return fmt.Errorf("%s: %w", r.Name, err)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	err = cmd.Wait()
	stop()
	p.kin.forget(cmd.Process.Pid)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	log, _ := os.ReadFile(r.log()) // without it the code has to do
	said := lastError(string(log))
	_ = os.Remove(r.log()) // the next error is not this one
	if _, statErr := os.Stat(r.Path); said == "" && statErr != nil {
		return fault.New(fault.ErrHost, CodeMissing, fmt.Sprintf("runtime %s: %s is not there any more: install it again, or create the container with another runtime", r.Name, r.Path), "runtime", r.Name, "path", r.Path)
	}
	if exit := (*exec.ExitError)(nil); said == "" && errors.As(err, &exit) {
		said = "it ended with " + strconv.Itoa(exit.ExitCode()) + " and said nothing"
	}
	return r.failed(command, said, p.command)
}
