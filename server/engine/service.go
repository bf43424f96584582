//go:build linux

package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/identity"
	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/caller"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/engine/idrange"
	"github.com/layerlab/layerlab/server/engine/inside"
	"github.com/layerlab/layerlab/server/engine/reach"
	"github.com/layerlab/layerlab/server/engine/runtimes"
	"github.com/layerlab/layerlab/server/engine/volumes"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Options are what a Service needs of others. Teaching, Reach and Shared may be
// zero, the others are needed.
type Options struct {
	Data   string // DATA; containers/ is made in it
	Run    string // RUN; sockets of shims lie in it under short names
	Images Images
	Bucket Bucket // of meta.db, the service's own
	Events Events
	Shims  Shims
	// Networks may be nil: containers have no network but their own then.
	Networks Networks
	// Watch signals changes beneath a container's layer (watch.Upper).
	Watch func(ctx context.Context, dir string) (<-chan struct{}, error)
	Pool  idrange.Pool // ids for containers
	// Teaching tightens limits: 256 MiB, 1 CPU, 128 processes, no_new_privs.
	Teaching bool
	// Volumes is the bucket of meta.db for volumes.
	Volumes Bucket
	// Reach is what of the host containers may get; DATA and RUN are added to
	// what none gets.
	Reach reach.Policy
	// Init is the program that --init puts into a container.
	Init string
	// Shared is the one range of ids of all containers on a host without
	// idmapped mounts, whose layers carry its ids; nil elsewhere.
	Shared *idrange.Range
	// Runtimes are those by which containers may run.
	Runtimes runtimes.Set
	// Rootless says that the server is an ordinary user's: without cgroups, so
	// that limits of theirs are refused.
	Rootless bool
	// Copies reaches the files of containers; nil: nobody copies.
	Copies *Copies
	Now    func() time.Time
	Log    *slog.Logger // what happens while nobody asked
}

// Events tells who listens what happened.
type Events interface {
	Publish(kind, id string, data any) error // kept
	Send(kind, id string, data any) error    // not kept
	Listening() bool
}

// Service is the containers of one data folder. It is safe for concurrent use;
// operations on one container happen one after the other.
type Service struct {
	o       Options
	table   table
	trees   *inside.Trees
	volumes *volumes.Store

	boot string // proc(5)'s boot_id

	ctx    context.Context // ends with Close; for what runs while nobody asks
	cancel context.CancelFunc
	work   sync.WaitGroup // monitors and watchers

	mu         sync.Mutex
	containers map[string]*container
	execs      map[string]*container // by id of the exec
	further    map[string]*execution // those that were prepared by PrepareExec
	names      map[string]string     // name → id
	taken      []idrange.Range       // of creations under way
}

// container is one container in memory. id, owner, image, ids and volumes never change; op is
// held for the length of an operation, mu for a look or a step, which may write
// to meta.db: so nothing that is called within a transaction, or with the
// Service locked, may ask for mu.
type container struct {
	id      string
	owner   string
	image   digest.Digest
	ids     idrange.Range
	volumes []string
	sized   *sized // nil: its layer has no size of its own

	op sync.Mutex
	// still is held by who reads the layer of a container, which it keeps frozen
	// for that long; shared by who would run something in it or take the layer
	// away. A stop need not wait.
	still sync.RWMutex

	mu        sync.Mutex
	rec       record
	shim      Shim          // nil unless alive
	traced    chan struct{} // closed once the trace of the last start is kept; nil before the first
	exited    chan struct{} // closed once the end is recorded and the shim gone; else nil
	execs     []*execution  // oldest first; see keptExecs
	removed   bool          // nobody may use it any more
	gone      bool          // and nothing of it is left
	ends      int           // how many runs have ended since the server began
	changed   chan struct{} // closed and made anew at each change of what stands here
	waiting   []*Waiting    // viewers of the next run
	waited    time.Duration // before the run under way, or the next by the policy
	noRestart chan struct{} // closed where the next is not to come
}

// Open reads the records and finds the containers that outlived the last
// server; what it cleaned up stands in the log.
func Open(ctx context.Context, o Options) (*Service, error) {
	for _, dir := range []string{o.Run, filepath.Join(o.Data, "containers"), filepath.Join(o.Data, "trash")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	s := &Service{
		o: o, table: table{o.Bucket}, trees: inside.NewTrees(o.Images),
		containers: map[string]*container{}, execs: map[string]*container{}, further: map[string]*execution{}, names: map[string]string{},
	}
	s.o.Reach.Never = append(slices.Clone(o.Reach.Never), o.Data, o.Run)
	s.boot = identity.Boot()
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.recover(ctx); err != nil {
		s.cancel()
		s.work.Wait()
		return nil, fmt.Errorf("recover containers: %w", err)
	}
	s.restartAtStart()
	return s, nil
}

// Close lets go of all containers, which run on.
func (s *Service) Close() error {
	s.cancel()
	s.work.Wait()
	return nil
}

// ImageUsers returns how many containers are made of an image. It calls
// nothing that may call the store.
func (s *Service) ImageUsers(id digest.Digest) int {
	n := 0
	for _, c := range s.all() {
		if c.image == id {
			n++
		}
	}
	return n
}

// List returns all containers, newest first.
func (s *Service) List(ctx context.Context) ([]wire.Container, error) {
	list, owner := []wire.Container{}, caller.Of(ctx).Owner
	for _, c := range s.all() {
		c.mu.Lock()
		if !c.removed && c.owner == owner {
			list = append(list, c.rec.view())
		}
		c.mu.Unlock()
	}
	sort.Slice(list, func(i, j int) bool {
		if !list[i].CreatedAt.Equal(list[j].CreatedAt) {
			return list[i].CreatedAt.After(list[j].CreatedAt)
		}
		return list[i].ID < list[j].ID
	})
	return list, nil
}

// Get returns one container.
func (s *Service) Get(ctx context.Context, id string) (wire.Container, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return wire.Container{}, err
	}
	return c.view(), nil
}

