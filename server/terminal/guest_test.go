//go:build linux

package terminal_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/terminal"
)

// lend serves a process to guests in one role; end puts them out.
func lend(t *testing.T, p *process, write bool) (h *terminal.Handler, url string, end context.CancelCauseFunc) {
	t.Helper()
	ended, end := context.WithCancelCause(t.Context())
	h = handler(p)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeGuest(w, r, func(context.Context) (terminal.Guest, error) {
			if r.URL.Path != "/s1" {
				return terminal.Guest{}, imagecore.NewError(imagecore.ErrNotFound, "share-over", "over")
			}
			return terminal.Guest{ID: "c1", Write: write, Cols: 80, Rows: 24, Ended: ended}, nil
		})
	}))
	t.Cleanup(func() {
		h.Close()
		server.Close()
	})
	return h, "ws" + strings.TrimPrefix(server.URL, "http"), end
}

// over reads to the end of the connection and returns the error it was told.
func (p *page) over() string {
	p.t.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
	said := ""
	for {
		kind, data, err := p.conn.ReadMessage()
		if err != nil {
			if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
				p.t.Errorf("the end is %v", err)
			}
			return said
		}
		if kind == websocket.TextMessage {
			var c wire.Control
			if err := json.Unmarshal(data, &c); err != nil {
				p.t.Fatal(err)
			}
			if c.Type == "error" {
				said = c.Error.Code
			}
		}
	}
}

func TestAViewerSeesAndDoesNothingElse(t *testing.T) {
	for name, send := range map[string]func(*websocket.Conn) error{
		"types":         func(c *websocket.Conn) error { return c.WriteMessage(websocket.BinaryMessage, []byte("rm -rf /\n")) },
		"sends no byte": func(c *websocket.Conn) error { return c.WriteMessage(websocket.BinaryMessage, nil) },
		"resizes": func(c *websocket.Conn) error {
			return c.WriteMessage(websocket.TextMessage, []byte(`{"type":"resize","cols":9,"rows":9}`))
		},
		"types in a flood": func(c *websocket.Conn) error {
			for range 50 {
				if err := c.WriteMessage(websocket.BinaryMessage, []byte("x")); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess()
			p.write("what was")
			_, url, _ := lend(t, p, false)
			viewer := dial(t, url+"/s1")
			if c := viewer.expect("ready"); c.Cols != 80 || c.Rows != 24 || c.Bytes != 8 {
				t.Errorf("%+v", c)
			}
			p.write(", what is")
			if got := viewer.read(17); got != "what was, what is" {
				t.Errorf("saw %q", got)
			}
			if err := send(viewer.conn); err != nil {
				t.Fatal(err)
			}
			if said := viewer.over(); said != "share-view-only" {
				t.Errorf("told %q", said)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.typed.Len() > 0 || len(p.sizes) > 0 {
				t.Errorf("the program got %q and the sizes %v", &p.typed, p.sizes)
			}
		})
	}
}

func TestAWriterTypesUntilTheShareIsOver(t *testing.T) {
	p := newProcess()
	h, url, end := lend(t, p, true)
	writer := dial(t, url+"/s1")
	writer.expect("ready")
	writer.send(wire.Control{Type: "resize", Cols: 9, Rows: 9}) // without effect
	if err := writer.conn.WriteMessage(websocket.BinaryMessage, []byte("ls\n")); err != nil {
		t.Fatal(err)
	}
	p.until(t, "the program gets ls, and no size", func() bool { return p.typed.String() == "ls\n" && len(p.sizes) == 0 })
	h.Resized("c1", 100, 30)
	h.Resized("other", 1, 1)
	if c := writer.expect("resize"); c.Cols != 100 || c.Rows != 30 {
		t.Errorf("%+v", c)
	}
	end(imagecore.NewError(imagecore.ErrConflict, "share-revoked", "revoked"))
	p.until(t, "the stream is closed", func() bool { return p.viewers[0].closed })
	// What is sent now goes nowhere; the page may not have heard yet.
	if err := writer.conn.WriteMessage(websocket.BinaryMessage, []byte("rm\n")); err != nil && !errors.Is(err, websocket.ErrCloseSent) {
		t.Fatal(err)
	}
	p.write("a secret of later")
	if said := writer.over(); said != "share-revoked" {
		t.Errorf("told %q", said)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.typed.String() != "ls\n" {
		t.Errorf("the program got %q", &p.typed)
	}
}

func TestWhoIsNotLetInIsTold(t *testing.T) {
	p := newProcess()
	_, url, _ := lend(t, p, true)
	if said := dial(t, url+"/s2").over(); said != "share-over" {
		t.Errorf("told %q", said)
	}
	if len(p.viewers) > 0 {
		t.Error("attached all the same")
	}
	guest := dial(t, url+"/s1")
	guest.expect("ready")
	p.end(3)
	if c := guest.expect("exit"); *c.Code != 3 {
		t.Errorf("%+v", c)
	}
	guest.over()
}
