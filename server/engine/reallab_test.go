//go:build linux

package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/sealed"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/runtime/watch"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/engine/idrange"
	"github.com/layerlab/layerlab/server/engine/reach"
	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/terminal"
)

// TestMain lets the test binary stand in for layerlab-runtime (the engine
// executes a sealed copy of it as "shim") and for a server that is killed. A shim
// ends by unix.Exit: see runtime/shim's tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		unix.Exit(shim.Main(os.Args[2:]))
	}
	code := m.Run()
	os.Remove(filepath.Join(os.TempDir(), fmt.Sprintf("layerlab-init-%d", os.Getpid())))
	os.Exit(code)
}

// realLab is an engine over the kernel, with a real event bus and terminals.
type realLab struct {
	*engine.Service
	t      testing.TB
	dir    string
	images *realImages
	bus    *events.Bus
	url    string // of terminals
	init   string // the program of --init; "" without
	edit   func(*engine.Options)
	method snapshot.Method // "": what this host can
	reach  reach.Policy
	stop   func()
}

// realPool keeps the tests of this package off the ids of a running layerlab.
func realPool() idrange.Pool {
	return idrange.NewPool(nil, nil, "layerlab", idrange.Range{First: 0x6fff_0000 - 64*idrange.Size, Count: 64 * idrange.Size})
}

func newRealLab(t testing.TB) *realLab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes namespaces, mounts and cgroups")
	}
	l := &realLab{t: t, dir: t.TempDir()}
	if _, err := snapshot.Probe(l.dir); err != nil {
		t.Skipf("this host mounts no container roots: %v", err)
	}
	layers := filepath.Join(l.dir, "layers")
	if err := os.Mkdir(layers, 0o700); err != nil {
		t.Fatal(err)
	}
	l.images = newRealImages(layers)
	l.images.addLab(t, userland(t))
	l.start()
	t.Cleanup(func() { l.stop() })
	t.Cleanup(l.nothingIsLeft)
	return l
}

// start brings a server up over the lab's data.
func (l *realLab) start() {
	l.t.Helper()
	db, err := bolt.Open(filepath.Join(l.dir, "meta.db"), 0o600, &bolt.Options{Timeout: 10 * time.Second})
	if err != nil {
		l.t.Fatal(err)
	}
	if l.bus, err = events.Open(bucketOf{db, "events"}, time.Now); err != nil {
		l.t.Fatal(err)
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		l.t.Fatal(err)
	}
	defer self.Close()
	executable, err := sealed.Copy("layerlab-runtime", self)
	if err != nil {
		l.t.Fatal(err)
	}
	method := l.method
	if method == "" {
		if method, err = snapshot.Probe(l.dir); err != nil {
			l.t.Fatal(err)
		}
	}
	o := engine.Options{
		Data: l.dir, Run: filepath.Join(l.dir, "run"), Images: l.images, Bucket: bucketOf{db, "containers"}, Volumes: bucketOf{db, "volumes"}, Init: l.init, Reach: l.reach,
		Events: l.bus, Shims: engine.Processes(executable, method), Watch: watch.Upper, Pool: realPool(),
		Now: time.Now, Log: slog.New(slog.NewTextHandler(l.t.Output(), nil)),
	}
	if l.edit != nil {
		l.edit(&o)
	}
	l.Service, err = engine.Open(l.t.Context(), o)
	if err != nil {
		l.t.Fatal(err)
	}
	terminals := terminal.New(terminal.Options{
		Attach: func(ctx context.Context, id string) (terminal.Stream, error) { return l.Attach(ctx, id) },
		Resize: l.Resize,
		Words:  func(err error) wire.Error { return wire.Error{Code: "x", Message: err.Error()} },
		Log:    slog.New(slog.DiscardHandler),
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		terminals.Serve(w, r, strings.TrimPrefix(r.URL.Path, "/"))
	}))
	l.url = "ws" + strings.TrimPrefix(server.URL, "http")
	l.stop = func() {
		terminals.Close()
		server.Close()
		l.Close()
		l.bus.Close()
		executable.Close()
		db.Close()
	}
}

func (l *realLab) restart() {
	l.t.Helper()
	l.stop()
	l.start()
}

