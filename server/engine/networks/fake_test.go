//go:build linux

package networks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/runtime/network/egress"
	"github.com/layerlab/layerlab/server/engine/networks"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// fakeHelpers are the helpers of a host, by socket.
type fakeHelpers struct {
	mu      sync.Mutex
	live    map[string]*fakeHelper
	started int
	cut     []string // networks whose way out was closed
	cleaned []string
	taken   map[uint16]bool // ports of the host that somebody has
}

func (f *fakeHelpers) Start(_ context.Context, n network.Network) (networks.Helper, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started++
	h := &fakeHelper{all: f, state: network.State{Network: n, Pid: f.started}, endpoints: map[string]network.Endpoint{}, gone: make(chan struct{})}
	f.live[n.Socket] = h
	return h, nil
}

func (f *fakeHelpers) Dial(_ context.Context, socket string) (networks.Helper, *network.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.live[socket]
	if h == nil {
		return nil, nil, network.ErrGone
	}
	s := h.state
	for _, e := range h.endpoints {
		s.Endpoints = append(s.Endpoints, e)
	}
	return h, &s, nil
}

func (f *fakeHelpers) Clean(_ context.Context, n network.Network) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cleaned = append(f.cleaned, n.Name)
	return errors.Join(os.RemoveAll(n.Pin), os.RemoveAll(n.Socket))
}

func (f *fakeHelpers) CutOff(_ context.Context, n network.Network) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = append(f.cut, n.Name)
	return nil
}

// of returns the helper of a network.
func (f *fakeHelpers) of(name string) *fakeHelper {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range f.live {
		if h.state.Network.Name == name {
			return h
		}
	}
	return nil
}

type fakeHelper struct {
	all       *fakeHelpers
	state     network.State
	endpoints map[string]network.Endpoint
	names     network.Names
	gone      chan struct{}
	once      sync.Once
}

// kill ends it as kill -9 does: its ports are free.
func (h *fakeHelper) kill() {
	h.all.mu.Lock()
	delete(h.all.live, h.state.Network.Socket)
	for _, e := range h.endpoints {
		for _, p := range e.Ports {
			delete(h.all.taken, p.Bound)
		}
	}
	h.all.mu.Unlock()
	h.once.Do(func() { close(h.gone) })
}

func (h *fakeHelper) dead() bool {
	select {
	case <-h.gone:
		return true
	default:
		return false
	}
}

func (h *fakeHelper) State(ctx context.Context) (*network.State, error) {
	_, s, err := h.all.Dial(ctx, h.state.Network.Socket)
	return s, err
}

func (h *fakeHelper) Join(_ context.Context, e network.Endpoint, _ network.Target) ([]network.Port, error) {
	if h.dead() {
		return nil, network.ErrGone
	}
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	ports := slices.Clone(e.Ports)
	for i, p := range ports {
		had := slices.ContainsFunc(h.endpoints[e.ID].Ports, func(q network.Port) bool { return q.Bound == p.First })
		if p.First != 0 && h.all.taken[p.First] && !had {
			return nil, imagecore.NewError(imagecore.ErrConflict, network.CodePortTaken, "taken",
				"address", p.Host.String(), "port", fmt.Sprint(p.First), "proto", p.Proto, "container-port", fmt.Sprint(p.Port), "reason", "address already in use")
		}
		if ports[i].Bound = p.First; p.First == 0 {
			ports[i].Bound = 40000 + p.Port
		}
		h.all.taken[ports[i].Bound] = true
	}
	e.Ports = ports
	h.endpoints[e.ID] = e
	return ports, nil
}

func (h *fakeHelper) Leave(_ context.Context, id string, _ bool) error {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	for _, p := range h.endpoints[id].Ports {
		delete(h.all.taken, p.Bound)
	}
	delete(h.endpoints, id)
	return nil
}

func (h *fakeHelper) SetNames(_ context.Context, names network.Names) error {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	h.names = names
	return nil
}

func (h *fakeHelper) SetWay(_ context.Context, out bool, servers []netip.AddrPort) error {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	h.state.Network.Out, h.state.Network.Servers = out, servers
	return nil
}

func (h *fakeHelper) Watch(ctx context.Context, ready func(), _ func(network.Event)) error {
	ready()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-h.gone:
		return network.ErrGone
	}
}

func (h *fakeHelper) End(context.Context) error { h.kill(); return nil }

// list is what is plugged in: "container address/bits via gateway ports".
func (h *fakeHelper) list() (all []string) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	for _, e := range h.endpoints {
		text := e.Container + " " + e.Interface + " " + e.Address.String()
		if e.Gateway.IsValid() {
			text += " via " + e.Gateway.String()
		}
		if e.Resolve != nil {
			text += " resolves"
		}
		for _, p := range e.Ports {
			text += fmt.Sprintf(" %d:%d/%s", p.Bound, p.Port, p.Proto)
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// fakeEgress is a way out whose process the test plays.
type fakeEgress struct {
	mu     sync.Mutex
	opened []string
	tell   chan egress.Event // to the one who watches
	close  chan struct{}     // a value ends one watch
}

func (f *fakeEgress) Servers() []netip.AddrPort {
	return []netip.AddrPort{netip.MustParseAddrPort("9.9.9.9:53")}
}

func (f *fakeEgress) Start(_ context.Context, n network.Network) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened = append(f.opened, n.Name)
	return nil
}

func (f *fakeEgress) Watch(ctx context.Context, _ network.Network, tell func(egress.Event)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.close:
			return errors.New("closed")
		case e := <-f.tell:
			tell(e)
		}
	}
}

