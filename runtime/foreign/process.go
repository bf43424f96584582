//go:build linux

package foreign

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/runtime/launch"
)

// Process is a process in a container that another runtime made; launch.Process
// documents the methods that both have.
type Process struct {
	runtime Runtime
	id      string // of the container
	main    bool   // it is the container's own
	// forgotten says that the runtime has let go of it.
	forgotten bool
	terminal  bool
	command   string
	group     *cgroup.Group
	kin       *kin   // of all processes of the container
	stage     string // where config.json has the root

	pid    int
	pidfd  int
	master *os.File

	told   sync.WaitGroup
	status *int // as the runtime's `wait` told it
}

// Pid returns the process's id on the host.
func (p *Process) Pid() int { return p.pid }

// Master returns our end of the terminal, nil without one.
func (p *Process) Master() *os.File { return p.master }

// Cgroup returns the container's cgroup; nil without one, and of all but its own
// process.
func (p *Process) Cgroup() *cgroup.Group {
	if !p.main {
		return nil
	}
	return p.group
}

// Start lets a created container execute its command.
func (p *Process) Start() error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := p.run(ctx, order{}, nil, nil, "start", p.id); err != nil {
		return err
	}
	if dialectOf(p.runtime.Path).sentry {
		p.told.Go(p.ask)
	}
	return nil
}

// ask waits for the end by the runtime's word: its process ends with a status
// of its own.
func (p *Process) ask() {
	r, w, err := os.Pipe()
	if err != nil {
		return
	}
	defer r.Close()
	// A line: the pipe takes it without anybody reading meanwhile.
	err = p.run(context.Background(), order{}, nil, []*os.File{nil, w}, "wait", p.id)
	w.Close()
	var answer struct {
		ExitStatus *int `json:"exitStatus"`
	}
	if err == nil && json.NewDecoder(r).Decode(&answer) == nil {
		p.status = answer.ExitStatus
	}
}

// Wait waits until the process has ended and takes its status.
func (p *Process) Wait() (unix.WaitStatus, error) {
	ws, err := launch.Reap(p.pid)
	if err != nil {
		return ws, err
	}
	p.kin.forget(p.pid)
	p.told.Wait()
	if p.status != nil {
		ws = unix.WaitStatus(*p.status&0xff) << 8 // wait(2)'s form of an exit code
	}
	return ws, nil
}

// Signal sends a signal; a process that has ended is unix.ESRCH.
func (p *Process) Signal(s unix.Signal) error {
	if p.pidfd < 0 {
		return unix.ESRCH
	}
	if p.main && dialectOf(p.runtime.Path).sentry && s != unix.SIGKILL {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		return p.run(ctx, order{}, nil, nil, "kill", p.id, strconv.Itoa(int(s)))
	}
	return unix.PidfdSendSignal(p.pidfd, s, nil, 0)
}

// Close gives back what is held of the process, and forgets it.
func (p *Process) Close() error {
	if p.pidfd >= 0 {
		unix.Close(p.pidfd)
		p.pidfd = -1
	}
	var err error
	if p.master != nil {
		err = p.master.Close()
	}
	return errors.Join(err, p.Forget())
}

// Forget lets the runtime remove what it keeps of a container that has ended,
// and removes what is left. It all has the names that the container's next run
// will have: whoever may begin that is to be told of the end after this.
func (p *Process) Forget() error {
	if !p.main || p.forgotten {
		return nil
	}
	p.forgotten = true
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	// The folder goes anyway: what it says matters to nobody.
	p.group = nil // the last process has left it
	_ = p.run(ctx, order{}, nil, nil, "delete", "--force", p.id)
	p.kin.close()
	return os.RemoveAll(p.runtime.Root)
}

// discard ends a container that was not created to the end.
func (p *Process) discard() {
	if p.pid > 0 {
		_ = unix.Kill(p.pid, unix.SIGKILL)
		_, _ = p.Wait()
	}
	group := p.group
	if group != nil {
		_ = group.Kill()
	}
	_ = p.Close()
	if group != nil {
		_ = group.Remove()
	}
}
