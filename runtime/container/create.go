//go:build linux

package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/runtime/config"
	"github.com/layerlab/layerlab/runtime/file"
	"github.com/layerlab/layerlab/runtime/identity"
	"github.com/layerlab/layerlab/runtime/launch"
)

// Options of Create.
type Options struct {
	ID          string
	Bundle      string // absolute
	Spec        *specs.Spec
	Config      []byte // the text of Spec, kept with the container
	NoPivot     bool
	PreserveFDs int
	// Attached keeps the start with the caller: no FIFO is made, and the
	// process is started by its Start.
	Attached bool
}

// LoadSpec reads the config.json of a bundle; raw is its text.
func LoadSpec(bundle string) (spec *specs.Spec, raw []byte, err error) {
	raw, err = file.Read(filepath.Join(bundle, "config.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fault.New(fault.ErrNotFound, "no-config", "JSON specification file config.json not found in "+bundle, "bundle", bundle)
	}
	if err != nil {
		return nil, nil, err
	}
	if spec, err = config.Spec(raw); err != nil {
		e := fault.New(fault.ErrInvalid, "invalid-config", "read config.json", "setting", "config.json", "what", err.Error())
		e.Err = err
		return nil, nil, e
	}
	return spec, raw, nil
}

// Create makes a container whose process waits for its start. The process is
// returned as well: it is a child of this program.
func (s Store) Create(ctx context.Context, o Options) (_ *Container, _ *launch.Process, err error) {
	dir, err := s.dir(o.ID)
	if err != nil {
		return nil, nil, err
	}
	err = unix.Mkdir(dir, 0o711)
	if err == unix.ENOENT {
		if err = os.MkdirAll(s.Root, 0o711); err == nil {
			err = unix.Mkdir(dir, 0o711)
		}
	}
	if err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil, nil, fault.New(fault.ErrExists, "id-exists", "container with given ID already exists", "id", o.ID)
		}
		return nil, nil, fmt.Errorf("make the state's folder %s: %w", dir, err)
	}
	c := &Container{dir: dir, Spec: o.Spec, State: State{
		ID: o.ID, Bundle: o.Bundle, Created: time.Now().UTC(), BootID: identity.Boot(), Owner: strconv.Itoa(os.Getuid()),
	}}
	var group *cgroup.Group
	defer func() {
		if err == nil {
			return
		}
		if group != nil {
			err = errors.Join(err, group.Kill(), group.Remove())
		}
		err = errors.Join(err, c.unmount())
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if o.Spec.Linux != nil {
		if c.Cgroup = o.Spec.Linux.CgroupsPath; c.Cgroup == "" {
			c.Cgroup = "/" + o.ID
		}
		if group, err = cgroup.Create(c.Cgroup, o.Spec.Linux.Resources); err != nil {
			return nil, nil, err
		}
	}
	conf := launch.Config{
		Spec: o.Spec, Bundle: o.Bundle, Rootfs: -1, Stdio: [3]int{0, 1, 2}, Cgroup: group,
		NoPivot: o.NoPivot, PreserveFDs: o.PreserveFDs,
		Hooks:    func(pid int) error { return c.createHooks(ctx, pid) },
		Listener: c.Listener,
		// Without state.json beside it nobody takes it for a container.
		Meanwhile: func() error { return file.Write(filepath.Join(dir, "config.json"), o.Config, 0o600) },
	}
	if !o.Attached {
		fifo := filepath.Join(dir, "start")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			return nil, nil, fmt.Errorf("mkfifo %s: %w", fifo, err)
		}
		// Open for both, so that it neither blocks here nor ends when the
		// starter has gone.
		fd, err := unix.Open(fifo, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, nil, fmt.Errorf("open %s: %w", fifo, err)
		}
		defer unix.Close(fd)
		conf.StartFD = fd
	}
	p, err := launch.Create(ctx, conf)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			p.Signal(unix.SIGKILL)
			p.Wait()
			p.Close()
		}
	}()
	c.PID = p.Pid()
	if _, c.Birth, err = identity.Stat(c.PID); err != nil {
		return nil, nil, fmt.Errorf("create: the process has gone: %w", err)
	}
	return c, p, c.save()
}

