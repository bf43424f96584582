//go:build linux

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/runtime-spec/specs-go"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/cgroup"
	"github.com/layerlab/layerlab/runtime/plan"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/engine/idrange"
	"github.com/layerlab/layerlab/server/engine/inside"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// fakeShims are shims that outlive engines, as real ones do: a second engine
// with the same fakeShims is a restarted server.
type fakeShims struct {
	mu      sync.Mutex
	running map[string]*fakeShim // by socket
	cleaned []string
	refuse  error // what Start answers
}

func newFakeShims() *fakeShims { return &fakeShims{running: map[string]*fakeShim{}} }

func (f *fakeShims) Start(_ context.Context, o shim.Options) (engine.Shim, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return nil, f.refuse
	}
	s := &fakeShim{all: f, o: o, state: wire.StateCreated, done: make(chan struct{}), lost: make(chan struct{})}
	f.running[o.Socket] = s
	return s, nil
}

func (f *fakeShims) Dial(_ context.Context, socket string) (engine.Shim, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.running[socket]; s != nil {
		return s, nil
	}
	return nil, shim.ErrGone
}

func (f *fakeShims) Clean(cgroup string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cleaned = append(f.cleaned, cgroup)
	return nil
}

func (f *fakeShims) Pids(string) ([]int, error) { return []int{4242}, nil }

func (f *fakeShims) Stats(string) (*cgroup.Stats, error)        { return &cgroup.Stats{}, nil }
func (f *fakeShims) Update(string, *specs.LinuxResources) error { return nil }

func (f *fakeShims) WatchOOM(context.Context, string) (<-chan struct{}, error) {
	return nil, errors.New("the fake has no memory")
}

// one returns the only shim.
func (f *fakeShims) one(t *testing.T) *fakeShim {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.running {
		if len(f.running) == 1 {
			return s
		}
	}
	t.Fatalf("%d shims, want one", len(f.running))
	return nil
}

func (f *fakeShims) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.running)
}

// fakeShim behaves like a container whose command ends at SIGKILL, or at
// SIGTERM unless it is stubborn.
type fakeShim struct {
	all      *fakeShims
	o        shim.Options
	stubborn bool

	mu      sync.Mutex
	state   string
	exit    *shim.Exit
	signals []unix.Signal
	execs   []shim.Process
	done    chan struct{} // closed at the exit
	lost    chan struct{} // closed when the shim is killed
}

func (s *fakeShim) Start(ctx context.Context) (*shim.State, error) {
	s.mu.Lock()
	s.state = wire.StateRunning
	s.mu.Unlock()
	return s.State(ctx)
}

func (s *fakeShim) State(context.Context) (*shim.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &shim.State{ID: s.o.ID, Status: s.state, Pid: 4242, Exit: s.exit, Execs: s.execs, StartedAt: time.Unix(1, 0)}, nil
}

func (s *fakeShim) Signal(_ context.Context, _ string, sig unix.Signal, _ bool) error {
	s.mu.Lock()
	s.signals = append(s.signals, sig)
	ends := sig == unix.SIGKILL || sig == unix.SIGTERM && !s.stubborn
	s.mu.Unlock()
	if ends {
		s.end(128+int(sig), int(sig))
	}
	return nil
}

// end is the container's end: exit.json, then whoever waits.
func (s *fakeShim) end(code, sig int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exit != nil {
		return
	}
	s.state, s.exit = wire.StateExited, &shim.Exit{Code: code, Signal: sig, At: time.Unix(2, 0)}
	text := fmt.Sprintf(`{"code":%d,"signal":%d,"at":"1970-01-01T00:00:02Z"}`, code, sig)
	if err := os.WriteFile(s.o.ExitFile, []byte(text), 0o600); err != nil {
		panic(err)
	}
	close(s.done)
}

// kill is the end of the shim itself.
func (s *fakeShim) kill() {
	s.all.mu.Lock()
	delete(s.all.running, s.o.Socket)
	s.all.mu.Unlock()
	close(s.lost)
}

func (s *fakeShim) set(state string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exit != nil {
		return errors.New("has ended")
	}
	s.state = state
	return nil
}

func (s *fakeShim) Pause(context.Context) error  { return s.set(wire.StatePaused) }
func (s *fakeShim) Resume(context.Context) error { return s.set(wire.StateRunning) }

func (s *fakeShim) Resize(_ context.Context, id string, _, _ uint16) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != "" && !slices.ContainsFunc(s.execs, func(p shim.Process) bool { return p.ID == id }) {
		return errors.New("no such process")
	}
	return nil
}

func (s *fakeShim) Attach(context.Context, string) (engine.Stream, error) {
	return nil, errors.New("the fake has no output")
}

func (s *fakeShim) Exec(_ context.Context, _ *specs.Process, o shim.ExecOptions) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.execs = append(s.execs, shim.Process{ID: o.ID})
	return o.ID, nil
}

