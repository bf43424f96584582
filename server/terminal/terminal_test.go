//go:build linux

package terminal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/terminal"
)

// process is a program whose output the test decides. Each viewer gets its own
// stream with what was written before as its replay.
type process struct {
	mu      sync.Mutex
	changed *sync.Cond
	past    []byte
	viewers []*viewer
	typed   bytes.Buffer
	blocked bool // does not read its input
	sizes   [][2]uint16
	exit    *shim.Exit
}

func newProcess() *process {
	p := &process{}
	p.changed = sync.NewCond(&p.mu)
	return p
}

type viewer struct {
	p      *process
	replay int64
	queue  [][]byte
	slow   bool
	closed bool
}

func (p *process) attach(context.Context, string) (terminal.Stream, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := &viewer{p: p, replay: int64(len(p.past))}
	if len(p.past) > 0 {
		v.queue = [][]byte{bytes.Clone(p.past)}
	}
	p.viewers = append(p.viewers, v)
	p.changed.Broadcast()
	return v, nil
}

func (p *process) write(data string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.past = append(p.past, data...)
	for _, v := range p.viewers {
		if !v.slow {
			v.queue = append(v.queue, []byte(data))
		}
	}
	p.changed.Broadcast()
}

// drop makes all viewers too slow.
func (p *process) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.viewers {
		v.slow, v.queue = true, nil
	}
	p.changed.Broadcast()
}

func (p *process) end(code int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exit = &shim.Exit{Code: code}
	p.changed.Broadcast()
}

// until waits for a condition on the process.
func (p *process) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	stop := time.AfterFunc(10*time.Second, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed.Broadcast()
	})
	defer stop.Stop()
	deadline := time.Now().Add(10 * time.Second)
	p.mu.Lock()
	defer p.mu.Unlock()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		p.changed.Wait()
	}
}

func (v *viewer) TTY() bool     { return true }
func (v *viewer) Replay() int64 { return v.replay }

func (v *viewer) Next() (shim.Chunk, error) {
	v.p.mu.Lock()
	defer v.p.mu.Unlock()
	for {
		switch {
		case v.closed:
			return shim.Chunk{}, errors.New("closed")
		case v.slow:
			return shim.Chunk{}, shim.ErrSlow
		case len(v.queue) > 0:
			c := shim.Chunk{Stream: 1, Data: v.queue[0]}
			v.queue = v.queue[1:]
			v.p.changed.Broadcast()
			return c, nil
		case v.p.exit != nil:
			return shim.Chunk{}, io.EOF
		}
		v.p.changed.Wait()
	}
}

func (v *viewer) Exit() *shim.Exit {
	v.p.mu.Lock()
	defer v.p.mu.Unlock()
	return v.p.exit
}

func (v *viewer) Write(data []byte) (int, error) {
	v.p.mu.Lock()
	defer v.p.mu.Unlock()
	for v.p.blocked && !v.closed {
		v.p.changed.Wait()
	}
	if v.closed {
		return 0, errors.New("closed")
	}
	v.p.changed.Broadcast()
	return v.p.typed.Write(data)
}

func (v *viewer) Close() error {
	v.p.mu.Lock()
	defer v.p.mu.Unlock()
	v.closed = true
	v.p.changed.Broadcast()
	return nil
}

// page is the other end of a connection.
type page struct {
	t    *testing.T
	conn *websocket.Conn
	got  int64 // bytes of output
}

func words(err error) wire.Error {
	var e *imagecore.Error
	if errors.As(err, &e) {
		return wire.Error{Code: e.Code, Message: err.Error()}
	}
	return wire.Error{Code: "internal"}
}

// handler shows the terminal of p, which is c1.
func handler(p *process) *terminal.Handler {
	return terminal.New(terminal.Options{
		Attach: func(ctx context.Context, id string) (terminal.Stream, error) {
			if id != "c1" {
				return nil, imagecore.NewError(imagecore.ErrNotFound, "container-not-found", "container "+id+": not found")
			}
			return p.attach(ctx, id)
		},
		Resize: func(_ context.Context, _ string, cols, rows uint16) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.sizes = append(p.sizes, [2]uint16{cols, rows})
			p.changed.Broadcast()
			return nil
		},
		Words: words, Log: slog.New(slog.DiscardHandler),
	})
}