// Start lets a created container's process execute its command.
func (c *Container) Start(ctx context.Context) error {
	switch st := c.Status(); st {
	case specs.StateCreated:
	case specs.StateRunning, Paused:
		return fault.New(fault.ErrConflict, "container-running", "cannot start an already running container")
	case specs.StateStopped:
		return fault.New(fault.ErrConflict, "container-stopped", "cannot start a container that has stopped")
	default:
		return fault.New(fault.ErrConflict, "container-state", fmt.Sprintf("cannot start a container in the %s state", st))
	}
	if err := c.startHooks(ctx); err != nil {
		return errors.Join(err, c.Signal(unix.SIGKILL, true))
	}
	fifo := filepath.Join(c.dir, "start")
	fd, err := unix.Open(fifo, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("start: the process does not wait: %w", err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte{'g'}); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	// Only the process has the other end open: it closes with execve.
	poll := []unix.PollFd{{Fd: int32(fd)}}
	for {
		_, err := unix.Poll(poll, -1)
		if err == nil && poll[0].Revents&unix.POLLERR != 0 {
			break
		}
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
	if err := os.Remove(fifo); err != nil {
		return err
	}
	c.PostStart(ctx)
	return nil
}

// Delete removes a stopped container; force kills it before.
func (c *Container) Delete(ctx context.Context, force bool) error {
	switch st := c.Status(); {
	case st == specs.StateStopped, force, st == specs.StateCreated:
	case st == specs.StateCreating:
	default:
		return fault.New(fault.ErrConflict, "container-running",
			fmt.Sprintf("cannot delete container %s that is not stopped: %s", c.ID, st), "id", c.ID, "status", string(st))
	}
	if c.alive() {
		if err := c.Signal(unix.SIGKILL, false); err != nil && !errors.Is(err, errNotRunning) {
			return err
		}
		if err := c.gone(); err != nil {
			return err
		}
	}
	return c.clear(ctx, c.group())
}

// gone waits until the first process has ended: mounts and cgroups are its until
// then. A process in an uninterruptible call can hold that up.
func (c *Container) gone() error {
	const patience = 10 * time.Second
	fd, err := unix.PidfdOpen(c.PID, 0)
	if err == unix.ESRCH {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	for deadline := time.Now().Add(patience); c.alive(); {
		left := time.Until(deadline)
		if left <= 0 {
			return fault.New(fault.ErrHost, "container-running", fmt.Sprintf("container %s did not end within %s of its kill", c.ID, patience), "id", c.ID, "status", "running")
		}
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1); err != nil && err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
	return nil
}

// Bury removes a container whose process the caller has waited for.
func (c *Container) Bury(ctx context.Context, group *cgroup.Group) error { return c.clear(ctx, group) }

// clear takes away what is left of a container without its process.
func (c *Container) clear(ctx context.Context, group *cgroup.Group) error {
	if group != nil {
		if err := group.Clear(); err != nil {
			return err
		}
	}
	if err := c.unmount(); err != nil {
		return err
	}
	if err := removeState(c.dir); err != nil {
		return err
	}
	c.postStop(ctx)
	return nil
}

// removeState removes the folder with what usually is in it, else whatever is.
func removeState(dir string) error {
	for _, name := range []string{"state.json", "config.json"} {
		_ = unix.Unlink(filepath.Join(dir, name)) // the folder tells what is left
	}
	if err := unix.Rmdir(dir); err == nil {
		return nil
	}
	return os.RemoveAll(dir)
}

// Remove forgets a container whose state cannot be read.
func (s Store) Remove(id string) error {
	dir, err := s.dir(id)
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
