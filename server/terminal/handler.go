//go:build linux

package terminal

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Window is how many bytes may be under way to a page that it has not
// acknowledged: what is under way when somebody presses Ctrl-C is still shown,
// and a page shows some 5 MB of short lines in a second.
const Window = 128 << 10

const (
	maxMessage = 64 << 10 // bytes of a frame from the page
	maxQueued  = 1 << 20  // bytes of input that the process has not taken yet
	writeTime  = 20 * time.Second
	pingEvery  = 25 * time.Second
	closeTime  = 2 * time.Second  // for the page to answer a close
	silence    = 75 * time.Second // three pings without an answer
)

// Stream is one viewer of a process; engine.Stream and shim.Stream are such.
type Stream interface {
	TTY() bool
	Replay() int64 // bytes of earlier output that come first
	// Next returns the next output; io.EOF after the last, shim.ErrSlow when
	// output was left out because Next was not called for too long.
	Next() (shim.Chunk, error)
	Exit() *shim.Exit // after io.EOF
	Write(p []byte) (int, error)
	Close() error
}

// Options are what a Handler needs of others; all fields are needed.
type Options struct {
	// Attach opens a stream of the container or exec id; ctx ends it.
	Attach func(ctx context.Context, id string) (Stream, error)
	Resize func(ctx context.Context, id string, cols, rows uint16) error
	// Words turns an error into what the page shows.
	Words func(error) wire.Error
	Log   *slog.Logger
}

// Handler serves terminals.
type Handler struct {
	o        Options
	upgrader websocket.Upgrader

	mu     sync.Mutex
	open   map[*session]struct{}
	closed bool
	work   sync.WaitGroup
}

// New returns a handler.
func New(o Options) *Handler {
	return &Handler{
		o:    o,
		open: map[*session]struct{}{},
		upgrader: websocket.Upgrader{
			HandshakeTimeout: 10 * time.Second,
			ReadBufferSize:   4 << 10,
			WriteBufferSize:  32 << 10,
			// Origin, Host and ticket have been checked by package access.
			CheckOrigin: func(*http.Request) bool { return true },
		},
	}
}

// Serve upgrades the request and returns when the terminal is closed. Errors
// about id come as an "error" frame: a page cannot read the body of an answer
// that refuses the upgrade.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, id string) {
	h.serve(w, r, func(_ context.Context, s *session) error {
		s.id = id
		return nil
	})
}

// Guest is somebody to whom one terminal has been lent.
type Guest struct {
	ID         string // of the container or exec
	Write      bool   // else every frame but an ack ends the session
	Cols, Rows uint16 // the size that the terminal has
	// Ended is done when the guest has to go, with what to tell as its cause.
	Ended context.Context
}

// ServeGuest is Serve for a guest, whom enter lets in or not. ctx ends with the
// session. A guest is told of the size that others give to the terminal.
func (h *Handler) ServeGuest(w http.ResponseWriter, r *http.Request, enter func(ctx context.Context) (Guest, error)) {
	h.serve(w, r, func(ctx context.Context, s *session) error {
		g, err := enter(ctx)
		if err != nil {
			return err
		}
		h.mu.Lock()
		s.id, s.guest = g.ID, &g
		h.mu.Unlock()
		context.AfterFunc(g.Ended, func() {
			if ctx.Err() == nil {
				s.expel(context.Cause(g.Ended))
			}
		})
		return nil
	})
}

// Resized tells guests which size the terminal of a container or exec has now.
func (h *Handler) Resized(id string, cols, rows uint16) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.open {
		if s.guest != nil && s.id == id && !h.closed {
			s.guest.Cols, s.guest.Rows = cols, rows
			// Not in the way of who resizes: a guest may take nothing.
			h.work.Go(func() { _ = s.control(wire.Control{Type: "resize", Cols: cols, Rows: rows}) })
		}
	}
}

// size is what a guest is told of the terminal's size; 0 for who has it whole.
func (h *Handler) size(s *session) (cols, rows uint16) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.guest == nil {
		return 0, 0
	}
	return s.guest.Cols, s.guest.Rows
}

// serve upgrades the request; enter decides which terminal it is for.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, enter func(ctx context.Context, s *session) error) {
	conn, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	s := newSession(h, conn, cancel)
	if !h.enter(s) {
		s.hangUp(websocket.CloseGoingAway, "")
		return
	}
	defer h.leave(s)
	s.run(ctx, enter)
}

// Close ends all terminals, whose processes live on, and waits for them.
// (http.Server.Shutdown forgets hijacked connections.)
func (h *Handler) Close() {
	h.mu.Lock()
	h.closed = true
	for s := range h.open {
		// Each may wait two seconds for a page that takes nothing: not one
		// after the other, and not with the lock held.
		h.work.Go(func() { s.hangUp(websocket.CloseGoingAway, "server stops") })
	}
	h.mu.Unlock()
	h.work.Wait()
}

func (h *Handler) enter(s *session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.open[s] = struct{}{}
	h.work.Add(1)
	return true
}

func (h *Handler) leave(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, s)
	h.work.Done()
}
