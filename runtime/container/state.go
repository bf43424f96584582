//go:build linux

package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/runtime/config"
	"github.com/layerlab/layerlab/runtime/file"
	"github.com/layerlab/layerlab/runtime/identity"
)

// Store is the folder that holds the states of all containers.
type Store struct {
	Root string
}

// State is what is kept of a container, in state.json; config.json beside it is
// the one that the container was made of.
type State = config.State

// Container is one container of a store.
type Container struct {
	State
	Spec   *specs.Spec
	dir    string
	opened *cgroup.Group // by group
}

// Errors in the words that callers of runc know.
var (
	errNoContainer = fault.New(fault.ErrNotFound, "container-not-found", "container does not exist")
	errNotRunning  = fault.New(fault.ErrConflict, "container-stopped", "container not running")
)

// validID reports whether an id is made of letters, digits and +._- alone.
func validID(id string) bool {
	for _, c := range []byte(id) {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_+.-", c) >= 0
		if !ok {
			return false
		}
	}
	return id != "" && id != "." && id != ".." && len(id) <= 1024
}

func (s Store) dir(id string) (string, error) {
	if !validID(id) {
		return "", fault.New(fault.ErrInvalid, "invalid-id", fmt.Sprintf("invalid container ID format: %q", id), "id", id)
	}
	return filepath.Join(s.Root, id), nil
}

// Load returns a container by its id.
func (s Store) Load(id string) (*Container, error) {
	dir, err := s.dir(id)
	if err != nil {
		return nil, err
	}
	b, err := file.Read(filepath.Join(dir, "state.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoContainer
	}
	if err != nil {
		return nil, err
	}
	st, err := config.ReadState(b)
	if err != nil {
		return nil, fmt.Errorf("read the state of container %s: %w", id, err)
	}
	c := &Container{State: *st, dir: dir}
	if b, err = file.Read(filepath.Join(dir, "config.json")); err != nil {
		return nil, fmt.Errorf("read the state of container %s: %w", id, err)
	}
	if c.Spec, err = config.Spec(b); err != nil {
		return nil, fmt.Errorf("read the config of container %s: %w", id, err)
	}
	return c, nil
}

// List returns all containers, by id.
func (s Store) List() ([]*Container, error) {
	entries, err := os.ReadDir(s.Root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var l []*Container
	for _, e := range entries {
		c, err := s.Load(e.Name())
		if err != nil {
			continue // being created or deleted by another command
		}
		l = append(l, c)
	}
	slices.SortFunc(l, func(a, b *Container) int { return strings.Compare(a.ID, b.ID) })
	return l, nil
}

// save writes the state so that a reader sees the old one or the new one.
func (c *Container) save() error {
	return file.Replace(filepath.Join(c.dir, "state.json"), c.Append(nil), 0o600)
}

// Paused is runc's further status; runtime-spec allows such.
const Paused specs.ContainerState = "paused"

// Status asks the kernel how the container is.
func (c *Container) Status() specs.ContainerState {
	if c.PID == 0 {
		return specs.StateCreating
	}
	if !c.alive() {
		return specs.StateStopped
	}
	if _, err := os.Lstat(filepath.Join(c.dir, "start")); err == nil {
		return specs.StateCreated
	}
	if g := c.group(); g != nil && g.Frozen() {
		return Paused
	}
	return specs.StateRunning
}

// alive reports whether the process is there, is the one that was started, and
// has not ended.
func (c *Container) alive() bool {
	if c.BootID != identity.Boot() {
		return false
	}
	state, birth, err := identity.Stat(c.PID)
	return err == nil && birth == c.Birth && state != 'Z' && state != 'X'
}

// group returns the container's cgroups, nil if it has none or they are gone.
func (c *Container) group() *cgroup.Group {
	if c.opened == nil && c.Cgroup != "" {
		if g, err := cgroup.Open(c.Cgroup); err == nil {
			c.opened = g
		}
	}
	return c.opened
}

// OCI returns the state as runtime-spec has it.
func (c *Container) OCI() specs.State {
	st := specs.State{Version: specs.Version, ID: c.ID, Status: c.Status(), Bundle: c.Bundle}
	if st.Status != specs.StateStopped {
		st.Pid = c.PID
	}
	if c.Spec != nil {
		st.Annotations = c.Spec.Annotations
	}
	return st
}

// Signal sends a signal to the first process, or to all of the container.
func (c *Container) Signal(s unix.Signal, all bool) error {
	if all {
		if g := c.group(); g != nil {
			if s == unix.SIGKILL {
				return g.Kill()
			}
			return g.Signal(s)
		}
	}
	if !c.alive() {
		return errNotRunning
	}
	fd, err := unix.PidfdOpen(c.PID, 0)
	if err == unix.ESRCH {
		return errNotRunning
	}
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	if !c.alive() { // the descriptor may be of a process that came after
		return errNotRunning
	}
	if err := unix.PidfdSendSignal(fd, s, nil, 0); err != nil {
		return os.NewSyscallError("pidfd_send_signal", err)
	}
	if g := c.group(); s == unix.SIGKILL && g != nil && g.Frozen() {
		return g.Thaw() // a process frozen by cgroup v1 dies only then
	}
	return nil
}

// Pause freezes all processes of the container.
func (c *Container) Pause() error {
	g := c.group()
	if st := c.Status(); g == nil || st != specs.StateRunning && st != specs.StateCreated {
		return fault.New(fault.ErrConflict, "container-not-running", fmt.Sprintf("container not running: %s", st))
	}
	return g.Freeze()
}

// Resume lets them go on.
func (c *Container) Resume() error {
	g := c.group()
	if g == nil || c.Status() != Paused {
		return fault.New(fault.ErrConflict, "container-not-paused", "container not paused")
	}
	return g.Thaw()
}

// Group returns the container's cgroups.
func (c *Container) Group() (*cgroup.Group, error) {
	if g := c.group(); g != nil {
		return g, nil
	}
	return nil, fault.New(fault.ErrNotFound, "cgroup-not-found", "container "+c.ID+" has no cgroup")
}
