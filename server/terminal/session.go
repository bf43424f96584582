//go:build linux

package terminal

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// errOver ends what a session does after it was told to end.
var errOver = errors.New("terminal: session over")

// session is one connection. Three goroutines: read takes frames, output sends
// them (it alone writes data frames), input feeds the process.
type session struct {
	h      *Handler
	o      Options
	id     string // of the container or exec
	guest  *Guest // nil for who has the terminal whole; the handler's lock guards its size
	conn   *websocket.Conn
	cancel context.CancelFunc
	queue  *queue

	writing sync.Mutex // one frame at a time
	closing atomic.Bool

	mu     sync.Mutex
	moved  *sync.Cond // acks, or the end
	sent   int64      // bytes of terminal output since the connection began
	acked  int64
	over   bool
	stream Stream // that the process's input goes to
}

func newSession(h *Handler, conn *websocket.Conn, cancel context.CancelFunc) *session {
	s := &session{h: h, o: h.o, conn: conn, cancel: cancel, queue: newQueue(maxQueued)}
	s.moved = sync.NewCond(&s.mu)
	return s
}

// run lasts until the page goes, the process ends, or the handler is closed.
func (s *session) run(ctx context.Context, enter func(ctx context.Context, s *session) error) {
	var work sync.WaitGroup
	defer work.Wait()
	defer s.end()
	if err := enter(ctx, s); err != nil {
		s.fail(err)
		return
	}
	stream, err := s.o.Attach(ctx, s.id)
	if err != nil {
		s.fail(err)
		return
	}
	s.swap(stream)
	work.Add(3)
	go func() {
		defer work.Done()
		s.output(ctx, stream)
	}()
	go func() {
		defer work.Done()
		s.input()
	}()
	go func() {
		defer work.Done()
		s.ping(ctx)
	}()
	s.read(ctx)
}

// end makes all goroutines of the session return.
func (s *session) end() {
	s.cancel()
	s.still()
	s.conn.Close()
}

// still lets no byte through any more, neither way.
func (s *session) still() {
	s.queue.close()
	s.mu.Lock()
	s.over = true
	if s.stream != nil {
		s.stream.Close()
	}
	s.moved.Broadcast()
	s.mu.Unlock()
}

// expel ends a guest's session at once, and tells why. What the guest still
// sends is read and thrown away, so that the page gets to know.
func (s *session) expel(err error) {
	s.still()
	s.fail(err)
}

func (s *session) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// read takes frames from the page.
func (s *session) read(ctx context.Context) {
	s.conn.SetReadLimit(maxMessage)
	alive := func(string) error { return s.conn.SetReadDeadline(time.Now().Add(silence)) }
	s.conn.SetPongHandler(alive)
	for {
		if !s.closing.Load() && alive("") != nil {
			return
		}
		kind, data, err := s.conn.ReadMessage()
		if err != nil {
			return
		}
		if s.isOver() {
			continue
		}
		if kind == websocket.BinaryMessage {
			if s.looksOnly() {
				s.expel(errLooksOnly())
				continue
			}
			if !s.queue.put(data) {
				s.fail(imagecore.NewError(imagecore.ErrTooLarge, "terminal-input-full",
					"1 MiB of input waits for the program, which does not read: the rest is not kept"))
				return
			}
			continue
		}
		var c wire.Control
		if err := json.Unmarshal(data, &c); err != nil {
			s.fail(imagecore.NewError(imagecore.ErrInvalid, "bad-control", "terminal: a text frame that is not a control message"))
			return
		}
		switch c.Type {
		case "resize":
			if s.looksOnly() {
				s.expel(errLooksOnly())
				continue
			}
			if s.guest == nil && c.Cols > 0 && c.Rows > 0 { // its size is the owner's to say
				if err := s.o.Resize(ctx, s.id, c.Cols, c.Rows); err != nil && ctx.Err() == nil {
					s.o.Log.Debug("resize", "terminal", s.id, "err", err)
				}
			}
		case "ack":
			s.ack(c.Bytes)
		}
	}
}

func (s *session) looksOnly() bool { return s.guest != nil && !s.guest.Write }

func errLooksOnly() error {
	return imagecore.NewError(imagecore.ErrConflict, "share-view-only", "this link is for looking: it neither types nor resizes")
}

func (s *session) ack(total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if total > s.acked && total <= s.sent {
		s.acked = total
		s.moved.Broadcast()
	}
}

// input gives the process what was typed; it waits while the process does not
// read, and acks must be read all the same.
func (s *session) input() {
	for {
		data, ok := s.queue.take()
		if !ok {
			return
		}
		s.mu.Lock()
		stream := s.stream
		s.mu.Unlock()
		if _, err := stream.Write(data); err != nil {
			// The process has ended, which output will tell, or the shim dropped
			// this viewer just now: the next piece goes to the next stream.
			s.o.Log.Debug("input", "terminal", s.id, "err", err)
		}
	}
}

// output sends what the process writes, then its end.
func (s *session) output(ctx context.Context, stream Stream) {
	for {
		err := s.follow(stream)
		if errors.Is(err, shim.ErrSlow) && s.wait(0) {
			stream.Close()
			if stream, err = s.o.Attach(ctx, s.id); err == nil {
				s.swap(stream)
				continue
			}
		}
		switch {
		case s.isOver(): // whoever ended it has told why
		case errors.Is(err, io.EOF):
			code := 0
			if exit := stream.Exit(); exit != nil {
				code = exit.Code
			}
			_ = s.control(wire.Control{Type: "exit", Code: &code}) // the page may be gone
			s.hangUp(websocket.CloseNormalClosure, "exit")
		case ctx.Err() == nil:
			s.fail(err)
		}
		return
	}
}

// follow sends one stream to its end and returns the error that ended it.
func (s *session) follow(stream Stream) error {
	cols, rows := s.h.size(s)
	if err := s.control(wire.Control{Type: "ready", Bytes: stream.Replay(), TTY: stream.TTY(), Cols: cols, Rows: rows}); err != nil {
		return err
	}
	for s.wait(Window) {
		chunk, err := stream.Next()
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.sent += int64(len(chunk.Data)) // before the page can acknowledge it
		s.mu.Unlock()
		if err := s.write(websocket.BinaryMessage, chunk.Data); err != nil {
			return err
		}
	}
	return errOver
}

// wait returns when at most window bytes are not acknowledged; false at the
// end of the session.
func (s *session) wait(window int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.over && s.sent-s.acked > window {
		s.moved.Wait()
	}
	return !s.over
}

func (s *session) swap(stream Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stream = stream
	if s.over {
		stream.Close()
	}
}

func (s *session) control(c wire.Control) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return s.write(websocket.TextMessage, data)
}

// fail tells the page why the session ends.
func (s *session) fail(err error) {
	problem := s.o.Words(err)
	if s.control(wire.Control{Type: "error", Error: &problem}) == nil {
		s.hangUp(websocket.CloseNormalClosure, problem.Code)
	}
}

// hangUp asks the page to close the connection and gives it two seconds.
func (s *session) hangUp(code int, reason string) {
	s.closing.Store(true)
	deadline := time.Now().Add(closeTime)
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), deadline) // or it is gone already
	if s.conn.SetReadDeadline(deadline) != nil {
		s.conn.Close()
	}
}

// ping keeps the connection alive and finds out whether it is.
func (s *session) ping(ctx context.Context) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTime)) != nil {
				return // read finds out by itself
			}
		}
	}
}

func (s *session) write(kind int, data []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	return s.conn.WriteMessage(kind, data)
}