// nothingIsLeft runs after the server has stopped and the containers have been
// removed: whoever leaks a mount, a cgroup or a process fails here.
func (l *realLab) nothingIsLeft() {
	list, err := l.List(context.Background())
	if err != nil {
		l.t.Error(err)
	}
	if l.t.Failed() {
		l.showShims()
	}
	for _, c := range list {
		if c.State == wire.StateRunning || c.State == wire.StatePaused {
			if _, err := l.Kill(context.Background(), c.ID, wire.KillContainer{}); err != nil {
				l.t.Error(err)
			}
		}
		if err := l.Delete(context.Background(), c.ID); err != nil {
			l.t.Error(err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		l.t.Fatal(err)
	}
	if bytes.Contains(mounts, []byte(l.dir)) {
		l.t.Errorf("mounts are left:\n%s", mounts)
	}
	for _, v := range l.allVolumes() {
		if err := l.DeleteVolume(context.Background(), v); err != nil {
			l.t.Error(err)
		}
	}
	for _, dir := range []string{"containers", "run", "trash", "volumes"} {
		left, err := os.ReadDir(filepath.Join(l.dir, dir))
		if err != nil || len(left) != 0 {
			l.t.Errorf("%s holds %v (%v)", dir, left, err)
		}
	}
	for _, c := range list {
		groups, err := filepath.Glob("/sys/fs/cgroup/*/layerlab/" + c.ID)
		if err != nil || len(groups) != 0 {
			l.t.Errorf("cgroups are left: %v (%v)", groups, err)
		}
		if pids := processesWith(c.ID); len(pids) != 0 {
			l.t.Errorf("processes are left: %v", pids)
		}
	}
}

func (l *realLab) allVolumes() (names []string) {
	list, err := l.Volumes(context.Background())
	if err != nil {
		l.t.Error(err)
	}
	for _, v := range list {
		names = append(names, v.Name)
	}
	return names
}

// showShims prints what the shims said on their standard error.
func (l *realLab) showShims() {
	logs, _ := filepath.Glob(filepath.Join(l.dir, "containers", "*", "shim.log"))
	for _, path := range logs {
		if text, err := os.ReadFile(path); err == nil && len(text) > 0 {
			l.t.Logf("%s:\n%s", path, text)
		}
	}
}

// processesWith returns the processes in the cgroup of a container. Those that
// have ended and that the host's init has yet to reap do not count.
func processesWith(id string) []string {
	var pids []string
	files, _ := filepath.Glob("/proc/[0-9]*/cgroup")
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(data, []byte(id)) {
			continue
		}
		if status, err := os.ReadFile(filepath.Join(filepath.Dir(f), "status")); err == nil && !bytes.Contains(status, []byte("State:\tZ")) {
			pids = append(pids, f)
		}
	}
	return pids
}

type bucketOf struct {
	db   *bolt.DB
	name string
}

func (b bucketOf) Update(f func(*bolt.Bucket) error) error {
	return b.db.Update(func(tx *bolt.Tx) error {
		k, err := tx.CreateBucketIfNotExists([]byte(b.name))
		if err != nil {
			return err
		}
		return f(k)
	})
}

func (b bucketOf) View(f func(*bolt.Bucket) error) error {
	return b.db.View(func(tx *bolt.Tx) error {
		if k := tx.Bucket([]byte(b.name)); k != nil {
			return f(k)
		}
		return nil
	})
}

func (l *realLab) run(req wire.CreateContainer) wire.Container {
	l.t.Helper()
	req.Image = cmpOr(req.Image, "lab:1")
	c, err := l.Create(l.t.Context(), req)
	if err != nil {
		l.t.Fatal(err)
	}
	if c, err = l.Start(l.t.Context(), c.ID); err != nil {
		l.t.Fatal(err)
	}
	return c
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (l *realLab) end(id string) int {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	code, err := l.Wait(ctx, id)
	if err != nil {
		l.t.Fatal(err)
	}
	return code
}

// screen is a terminal in a page that acknowledges what it gets.
type screen struct {
	t    testing.TB
	conn *websocket.Conn
	text strings.Builder
	got  int64
	exit *int
}

func (l *realLab) open(id string) *screen {
	l.t.Helper()
	conn, resp, err := websocket.DefaultDialer.Dial(l.url+"/"+id, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	resp.Body.Close()
	l.t.Cleanup(func() { conn.Close() })
	return &screen{t: l.t, conn: conn}
}

func (s *screen) typeLine(text string) {
	s.t.Helper()
	if err := s.conn.WriteMessage(websocket.BinaryMessage, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// until reads until the screen shows the text, or the process has ended where
// text is "".
func (s *screen) until(text string) string {
	s.t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	for (text == "" || !strings.Contains(s.text.String(), text)) && s.exit == nil {
		kind, data, err := s.conn.ReadMessage()
		if err != nil {
			s.t.Fatalf("waiting for %q: %v; the screen shows\n%s", text, err, s.text.String())
		}
		if kind == websocket.BinaryMessage {
			s.got += int64(len(data))
			s.text.Write(data)
			if err := s.conn.WriteJSON(wire.Control{Type: "ack", Bytes: s.got}); err != nil {
				s.t.Fatal(err)
			}
			continue
		}
		var c wire.Control
		if err := json.Unmarshal(data, &c); err != nil {
			s.t.Fatal(err)
		}
		switch c.Type {
		case "exit":
			s.exit = c.Code
		case "error":
			s.t.Fatalf("terminal: %+v", c.Error)
		}
	}
	shown := s.text.String()
	if text != "" && !strings.Contains(shown, text) {
		s.t.Fatalf("ended without %q; the screen shows\n%s", text, shown)
	}
	s.text.Reset()
	return shown
}

// killWithShim kills the shim of a container, found by its working socket.
func (l *realLab) killWithShim(id string) {
	l.t.Helper()
	c, err := shim.Dial(l.t.Context(), filepath.Join(l.dir, "run", id[:12]+".sock"))
	if err != nil {
		l.t.Fatal(err)
	}
	state, err := c.State(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", state.Pid))
	if err != nil {
		l.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "PPid:")
	var parent int
	if _, err := fmt.Sscan(after, &parent); err != nil || parent <= 1 {
		l.t.Fatalf("parent %d: %v", parent, err)
	}
	p, err := os.FindProcess(parent)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		l.t.Fatal(err)
	}
	if _, err := c.Wait(l.t.Context(), ""); err == nil {
		l.t.Fatal("the shim that was killed answers")
	}
}
