//go:build linux

package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Further is a further process of a container, as PrepareExec made it. It is
// remembered until its container or this server goes.
type Further struct {
	ID, Container string
	Request       wire.ExecContainer
	Stdin         bool
	DetachKeys    string // as the client wrote them, "" for the default
	Started       bool
	Pid           int  // on the host, 0 unless it runs
	ExitCode      *int // nil until it has ended; 126 or 127 where it could not start
}

// execution is a Further in memory; mu of its container guards it.
type execution struct {
	c     *container
	info  Further
	begun chan struct{} // of one that was prepared: closed once it runs, or could not be started; else nil
}

// PrepareExec notes a process to be started in a running container. detachKeys
// is kept for who starts it.
func (s *Service) PrepareExec(ctx context.Context, id string, req wire.ExecContainer, stdin bool, detachKeys string) (Further, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return Further{}, err
	}
	rec, _, err := c.mustRun()
	if err != nil {
		return Further{}, err
	}
	if rec.State == wire.StatePaused {
		return Further{}, stateError(rec, "container-paused", "is paused: resume it first")
	}
	if len(req.Command) == 0 {
		return Further{}, imagecore.NewError(imagecore.ErrInvalid, "no-command", "no command: give one")
	}
	e := &execution{c: c, begun: make(chan struct{}), info: Further{ID: newID(), Container: c.id, Request: req, Stdin: stdin, DetachKeys: detachKeys}}
	s.remember(e)
	s.act(c, "exec_create: "+strings.Join(req.Command, " "), "execID", e.info.ID)
	return e.info, nil
}

// keptExecs is how many further processes of a container are remembered that do
// not run: those that ended last, and those that were prepared and not started.
const keptExecs = 64

// remember keeps an execution, and forgets the oldest ones that do not run
// where there are too many.
func (s *Service) remember(e *execution) {
	c := e.c
	s.mu.Lock()
	s.further[e.info.ID], s.execs[e.info.ID] = e, c
	s.mu.Unlock()
	c.mu.Lock()
	c.execs = append(c.execs, e)
	idle := 0
	for _, old := range c.execs {
		if !old.runs() {
			idle++
		}
	}
	var kept, gone []*execution
	for _, old := range c.execs {
		if idle > keptExecs && old != e && !old.runs() {
			gone = append(gone, old)
			idle--
		} else {
			kept = append(kept, old)
		}
	}
	c.execs = kept
	c.mu.Unlock()
	s.mu.Lock() // never with mu of a container: see there
	defer s.mu.Unlock()
	for _, old := range gone {
		delete(s.further, old.info.ID)
		delete(s.execs, old.info.ID)
	}
}

// runs reports whether the process runs; its container's mu is held.
func (e *execution) runs() bool { return e.info.Started && e.info.ExitCode == nil }

// StartExec starts a prepared process and attaches to it: the stream has its
// output from the first byte. ctx ends the stream, not the process.
func (s *Service) StartExec(ctx context.Context, id string, cols, rows uint16) (Stream, error) {
	e, err := s.execution(id)
	if err != nil {
		return nil, err
	}
	c := e.c
	c.mu.Lock()
	if e.info.Started {
		c.mu.Unlock()
		return nil, imagecore.NewError(imagecore.ErrConflict, "exec-started", "exec "+bundle.ShortID(id)+" has been started already", "exec", id)
	}
	e.info.Started = true
	req := e.info.Request
	name := c.rec.Name
	c.mu.Unlock()
	activity.Of(ctx).Container(c.id, name)
	if cols > 0 && rows > 0 {
		req.Cols, req.Rows = cols, rows
	}
	s.act(c, "exec_start: "+strings.Join(req.Command, " "), "execID", id)
	sh, err := s.enter(ctx, c, req, shim.ExecOptions{ID: id, Cols: req.Cols, Rows: req.Rows, Stdin: e.info.Stdin, Hold: true})
	close(e.begun)
	if err != nil {
		code := startFailure(err)
		c.mu.Lock()
		e.info.ExitCode = &code
		c.mu.Unlock()
		return nil, err
	}
	s.work.Go(func() { s.watchExec(e, sh) })
	stream, err := sh.Attach(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("attach to exec %s: %w", bundle.ShortID(id), err)
	}
	return stream, nil
}

// InspectExec tells what became of a prepared process.
func (s *Service) InspectExec(ctx context.Context, id string) (Further, error) {
	e, err := s.execution(id)
	if err != nil {
		return Further{}, err
	}
	e.c.mu.Lock()
	info, sh := e.info, e.c.shim
	e.c.mu.Unlock()
	if info.Started && info.ExitCode == nil && sh != nil {
		if state, err := sh.State(ctx); err == nil {
			for _, p := range state.Execs {
				if p.ID == id {
					info.Pid = p.Pid
					if p.Exit != nil { // sooner than watchExec noticed
						info.ExitCode = &p.Exit.Code
					}
				}
			}
		}
	}
	return info, nil
}

func (s *Service) execution(id string) (*execution, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.further[id]; e != nil {
		return e, nil
	}
	return nil, noExec(id)
}

// watchExec notes the end of a process.
func (s *Service) watchExec(e *execution, sh Shim) {
	code := killed // where the shim goes first, the container was killed
	if exit, err := sh.Wait(s.ctx, e.info.ID); err == nil {
		code = exit.Code
	}
	e.c.mu.Lock()
	e.info.ExitCode = &code
	e.c.mu.Unlock()
	s.act(e.c, "exec_die", "execID", e.info.ID, "exitCode", strconv.Itoa(code))
}

// running lists the further processes of a container that run.
func (c *container) running() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, e := range c.execs {
		if e.runs() {
			list = append(list, e.info.ID)
		}
	}
	return list
}

// startFailure is the exit code of a command that did not start.
func startFailure(err error) int {
	var r record
	r.fail(err, r.CreatedAt)
	return *r.ExitCode
}
