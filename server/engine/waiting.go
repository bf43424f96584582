//go:build linux

package engine

import (
	"context"
	"slices"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Until says what Await waits for.
type Until string

// What Await waits for, in Docker's words.
const (
	NotRunning Until = "not-running" // at once where it does not run
	NextExit   Until = "next-exit"   // the end of the run under way, or of the next
	Removed    Until = "removed"
)

// Await returns a function that waits for what happens to a container from
// this call on, and gives its last exit code.
func (s *Service) Await(ctx context.Context, id string, until Until) (wait func(ctx context.Context) (wire.Container, error), err error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	before := c.ends
	c.mu.Unlock()
	return func(ctx context.Context) (wire.Container, error) {
		for {
			c.mu.Lock()
			view, changed, reached := c.rec.view(), c.changed, false
			switch until {
			case NextExit:
				reached = c.ends > before || c.removed
			case Removed:
				reached = c.gone
			default:
				reached = !c.rec.alive() && !c.rec.Starting || c.removed
			}
			c.mu.Unlock()
			if reached {
				return view, nil
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return view, ctx.Err()
			case <-s.ctx.Done():
				return view, s.ctx.Err()
			}
		}
	}, nil
}

// tellWaiters wakes those in Await; the caller holds c.mu.
func (c *container) tellWaiters() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Waiting is a viewer of the next run of a container.
type Waiting struct {
	c    *container
	ctx  context.Context // of the viewer
	come chan viewing    // capacity 1
}

type viewing struct {
	stream Stream
	err    error
}

// AttachNext opens a stream of what a container's command writes: of the run
// under way from now on, or of the next run from its first byte. ctx ends the
// stream, and the waiting.
func (s *Service) AttachNext(ctx context.Context, id string) (*Waiting, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	w := &Waiting{c: c, ctx: ctx, come: make(chan viewing, 1)}
	c.mu.Lock()
	sh, removed := c.shim, c.removed
	if sh == nil && !removed {
		c.waiting = append(c.waiting, w)
	}
	c.mu.Unlock()
	if removed {
		return nil, notFound(id)
	}
	if sh != nil {
		stream, err := sh.Attach(ctx, "")
		if err != nil {
			return nil, err
		}
		w.come <- viewing{stream: live{stream}}
	}
	return w, nil
}

// Stream waits for the run to begin. An error says why it did not.
func (w *Waiting) Stream() (Stream, error) {
	select {
	case v := <-w.come:
		return v.stream, v.err
	case <-w.ctx.Done():
		w.c.mu.Lock()
		w.c.waiting = slices.DeleteFunc(w.c.waiting, func(other *Waiting) bool { return other == w })
		w.c.mu.Unlock()
		return nil, w.ctx.Err()
	}
}

// handOver gives those who wait the streams of a shim whose command does not
// run yet.
func (c *container) handOver(sh Shim) {
	c.mu.Lock()
	list := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	for _, w := range list {
		stream, err := sh.Attach(w.ctx, "")
		w.come <- viewing{stream, err}
	}
}

// dismiss tells those who wait that the run does not come.
func (c *container) dismiss(err error) {
	c.mu.Lock()
	list := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	for _, w := range list {
		w.come <- viewing{err: err}
	}
}

// live marks a stream that begins with a replay nobody asked for: the viewer
// wants what comes from now on.
type live struct{ Stream }

// Live reports whether the replay at a stream's beginning is to be passed over.
func Live(s Stream) bool {
	_, ok := s.(live)
	return ok
}

// StartExec's errors and others': an exec that is not there.
func noExec(id string) error {
	return imagecore.NewError(imagecore.ErrNotFound, "exec-not-found", "no exec "+id, "exec", id)
}