func (s *Service) all() []*container {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*container, 0, len(s.containers))
	for _, c := range s.containers {
		list = append(list, c)
	}
	return list
}

// find takes an id, a name, or a prefix of an id, in this order.
// Containers of others than the caller are not there.
func (s *Service) find(ctx context.Context, id string) (*container, error) {
	c, err := s.lookUp(ctx, id)
	if err == nil {
		if call := activity.Of(ctx); call != nil {
			call.Container(c.id, c.record().Name)
		}
	}
	return c, err
}

func (s *Service) lookUp(ctx context.Context, id string) (*container, error) {
	owner := caller.Of(ctx).Owner
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.containers[id]; ok && c.owner == owner {
		return c, nil
	}
	if c, ok := s.containers[s.names[id]]; ok && c.owner == owner { // a name may be kept for one that is being made
		return c, nil
	}
	var found []*container
	if id != "" {
		for full, c := range s.containers {
			if strings.HasPrefix(full, id) && c.owner == owner {
				found = append(found, c)
			}
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, notFound(id)
	}
	return nil, imagecore.NewError(imagecore.ErrAmbiguous, "container-ambiguous",
		fmt.Sprintf("container %q: %d containers begin with that id, give more of it", id, len(found)), "container", id)
}

func notFound(id string) error {
	return imagecore.NewError(imagecore.ErrNotFound, "container-not-found",
		fmt.Sprintf("container %q: not found", id), "container", id)
}

func newContainer(r record) *container {
	c := &container{id: r.ID, owner: cmp.Or(r.Owner, caller.Sole), image: r.Image, ids: r.IDs, volumes: volumesOf(r), rec: r, changed: make(chan struct{})}
	if r.Storage > 0 {
		c.sized = &sized{}
	}
	return c
}

func (c *container) view() wire.Container {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rec.view()
}

func (c *container) record() record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rec
}

func (c *container) isRemoved() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.removed
}

// change applies a step to the container's record and makes it durable; on an
// error nothing has changed.
func (s *Service) change(c *container, step func(*record) error) (wire.Container, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.changeLocked(c, step)
}

func (s *Service) changeLocked(c *container, step func(*record) error) (wire.Container, error) {
	next := c.rec
	if c.removed {
		return wire.Container{}, notFound(next.ID)
	}
	if err := step(&next); err != nil {
		return wire.Container{}, err
	}
	if err := s.table.put(next); err != nil {
		return wire.Container{}, fmt.Errorf("record container %s: %w", bundle.ShortID(next.ID), full(err))
	}
	c.rec = next
	c.tellWaiters()
	return next.view(), nil
}

// tell publishes an event; that it could not be kept must not undo what has
// happened.
func (s *Service) tell(kind, id string, data any) {
	if err := s.o.Events.Publish(kind, id, data); err != nil {
		s.o.Log.Error("event lost", "kind", kind, "id", id, "err", err)
	}
}

// act tells what was done to a container that left it what it is.
func (s *Service) act(c *container, action string, more ...string) {
	rec := c.record()
	a := wire.Action{Of: "container", Action: action, Attributes: map[string]string{"name": rec.Name, "image": rec.ImageRef}}
	maps.Copy(a.Attributes, rec.Settings.Labels)
	for i := 0; i+1 < len(more); i += 2 {
		a.Attributes[more[i]] = more[i+1]
	}
	s.tell(wire.EventAction, c.id, a)
}

// Act tells what was done to a container from outside; more are attributes and
// their values by turns.
func (s *Service) Act(ctx context.Context, id, action string, more ...string) {
	if c, err := s.find(ctx, id); err == nil {
		s.act(c, action, more...)
	}
}

func (s *Service) folder(id string) string { return filepath.Join(s.o.Data, "containers", id) }

// socket's name is short: sun_path holds 108 bytes (unix(7)).
func (s *Service) socket(id string) string {
	return filepath.Join(s.o.Run, bundle.ShortID(id)+".sock")
}

// cgroup is where a container's processes are, "" where there are no cgroups to
// be had.
func (s *Service) cgroup(id string) string {
	if s.o.Rootless {
		return ""
	}
	return "/layerlab/" + id
}

func newID() string {
	var b [32]byte
	rand.Read(b[:]) // never fails, crypto/rand
	return hex.EncodeToString(b[:])
}

// seed spreads the id ranges of servers with different data folders.
func (s *Service) seed() uint32 {
	h := fnv.New32a()
	h.Write([]byte(s.o.Data))
	return h.Sum32()
}