func (s *fakeShim) Wait(ctx context.Context, _ string) (*shim.Exit, error) {
	select {
	case <-s.done:
		return s.exit, nil
	case <-s.lost:
		return nil, shim.ErrGone
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *fakeShim) AckExit(context.Context) error {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	delete(s.all.running, s.o.Socket)
	return nil
}

func (s *fakeShim) Trace(context.Context) (*plan.Plan, []plan.Result, error) {
	return &plan.Plan{}, []plan.Result{{Code: "x", OK: true}}, nil
}

// fakeImages is one image without files.
type fakeImages struct{ config string }

const imageID = digest.Digest("sha256:00000000000000000000000000000000000000000000000000000000000000aa")

func (f fakeImages) Hold(_ context.Context, ref string) (engine.Image, func(), error) {
	if ref != "lab:1" && ref != imageID.String() {
		return engine.Image{}, nil, imagecore.NewError(imagecore.ErrNotFound, "image-not-found", "image "+ref+": not found", "image", ref)
	}
	return engine.Image{ID: imageID, Config: []byte(f.config)}, func() {}, nil
}

func (f fakeImages) Unpack(context.Context, digest.Digest) error { return nil }

func (f fakeImages) Tree(context.Context, digest.Digest) (*tree.Tree, error) {
	return tree.Build([]imagecore.Layer{{Present: true, Entries: []imagecore.Entry{}}}, tree.Spec)
}

func (f fakeImages) LayerAt(context.Context, digest.Digest, int) (inside.Layer, error) {
	return nil, errors.New("no layer has a file")
}

func (f fakeImages) Export(context.Context, digest.Digest, io.Reader, func(*tree.View, func(int) (io.ReaderAt, error)) error) error {
	return errors.New("not exported here")
}

func (f fakeImages) Commit(_ context.Context, c engine.Commit) (wire.Image, error) {
	_, err := io.Copy(io.Discard, c.Layer)
	return wire.Image{ID: "sha256:new"}, err
}

// bus notes what was told.
type bus struct {
	mu    sync.Mutex
	kinds []string
}

func (b *bus) Publish(kind, _ string, _ any) error {
	if kind == wire.EventAction {
		return nil // tests look at what changes a container's state
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kinds = append(b.kinds, kind)
	return nil
}

func (b *bus) Send(string, string, any) error { return nil }
func (b *bus) Listening() bool                { return false }

func (b *bus) told() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.kinds...)
}

// memory is meta.db on a file of its own.
type memory struct {
	db   *bolt.DB
	name string
}

func (m memory) Update(f func(*bolt.Bucket) error) error {
	return m.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(m.name))
		if err != nil {
			return err
		}
		return f(b)
	})
}

func (m memory) View(f func(*bolt.Bucket) error) error {
	return m.db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket([]byte(m.name)); b != nil {
			return f(b)
		}
		return nil
	})
}

// lab is an engine with everything that it needs; restart makes another over
// the same data.
type lab struct {
	*engine.Service
	t     *testing.T
	o     engine.Options
	shims *fakeShims
	bus   *bus
}

func newLab(t *testing.T, config string) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a container's files belong to its own ids")
	}
	dir := t.TempDir()
	db, err := bolt.Open(filepath.Join(dir, "meta.db"), 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	l := &lab{t: t, shims: newFakeShims(), bus: &bus{}}
	l.o = engine.Options{
		Data: dir, Run: filepath.Join(dir, "run"), Images: fakeImages{config}, Bucket: memory{db, "containers"}, Volumes: memory{db, "volumes"},
		Events: l.bus, Shims: l.shims,
		Watch: func(ctx context.Context, _ string) (<-chan struct{}, error) {
			c := make(chan struct{})
			context.AfterFunc(ctx, func() { close(c) })
			return c, nil
		},
		Pool: idrange.NewPool(nil, nil, "layerlab", idrange.Default()),
		Now:  time.Now, Log: slog.New(slog.DiscardHandler),
	}
	l.start()
	t.Cleanup(func() { l.Close() })
	return l
}

func (l *lab) start() {
	l.t.Helper()
	s, err := engine.Open(l.t.Context(), l.o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.Service = s
}

// restart lets go of all containers and finds them again.
func (l *lab) restart() {
	l.t.Helper()
	if err := l.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.start()
}

func (l *lab) create() wire.Container {
	l.t.Helper()
	c, err := l.Create(l.t.Context(), wire.CreateContainer{Image: "lab:1"})
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func (l *lab) run() wire.Container {
	l.t.Helper()
	c, err := l.Start(l.t.Context(), l.create().ID)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func (l *lab) wantState(id, state string) wire.Container {
	l.t.Helper()
	c, err := l.Get(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	if c.State != state {
		l.t.Fatalf("state %s, want %s (%+v)", c.State, state, c)
	}
	return c
}

func (l *lab) wait(id string) int {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 10*time.Second)
	defer cancel()
	code, err := l.Wait(ctx, id)
	if err != nil {
		l.t.Fatal(err)
	}
	return code
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e *imagecore.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error %v, want code %s", err, code)
	}
}

func execOptions(id string) shim.ExecOptions { return shim.ExecOptions{ID: id} }