func (f *fakeEgress) Allowed(a netip.Addr) bool { return !a.IsPrivate() && !a.IsLoopback() }

// bucket is meta.db, but for the server's other buckets.
type bucket struct{ db *bolt.DB }

func (b bucket) Update(f func(*bolt.Bucket) error) error {
	return b.db.Update(func(tx *bolt.Tx) error {
		k, err := tx.CreateBucketIfNotExists([]byte("networks"))
		if err != nil {
			return err
		}
		return f(k)
	})
}

func (b bucket) View(f func(*bolt.Bucket) error) error {
	return b.db.View(func(tx *bolt.Tx) error {
		if k := tx.Bucket([]byte("networks")); k != nil {
			return f(k)
		}
		return nil
	})
}

// heard keeps events: "kind id".
type heard struct {
	mu   sync.Mutex
	list []string
	more chan struct{}
}

func (h *heard) Publish(kind, id string, data any) error { return h.Send(kind, id, data) }

func (h *heard) Send(kind, id string, data any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, fmt.Sprintf("%s %.8s %v", kind, id, data))
	close(h.more)
	h.more = make(chan struct{})
	return nil
}

// wait returns once something that is heard contains text.
func (h *heard) wait(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		h.mu.Lock()
		more, found := h.more, slices.ContainsFunc(h.list, func(s string) bool { return strings.Contains(s, text) })
		h.mu.Unlock()
		if found {
			return
		}
		select {
		case <-more:
		case <-time.After(time.Until(deadline)):
			t.Fatalf("%q was never heard: %q", text, h.list)
		}
	}
}

// lab is a service over fakes; again starts another server on the same data.
type lab struct {
	*networks.Service
	t       *testing.T
	dir     string
	db      *bolt.DB
	helpers *fakeHelpers
	egress  *fakeEgress
	events  *heard
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{
		t: t, dir: t.TempDir(), helpers: &fakeHelpers{live: map[string]*fakeHelper{}, taken: map[uint16]bool{}},
		egress: &fakeEgress{tell: make(chan egress.Event), close: make(chan struct{})}, events: &heard{more: make(chan struct{})},
	}
	var err error
	if l.db, err = bolt.Open(filepath.Join(l.dir, "meta.db"), 0o600, &bolt.Options{Timeout: time.Second}); err != nil {
		t.Fatal(err)
	}
	l.Service = l.open(nil)
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), l.db.Close()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// again is the server after a restart, with a way out or without.
func (l *lab) again(out networks.Egress) {
	l.t.Helper()
	if err := l.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.Service = l.open(out)
}

func (l *lab) open(out networks.Egress) *networks.Service {
	l.t.Helper()
	s, err := networks.Open(context.Background(), networks.Options{
		Run: l.dir, Bucket: bucket{l.db}, Events: l.events, Helpers: l.helpers, Egress: out,
		Bridge: netip.MustParsePrefix("172.17.0.1/16"), Publish: netip.MustParseAddr("127.0.0.1"),
		Now: func() time.Time { return time.Unix(1_700_000_000, 0) }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// target is a container's process: any will do for fakes.
func target(context.Context) (network.Target, error) {
	p, err := os.Open(os.DevNull)
	if err != nil {
		return network.Target{}, err
	}
	n, err := os.Open(os.DevNull)
	return network.Target{Process: p, Namespace: n}, err
}

// id is a container's, from its name.
func id(name string) string { return (name + strings.Repeat("0", 64))[:64] }

// up adds a container and plugs it in.
func (l *lab) up(name string, want wire.ContainerNetwork) error {
	l.t.Helper()
	if err := l.Add(l.t.Context(), networks.Container{ID: id(name), Name: name, Want: want}); err != nil {
		return err
	}
	if _, err := l.Prepare(l.t.Context(), id(name), name); err != nil {
		return err
	}
	return l.Attach(l.t.Context(), id(name), target)
}

func (l *lab) mustUp(name string, want wire.ContainerNetwork) {
	l.t.Helper()
	if err := l.up(name, want); err != nil {
		l.t.Fatal(name, err)
	}
}

func (l *lab) create(req wire.CreateNetwork) wire.Network {
	l.t.Helper()
	n, err := l.Create(l.t.Context(), req)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// has compares what is plugged into a network's helper.
func (l *lab) has(net string, want ...string) {
	l.t.Helper()
	var got []string
	if h := l.helpers.of(net); h != nil {
		got = h.list()
	}
	if !slices.Equal(got, want) {
		l.t.Errorf("in %s:\n got %q\nwant %q", net, got, want)
	}
}

// refuses wants an error of a code whose text contains some words.
func refuses(t *testing.T, err error, code, words string) {
	t.Helper()
	e, ok := errors.AsType[*imagecore.Error](err)
	if !ok || e.Code != code || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want %s: %s", err, code, words)
	}
}
