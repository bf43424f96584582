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
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/runtime/launch"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/runtime/watch"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/engine/idrange"
	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/terminal"
)

// TestMain lets the test binary stand in for layerlab-runtime (the engine
// executes a sealed copy of it as "shim") and for a server that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		os.Exit(shim.Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// realLab is an engine over the kernel, with a real event bus and terminals.
type realLab struct {
	*engine.Service
	t      *testing.T
	dir    string
	images *realImages
	bus    *events.Bus
	url    string // of terminals
	stop   func()
}

// realPool keeps the tests of this package off the ids of a running layerlab.
func realPool() idrange.Pool {
	return idrange.NewPool(nil, nil, "layerlab", idrange.Range{First: 0x6fff_0000 - 64*idrange.Size, Count: 64 * idrange.Size})
}

func newRealLab(t *testing.T) *realLab {
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
	executable, err := launch.Seal("layerlab-runtime", self)
	if err != nil {
		l.t.Fatal(err)
	}
	method, err := snapshot.Probe(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	l.Service, err = engine.Open(l.t.Context(), engine.Options{
		Data: l.dir, Run: filepath.Join(l.dir, "run"), Images: l.images, Bucket: bucketOf{db, "containers"},
		Events: l.bus, Shims: engine.Processes(executable, method), Watch: watch.Upper, Pool: realPool(),
		Now: time.Now, Log: slog.New(slog.NewTextHandler(l.t.Output(), nil)),
	})
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
	for _, dir := range []string{"containers", "run", "trash"} {
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
	t    *testing.T
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

func TestShellInATerminal(t *testing.T) {
	l := newRealLab(t)
	c := l.run(wire.CreateContainer{TTY: true, Cols: 90, Rows: 20, Hostname: "box", WorkingDir: "/made/here"})
	s := l.open(c.ID)
	s.until("ready\r\n")
	s.typeLine("id\n")
	if got := s.until("done id"); !strings.Contains(got, "uid 0 gid 0") || !strings.Contains(got, "cwd /made/here host box home / pid 1") && !strings.Contains(got, "home /root pid 1") {
		t.Errorf("id shows %q", got)
	}
	s.typeLine("size\n")
	s.until("size 90x20")
	if err := s.conn.WriteJSON(wire.Control{Type: "resize", Cols: 132, Rows: 50}); err != nil {
		t.Fatal(err)
	}
	s.typeLine("size\n")
	s.until("size 132x50")
	s.typeLine("echo grüße €\n")
	s.until("\r\ngrüße €")
	s.typeLine("\x03")
	s.until("interrupted")
	s.typeLine("cat /data/hidden\n")
	s.until("no such file")
	s.typeLine("mount\n")
	s.until("operation not permitted")

	// A second viewer sees what was before; then both see the same.
	second := l.open(c.Name)
	second.until("interrupted")
	s.typeLine("echo both\n")
	s.until("both\r\n")
	second.until("both\r\n")

	// The server goes and comes back: the same shell.
	l.restart()
	s = l.open(c.ID)
	s.until("both\r\n")
	s.typeLine("echo again\n")
	s.until("\r\nagain")
	s.typeLine("exit 42\n")
	s.until("")
	if s.exit == nil || *s.exit != 42 {
		t.Errorf("exit frame %v", s.exit)
	}
	if code := l.end(c.ID); code != 42 {
		t.Errorf("exit code %d, want 42", code)
	}
	late := l.open(c.ID)
	if shown := late.until(""); !strings.Contains(shown, "again") || *late.exit != 42 {
		t.Errorf("a page that comes late sees %q, exit %v", shown, late.exit)
	}
}

func TestContainerWithoutTerminal(t *testing.T) {
	l := newRealLab(t)
	c := l.run(wire.CreateContainer{Command: []string{"lab", "id"}, User: "ada", Env: []string{"HOME=/elsewhere"}})
	if code := l.end(c.ID); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s := l.open(c.ID)
	if got := s.until(""); !strings.Contains(got, "uid 1000 gid 1000 groups [10 1000]") && !strings.Contains(got, "groups [1000 10]") || !strings.Contains(got, "home /elsewhere") {
		t.Errorf("id shows %q", got)
	}
}

func TestMissingCommand(t *testing.T) {
	l := newRealLab(t)
	for command, want := range map[string]struct {
		code string
		exit int
	}{
		"/bin/nothing": {"command-not-found", 127},
		"nothing":      {"command-not-found", 127},
		"/bin/data":    {"command-not-executable", 126},
	} {
		c, err := l.Create(t.Context(), wire.CreateContainer{Image: "lab:1", Command: []string{command}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.Start(t.Context(), c.ID)
		wantCode(t, err, want.code)
		got, err := l.Get(t.Context(), c.ID)
		if err != nil || got.ExitCode == nil || *got.ExitCode != want.exit || got.Error == nil || got.Error.Code != want.code {
			t.Errorf("%s: %+v, %v", command, got, err)
		}
	}
}

func TestChangesAreSeenWithinASecondAndCommitted(t *testing.T) {
	l := newRealLab(t)
	sub, err := l.bus.Subscribe(0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	c := l.run(wire.CreateContainer{TTY: true})
	s := l.open(c.ID)
	s.until("ready")
	before, err := l.Changes(t.Context(), c.ID)
	if err != nil || len(before.Changes) != 0 {
		t.Errorf("a new container's layer holds %+v (%v)", before, err)
	}
	for _, line := range []string{"write /data/new hello", "append /data/keep !", "rm /data/gone", "mkdir /data/sub", "write /data/sub/x y"} {
		s.typeLine(line + "\n")
		s.until("done " + strings.Fields(line)[0])
	}
	typed := time.Now()
	var last wire.Changes
	for len(last.Changes) < 6 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		e, err := sub.Next(ctx)
		cancel()
		if err != nil {
			t.Fatalf("%v; last changes %+v", err, last)
		}
		if e.Kind == wire.EventContainerChanges {
			if e.ID != c.ID {
				t.Errorf("changes of %s", e.ID)
			}
			if err := json.Unmarshal(e.Data, &last); err != nil {
				t.Fatal(err)
			}
		}
	}
	if took := time.Since(typed); took > time.Second {
		t.Errorf("the page knew after %v, promised is one second", took)
	}
	var lines []string
	for _, ch := range last.Changes {
		lines = append(lines, fmt.Sprintf("%s %s %s %d %d %s", ch.Kind, ch.Path, ch.Type, ch.Size, ch.CopiedUp, ch.Mode))
	}
	want := []string{
		"C data dir 0 0 0755",
		"D data/gone file 0 0 ",
		"C data/keep file 11 10 0644",
		"A data/new file 5 0 0640",
		"A data/sub dir 0 0 0755",
		"A data/sub/x file 1 0 0640",
	}
	if !slices.Equal(lines, want) || last.CopiedUp != 10 || last.Bytes != 17 {
		t.Errorf("changes\n%s\nbytes %d, copied up %d", strings.Join(lines, "\n"), last.Bytes, last.CopiedUp)
	}

	img, err := l.Commit(t.Context(), c.ID, wire.CommitContainer{Ref: "lab:2", Message: "by a test"})
	if err != nil {
		t.Fatal(err)
	}
	s.typeLine("echo thawed\n")
	s.until("\r\nthawed")
	again, err := l.Commit(t.Context(), c.ID, wire.CommitContainer{Ref: "lab:3", Changes: []string{`CMD ["lab","id"]`}})
	if err != nil || again.ID == img.ID {
		t.Fatalf("second commit %+v, %v", again, err)
	}
	one, two := l.images.images["lab:2"], l.images.images["lab:3"]
	if !bytes.Equal(one.tars[2], two.tars[2]) {
		t.Error("the same layer became two different tars")
	}
	for path, there := range map[string]bool{"data/new": true, "data/gone": false, "data/sub/x": true, "proc": false, "etc/hosts": false} {
		if _, ok := one.tree.Top().Lookup(path); ok != there {
			t.Errorf("%s in the committed image: %v", path, ok)
		}
	}
	if n, ok := one.tree.Top().Lookup("data/new"); !ok || n.Attr().UID != 0 || n.Attr().Mode != 0o640 {
		t.Errorf("owner and mode of data/new: %+v", n.Attr())
	}
	child := l.run(wire.CreateContainer{Image: "lab:2", Command: []string{"lab", "cat", "/data/keep"}})
	l.end(child.ID)
	if got := l.open(child.ID).until(""); !strings.Contains(got, "0123456789!") {
		t.Errorf("the image of the container shows %q", got)
	}
	s.typeLine("write /data/.wh.x y\n")
	s.until("done write")
	_, err = l.Commit(t.Context(), c.ID, wire.CommitContainer{})
	wantCode(t, err, "whiteout-name")
	if !strings.Contains(err.Error(), "data/.wh.x") {
		t.Errorf("the error does not name the path: %v", err)
	}
}

func TestExecAndFacts(t *testing.T) {
	l := newRealLab(t)
	c := l.run(wire.CreateContainer{TTY: true})
	l.open(c.ID).until("ready")
	ex, err := l.Exec(t.Context(), c.ID, wire.ExecContainer{Command: []string{"lab"}, User: "ada", TTY: true, Cols: 70, Rows: 10, WorkingDir: "/home/ada"})
	if err != nil {
		t.Fatal(err)
	}
	s := l.open(ex.ID)
	s.until("ready")
	s.typeLine("id\n")
	if got := s.until("done id"); !strings.Contains(got, "uid 1000 gid 1000") || !strings.Contains(got, "cwd /home/ada") {
		t.Errorf("exec shows %q", got)
	}
	s.typeLine("size\n")
	s.until("size 70x10")
	l.restart()
	s = l.open(ex.ID)
	s.until("size 70x10")
	s.typeLine("exit 3\n")
	s.until("")
	if *s.exit != 3 {
		t.Errorf("exit %d", *s.exit)
	}
	_, err = l.Exec(t.Context(), c.ID, wire.ExecContainer{Command: []string{"/nope"}})
	wantCode(t, err, "command-not-found")

	f, err := l.Facts(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range f.Namespaces {
		if !ns.Own {
			t.Errorf("namespace %s is the host's", ns.Type)
		}
	}
	if len(f.Namespaces) != 7 || f.UIDMap[0].Count != 65536 || f.UIDMap[0].Host < 65536 || f.Seccomp != "filter" ||
		len(f.Capabilities["bounding"]) != 14 || len(f.Capabilities["effective"]) != 14 || len(f.Capabilities["ambient"]) != 0 || len(f.Capabilities["inheritable"]) != 0 {
		t.Errorf("facts %+v", f)
	}
	if !slices.Contains(f.CgroupValues, wire.CgroupValue{Name: "pids.max", Value: "4096"}) {
		t.Errorf("cgroup %s %+v", f.CgroupPath, f.CgroupValues)
	}
	for name, get := range map[string]func(context.Context, string) (json.RawMessage, error){"plan": l.Plan, "trace": l.Trace} {
		raw, err := get(t.Context(), c.ID)
		if err != nil || len(raw) < 1000 {
			t.Errorf("%s: %s, %v", name, raw, err)
		}
	}
}

func TestPauseStopsTheProgram(t *testing.T) {
	l := newRealLab(t)
	c := l.run(wire.CreateContainer{TTY: true})
	s := l.open(c.ID)
	s.until("ready")
	if _, err := l.Pause(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	s.typeLine("echo frozen\n")
	s.until("echo frozen\r\n") // the kernel's echo, not the program's
	l.restart()
	if got, err := l.Get(t.Context(), c.ID); err != nil || got.State != wire.StatePaused {
		t.Fatalf("after a restart: %+v, %v", got, err)
	}
	if _, err := l.Unpause(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	l.open(c.ID).until("\r\nfrozen")
	if _, err := l.Pause(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Kill(t.Context(), c.ID, wire.KillContainer{}); err != nil {
		t.Errorf("kill of a paused container: %v", err)
	}
	if code := l.end(c.ID); code != 137 {
		t.Errorf("exit code %d", code)
	}
}

// TestFloodHoldsNobodyUp opens a terminal on endless output, with a page that
// takes nothing in: Ctrl-C still works, and a second page sees the end.
func TestFloodHoldsNobodyUp(t *testing.T) {
	l := newRealLab(t)
	c := l.run(wire.CreateContainer{TTY: true})
	l.open(c.ID).until("ready")
	ex, err := l.Exec(t.Context(), c.ID, wire.ExecContainer{Command: []string{"lab", "yes"}, TTY: true})
	if err != nil {
		t.Fatal(err)
	}
	deaf := l.open(ex.ID) // never reads
	s := l.open(ex.ID)
	s.until("yyyy")
	pressed := time.Now()
	deaf.typeLine("\x03")
	s.until("")
	if took := time.Since(pressed); took > 10*time.Second {
		t.Errorf("Ctrl-C took %v", took)
	}
	if *s.exit != 130 {
		t.Errorf("exit code %d, want 130", *s.exit)
	}
}

// TestKilledServerFindsItsContainers kills a server process with SIGKILL while
// its containers run, one of which then ends and one of which is killed with
// its shim.
func TestKilledServerFindsItsContainers(t *testing.T) {
	if dir := os.Getenv("LAYERLAB_TEST_SERVER"); dir != "" {
		serveUntilKilled(t, dir)
		return
	}
	l := newRealLab(t)
	l.stop()
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestKilledServerFindsItsContainers$", "-test.v")
	cmd.Env = append(os.Environ(), "LAYERLAB_TEST_SERVER="+l.dir)
	program, err := os.ReadFile(filepath.Join(l.images.images["lab:1"].Dirs[0], "bin/lab"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "lab"), program, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []byte
	var ids []string
	buf := make([]byte, 4096)
	for ids == nil {
		n, err := out.Read(buf)
		all = append(all, buf[:n]...)
		if _, after, ok := strings.Cut(string(all), "containers: "); ok && strings.Contains(after, ";") {
			line, _, _ := strings.Cut(after, ";")
			ids = strings.Fields(line)
		} else if err != nil {
			t.Fatalf("the server broke off: %v\n%s", err, all)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // "signal: killed"

	// Meanwhile: the first runs on, the second ends, the third is killed with
	// its shim.
	l.killWithShim(ids[2])
	l.start()
	runs, err := l.Get(t.Context(), ids[0])
	if err != nil || runs.State != wire.StateRunning {
		t.Fatalf("%+v, %v", runs, err)
	}
	s := l.open(ids[0])
	s.until("before the kill")
	s.typeLine("echo after\n")
	s.until("\r\nafter")
	if code := l.end(ids[1]); code != 7 {
		t.Errorf("the one that ended: %d, want 7", code)
	}
	killed, err := l.Get(t.Context(), ids[2])
	if err != nil || killed.State != wire.StateExited || *killed.ExitCode != 137 {
		t.Errorf("the one whose shim was killed: %+v, %v", killed, err)
	}
	if pids := processesWith(ids[2]); len(pids) != 0 {
		t.Errorf("its processes are left: %v", pids)
	}
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

func serveUntilKilled(t *testing.T, dir string) {
	program, err := os.ReadFile(filepath.Join(dir, "lab"))
	if err != nil {
		t.Fatal(err)
	}
	l := &realLab{t: t, dir: dir, images: newRealImages(filepath.Join(dir, "layers"))}
	l.images.addLab(t, program)
	l.start()
	runs := l.run(wire.CreateContainer{TTY: true})
	s := l.open(runs.ID)
	s.until("ready")
	s.typeLine("echo before the kill\n")
	s.until("\r\nbefore the kill")
	ends := l.run(wire.CreateContainer{TTY: true})
	l.open(ends.ID).typeLine("exit 7\n") // maybe before, maybe after the kill
	killed := l.run(wire.CreateContainer{TTY: true})
	fmt.Printf("containers: %s %s %s;\n", runs.ID, ends.ID, killed.ID)
	<-t.Context().Done()
}