func serve(t *testing.T, p *process) (*terminal.Handler, string) {
	t.Helper()
	h := handler(p)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.Serve(w, r, strings.TrimPrefix(r.URL.Path, "/"))
	}))
	t.Cleanup(server.Close)
	t.Cleanup(h.Close)
	return h, "ws" + strings.TrimPrefix(server.URL, "http")
}

func dial(t *testing.T, url string) *page {
	t.Helper()
	conn, resp, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	t.Cleanup(func() { conn.Close() })
	return &page{t: t, conn: conn}
}

// frame reads the next frame; control is nil for output.
func (p *page) frame() (output []byte, control *wire.Control) {
	p.t.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
	kind, data, err := p.conn.ReadMessage()
	if err != nil {
		p.t.Fatal(err)
	}
	if kind == websocket.BinaryMessage {
		p.got += int64(len(data))
		return data, nil
	}
	control = &wire.Control{}
	if err := json.Unmarshal(data, control); err != nil {
		p.t.Fatal(err)
	}
	return nil, control
}

func (p *page) expect(kind string) *wire.Control {
	p.t.Helper()
	_, c := p.frame()
	if c == nil || c.Type != kind {
		p.t.Fatalf("got %+v, want %s", c, kind)
	}
	return c
}

func (p *page) read(n int) string {
	p.t.Helper()
	var all []byte
	for len(all) < n {
		out, c := p.frame()
		if c != nil {
			p.t.Fatalf("control %+v amid output", c)
		}
		all = append(all, out...)
	}
	return string(all)
}

func (p *page) send(c wire.Control) {
	p.t.Helper()
	if err := p.conn.WriteJSON(c); err != nil {
		p.t.Fatal(err)
	}
}

func TestBytesGoBothWaysAfterTheReplay(t *testing.T) {
	p := newProcess()
	p.write("earlier €\n")
	_, url := serve(t, p)
	page := dial(t, url+"/c1")
	if c := page.expect("ready"); c.Bytes != int64(len("earlier €\n")) || !c.TTY {
		t.Errorf("ready %+v", c)
	}
	if got := page.read(len("earlier €\n")); got != "earlier €\n" {
		t.Errorf("replay %q", got)
	}
	p.write("live\x1b[31m")
	if got := page.read(9); got != "live\x1b[31m" {
		t.Errorf("output %q", got)
	}
	if err := page.conn.WriteMessage(websocket.BinaryMessage, []byte("ls\x03")); err != nil {
		t.Fatal(err)
	}
	page.send(wire.Control{Type: "resize", Cols: 100, Rows: 30})
	page.send(wire.Control{Type: "resize"}) // of no size: without effect
	p.until(t, "input and size", func() bool { return p.typed.String() == "ls\x03" && len(p.sizes) == 1 })
	if p.sizes[0] != [2]uint16{100, 30} {
		t.Errorf("size %v", p.sizes)
	}
}

func TestEveryViewerSeesEverything(t *testing.T) {
	p := newProcess()
	_, url := serve(t, p)
	first, second := dial(t, url+"/c1"), dial(t, url+"/c1")
	first.expect("ready")
	second.expect("ready")
	p.write("to all")
	for _, page := range []*page{first, second} {
		if got := page.read(6); got != "to all" {
			t.Errorf("output %q", got)
		}
	}
	first.conn.Close()
	p.write(" who stay")
	if got := second.read(9); got != " who stay" {
		t.Errorf("output %q", got)
	}
}

func TestExitComesAfterTheLastByte(t *testing.T) {
	p := newProcess()
	_, url := serve(t, p)
	page := dial(t, url+"/c1")
	page.expect("ready")
	p.write("bye")
	p.end(42)
	if got := page.read(3); got != "bye" {
		t.Errorf("output %q", got)
	}
	if c := page.expect("exit"); c.Code == nil || *c.Code != 42 {
		t.Errorf("exit %+v", c)
	}
	if _, _, err := page.conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("end of the connection: %v", err)
	}
}

func TestErrorsComeAsAFrame(t *testing.T) {
	_, url := serve(t, newProcess())
	page := dial(t, url+"/nobody")
	if c := page.expect("error"); c.Error == nil || c.Error.Code != "container-not-found" {
		t.Errorf("error %+v", c)
	}
	page = dial(t, url+"/c1")
	page.expect("ready")
	if err := page.conn.WriteMessage(websocket.TextMessage, []byte("{")); err != nil {
		t.Fatal(err)
	}
	if c := page.expect("error"); c.Error == nil || c.Error.Code != "bad-control" {
		t.Errorf("error %+v", c)
	}
}

