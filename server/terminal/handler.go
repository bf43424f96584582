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
	conn, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	s := newSession(h.o, id, conn, cancel)
	if !h.enter(s) {
		s.hangUp(websocket.CloseGoingAway, "")
		return
	}
	defer h.leave(s)
	s.run(ctx)
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