// TestOutputWaitsForAcks lets a page stop acknowledging: no more than Window
// and one piece go out, and nothing is lost when it goes on.
func TestOutputWaitsForAcks(t *testing.T) {
	p := newProcess()
	_, url := serve(t, p)
	page := dial(t, url+"/c1")
	page.expect("ready")
	const piece, pieces = 64 << 10, 40
	for i := range pieces {
		p.write(strings.Repeat(string(rune('a'+i%26)), piece))
	}
	sent := terminal.Window/piece + 1
	page.read(sent * piece)
	p.until(t, "the stream to be left alone", func() bool { return len(p.viewers[0].queue) == pieces-sent })
	// Whatever else had been sent would come before the answer to this.
	if err := page.conn.WriteMessage(websocket.TextMessage, []byte("{")); err != nil {
		t.Fatal(err)
	}
	page.expect("error")
}

func TestAcksLetOutputGoOn(t *testing.T) {
	p := newProcess()
	_, url := serve(t, p)
	page := dial(t, url+"/c1")
	page.expect("ready")
	const piece, pieces = 64 << 10, 64
	p.mu.Lock()
	p.blocked = true // and input that nobody reads must not keep acks from being read
	p.mu.Unlock()
	if err := page.conn.WriteMessage(websocket.BinaryMessage, []byte("typed ahead")); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range pieces {
		text := strings.Repeat(string(rune('a'+i%26)), piece)
		want.WriteString(text)
		p.write(text)
	}
	var got strings.Builder
	for got.Len() < want.Len() {
		got.WriteString(page.read(1))
		page.send(wire.Control{Type: "ack", Bytes: page.got})
	}
	if got.String() != want.String() {
		t.Error("output was lost or reordered")
	}
	p.mu.Lock()
	p.blocked = false
	p.changed.Broadcast()
	p.mu.Unlock()
	p.until(t, "what was typed", func() bool { return p.typed.String() == "typed ahead" })
}

func TestDroppedViewerGetsANewReplay(t *testing.T) {
	p := newProcess()
	_, url := serve(t, p)
	page := dial(t, url+"/c1")
	page.expect("ready")
	p.write("one ")
	page.read(4)
	p.drop()
	p.write("two")
	page.send(wire.Control{Type: "ack", Bytes: 4})
	if c := page.expect("ready"); c.Bytes != 7 {
		t.Errorf("second ready %+v", c)
	}
	if got := page.read(7); got != "one two" {
		t.Errorf("replay %q", got)
	}
	page.send(wire.Control{Type: "ack", Bytes: 11})
	if err := page.conn.WriteMessage(websocket.BinaryMessage, []byte("x")); err != nil {
		t.Fatal(err)
	}
	p.until(t, "input on the new stream", func() bool { return p.typed.String() == "x" })
}

func TestInputBeyondTheLimitIsRefusedAloud(t *testing.T) {
	p := newProcess()
	p.blocked = true
	_, url := serve(t, p)
	page := dial(t, url+"/c1")
	page.expect("ready")
	for range 20 { // 1.25 MiB; the server may hang up before the last
		if page.conn.WriteMessage(websocket.BinaryMessage, bytes.Repeat([]byte("x"), 64<<10)) != nil {
			break
		}
	}
	if c := page.expect("error"); c.Error == nil || c.Error.Code != "terminal-input-full" {
		t.Errorf("error %+v", c)
	}
}

func TestOverlongFrameEndsTheConnection(t *testing.T) {
	_, url := serve(t, newProcess())
	page := dial(t, url+"/c1")
	page.expect("ready")
	if err := page.conn.WriteMessage(websocket.BinaryMessage, make([]byte, 64<<10+1)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := page.conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Errorf("end of the connection: %v", err)
	}
}

func TestCloseEndsTerminalsAndNotProcesses(t *testing.T) {
	p := newProcess()
	h, url := serve(t, p)
	page := dial(t, url+"/c1")
	page.expect("ready")
	closed := make(chan struct{})
	go func() {
		h.Close()
		close(closed)
	}()
	if _, _, err := page.conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("end of the connection: %v", err)
	}
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Fatal("Close hangs")
	}
	if p.exit != nil {
		t.Error("the process ended")
	}
	late, _, err := websocket.DefaultDialer.Dial(url+"/c1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if _, _, err := late.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("a terminal after Close: %v", err)
	}
}
