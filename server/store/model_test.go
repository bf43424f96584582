//go:build linux

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/opencontainers/go-digest"
	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// schedule lets one step of the store happen at a time, in an order that a seed
// decides: whoever is about to change the disk, commit a transaction or write a
// piece of an archive waits here until it is chosen.
type schedule struct {
	rng *rand.Rand

	mu      sync.Mutex
	on      bool
	waiting []*waiter
	trace   []string // the steps, in their order
}

type waiter struct {
	step string
	turn chan struct{}
}

func (s *schedule) wait(format string, args ...any) {
	w := &waiter{step: fmt.Sprintf(format, args...), turn: make(chan struct{})}
	s.mu.Lock()
	if !s.on {
		s.mu.Unlock()
		return
	}
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()
	<-w.turn
}

// random names would make another order of the same steps.
var suffixes = regexp.MustCompile(`(\.partial-|trash/[a-z]+\.|spool-|unpack-)[a-z2-7]{12}`)

// next lets one of those who wait go on; false if nobody waits.
func (s *schedule) next() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return false
	}
	for _, w := range s.waiting {
		w.step = suffixes.ReplaceAllString(w.step, "$1*")
	}
	slices.SortStableFunc(s.waiting, func(a, b *waiter) int { return strings.Compare(a.step, b.step) })
	i := s.rng.IntN(len(s.waiting))
	w := s.waiting[i]
	s.waiting = slices.Delete(s.waiting, i, i+1)
	s.trace = append(s.trace, w.step)
	close(w.turn)
	return true
}

// stepped is a Disk that asks before each step.
type stepped struct {
	disk
	s *schedule
}

func (d stepped) Spool() (File, error) {
	d.s.wait("spool")
	return d.disk.Spool()
}

func (d stepped) Create(name string) (File, error) {
	d.s.wait("create %s", name)
	return d.disk.Create(name)
}

func (d stepped) Rename(old, name string) error {
	d.s.wait("rename %s %s", old, name)
	return d.disk.Rename(old, name)
}

func (d stepped) SyncDir(name string) error {
	d.s.wait("sync %s", name)
	return d.disk.SyncDir(name)
}

func (d stepped) RemoveAll(name string) error {
	d.s.wait("remove %s", name)
	return d.disk.RemoveAll(name)
}

func (d stepped) Commit() error {
	d.s.wait("commit")
	return d.disk.Commit()
}

// model is a store that several actors use at once.
type model struct {
	t *testing.T
	*bench
	sched    *schedule
	archives [][]byte
	configs  []saved

	mu         sync.Mutex
	containers []digest.Digest // what each is made of
	known      map[string]bool // images, by the events in their order
	did        map[string]int  // operations that came to their end
}

// holds looks at the store between two steps: all that its images need is
// there, those of containers among them.
func (m *model) holds() error {
	m.Store.mu.Lock()
	going := m.going
	m.Store.mu.Unlock()
	return m.db.View(func(tx *bolt.Tx) error {
		all, err := records(tx)
		if err != nil {
			return err
		}
		there := map[digest.Digest]bool{}
		for _, r := range all {
			if r.ID == going {
				continue // nobody can begin to use it
			}
			there[r.ID] = true
			need := []string{indexFile(r.top())}
			for _, d := range r.blobs() {
				need = append(need, blobFile(d))
			}
			for _, l := range r.Layers {
				if m.users(r.ID) > 0 {
					need = append(need, layerDir(l.ChainID))
				}
			}
			for _, name := range need {
				if ok, err := exists(m.root, name); err != nil || !ok {
					return errors.Join(err, fmt.Errorf("image %s lacks %s", r.ID, name))
				}
			}
		}
		for name, id := range flatten(names(tx)) {
			if !there[id] && id != going {
				return fmt.Errorf("%s names %s, which is not there", name, id)
			}
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, id := range m.containers {
			if !there[id] {
				return fmt.Errorf("a container's image %s is gone", id)
			}
		}
		return nil
	})
}

func flatten(names map[digest.Digest][]string) map[string]digest.Digest {
	out := map[string]digest.Digest{}
	for id, list := range names {
		for _, name := range list {
			out[name] = id
		}
	}
	return out
}

// actor does a few operations, one after the other.
func (m *model) actor(ctx context.Context, n int, rng *rand.Rand) {
	for range 3 {
		m.sched.wait("actor %d", n)
		names := []string{"a:1", "b:1", "b:2", "c:1", "c:2", "made:1"}
		name := names[rng.IntN(len(names))]
		ops := []struct {
			name string
			do   func() error
		}{
			{"load", func() error {
				b := m.archives[rng.IntN(len(m.archives))]
				_, err := m.Import(ctx, bytes.NewReader(b), int64(len(b)), nil)
				return err
			}},
			{"commit", func() error {
				parent := m.configs[rng.IntN(len(m.configs))]
				config, _ := parent.config(m.t)
				layer := imagetest.MustParse(fmt.Sprintf("-- layer --\nf new \"%d\"\n", rng.IntN(2)))[0].Tar()
				_, err := m.Commit(ctx, Commit{Parent: parent.id(m.t), Layer: bytes.NewReader(layer), Config: config, Ref: "made:1"})
				return err
			}},
			{"save", func() error { return m.saves(ctx, name) }},
			{"read", func() error { return m.reads(ctx, name) }},
			{"rmi", func() error { return m.Remove(ctx, name) }},
			{"rmi", func() error { return m.Remove(ctx, m.configs[rng.IntN(len(m.configs))].id(m.t).String()) }},
			{"tag", func() error { _, err := m.Tag(ctx, name, "b:2"); return err }},
			{"untag", func() error { _, err := m.Untag(ctx, name); return err }},
			{"prune", func() error { return m.prunes(ctx) }},
			{"create", func() error { return m.creates(ctx, name) }},
			{"rm", func() error { return m.removes() }},
		}
		op := ops[rng.IntN(len(ops))]
		if op.do() == nil {
			m.mu.Lock()
			m.did[op.name]++
			m.mu.Unlock()
		}
	}
}

// saves writes an image slowly: the bytes must be whole to the last.
func (m *model) saves(ctx context.Context, name string) error {
	img, release, err := m.Hold(ctx, name)
	if err != nil {
		return err
	}
	release()
	var out bytes.Buffer
	err = m.SaveAll(ctx, []Named{{ID: img.ID}}, func() io.Writer {
		return writerFunc(func(p []byte) (int, error) {
			m.sched.wait("write to the client")
			return out.Write(p)
		})
	})
	if err != nil {
		return err
	}
	a, err := Native(m.o.Limits, m.dir)(context.Background(), bytes.NewReader(out.Bytes()), int64(out.Len()), nil)
	if err != nil {
		m.t.Errorf("what was saved of %s can't be read: %v", img.ID, err)
		return nil
	}
	defer a.Close()
	for i, l := range img.Layers {
		r, err := a.OpenBlob(0, i)
		if err != nil {
			m.t.Error(err)
			continue
		}
		if got, err := digest.FromReader(r); err != nil || got != l.DiffID {
			m.t.Errorf("saved layer %d of %s is %s: %v", i, img.ID, got, err)
		}
		r.Close()
	}
	return nil
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// reads looks into an image's layers and its tree.
func (m *model) reads(ctx context.Context, name string) error {
	img, release, err := m.Hold(ctx, name)
	if err != nil {
		return err
	}
	defer release()
	m.sched.wait("between hold and read")
	if _, err := m.Index(ctx, img.ID.String(), tree.DockerOverlay2); err != nil && !errors.Is(err, imagecore.ErrCanceled) {
		m.t.Errorf("held image %s: %v", img.ID, err)
	}
	for i, l := range img.Layers {
		m.sched.wait("read a layer")
		r, err := m.LayerAt(ctx, img.ID, i)
		if err != nil {
			m.t.Errorf("held image %s: %v", img.ID, err)
			continue
		}
		if got, err := digest.FromReader(io.NewSectionReader(r, 0, r.Size())); err != nil || got != l.DiffID {
			m.t.Errorf("layer %d of %s is %s: %v", i, img.ID, got, err)
		}
		r.Close()
	}
	return nil
}

// creates makes a container as the engine does: the image is held until the
// container counts.
func (m *model) creates(ctx context.Context, name string) error {
	img, release, err := m.Hold(ctx, name)
	if err != nil {
		return err
	}
	defer release()
	m.sched.wait("create a container")
	if err := m.Unpack(ctx, img.ID); err != nil {
		if !errors.Is(err, imagecore.ErrCanceled) {
			m.t.Errorf("the image is held: %v", err)
		}
		return err
	}
	m.sched.wait("its layers are unpacked")
	for _, l := range img.Layers {
		if _, err := os.Stat(l.Dir); err != nil {
			m.t.Errorf("the image is held: %v", err)
		}
	}
	m.mu.Lock()
	m.containers = append(m.containers, img.ID)
	m.mu.Unlock()
	m.sched.wait("the container is there")
	return nil
}

func (m *model) removes() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.containers) > 0 {
		m.containers = m.containers[1:]
	}
	return nil
}

// prunes removes what has no name and no container.
func (m *model) prunes(ctx context.Context) error {
	all, err := m.All(ctx)
	for _, img := range all {
		m.sched.wait("prune the next")
		if len(img.Refs) == 0 && m.users(img.ID) == 0 {
			if err := m.Remove(ctx, img.ID.String()); err != nil &&
				!errors.Is(err, imagecore.ErrConflict) && !errors.Is(err, imagecore.ErrNotFound) && !errors.Is(err, imagecore.ErrCanceled) {
				return err
			}
		}
	}
	return err
}

// newModel opens a store whose steps wait.
func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, known: map[string]bool{}, did: map[string]int{}, sched: &schedule{rng: rand.New(rand.NewPCG(seed, 1))}}
	m.configs = []saved{
		{stack: base, refs: []string{"a:1"}},
		{stack: changed, refs: []string{"b:1", "b:2"}},
		{stack: other, env: "x", refs: []string{"c:1"}},
		{stack: changed, env: "y", refs: []string{"c:2", "a:1"}},
		{stack: base + "-- layer --\nf large \"" + strings.Repeat("x", 1<<20) + "\"\n", refs: []string{"b:2"}}, // of a file of its own
	}
	whole := dockerSave(t, "", m.configs[2], m.configs[3])
	m.archives = [][]byte{
		dockerSave(t, "", m.configs[0]), dockerSave(t, "", m.configs[1]), whole, dockerSave(t, "", m.configs[4]),
		bytes.Replace(whole, []byte("better tools"), []byte("bitter tools"), 1), // fails late
	}
	dir := inMemory(t)
	m.bench = openBench(t, dir, func(o *Options) {
		o.Wrap = func(_ Disk, root *os.Root) Disk { return stepped{disk{root}, m.sched} }
		o.Users = func(id digest.Digest) int {
			m.mu.Lock()
			defer m.mu.Unlock()
			n := 0
			for _, of := range m.containers {
				if of == id {
					n++
				}
			}
			return n
		}
		o.Publish = func(kind, id string, _ any) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			switch kind {
			case "image.created":
				m.known[id] = true
			case "image.deleted":
				delete(m.known, id)
			}
			return nil
		}
	})
	m.bench.unpack.step = func() error { m.sched.wait("unpack"); return nil }
	return m
}

// run lets the actors loose and returns what they managed to do.
func (m *model) run(seed uint64, actors int) map[string]int {
	m.load(m.t, m.archives[2])
	m.sched.on = true
	var all sync.WaitGroup
	var cancels []context.CancelFunc
	for n := range actors {
		ctx, cancel := context.WithCancel(context.Background())
		cancels = append(cancels, cancel)
		all.Go(func() { m.actor(ctx, n, rand.New(rand.NewPCG(seed, uint64(n)+2))) })
	}
	done := false
	go func() { all.Wait(); done = true }()
	for synctest.Wait(); ; synctest.Wait() {
		if err := m.holds(); err != nil {
			m.t.Fatalf("after %d steps: %v\n%s", len(m.sched.trace), err, strings.Join(m.sched.trace, "\n"))
		}
		// Now and then a client goes away in the middle.
		if m.sched.rng.IntN(100) == 0 {
			n := m.sched.rng.IntN(actors)
			m.sched.trace = append(m.sched.trace, fmt.Sprintf("client %d goes away", n))
			cancels[n]()
			synctest.Wait()
		}
		if !m.sched.next() {
			break
		}
	}
	if !done {
		m.t.Fatalf("nobody can go on\n%s", strings.Join(m.sched.trace, "\n"))
	}
	for _, cancel := range cancels {
		cancel()
	}
	return m.did
}

// end looks at what is left once all is quiet, first as it stands.
func (m *model) end() {
	m.sched.on = false
	list, err := m.List(context.Background())
	if err != nil {
		m.t.Fatal(err)
	}
	for _, img := range list {
		if !m.known[img.ID] {
			m.t.Errorf("image %s is there, though the events say that it is not", img.ID)
		}
	}
	if len(list) != len(m.known) {
		m.t.Errorf("%d images, %d by the events", len(list), len(m.known))
	}
	if len(m.held) > 0 || m.going != "" {
		m.t.Errorf("still held: %v, going: %q", m.held, m.going)
	}
	if err := m.Close(); err != nil {
		m.t.Error(err)
	}
	again := openBench(m.t, m.dir, nil)
	if said := again.log.String(); said != "" {
		m.t.Errorf("something leaked: the next start says\n%s", said)
	}
	again.Close()
	check(m.t, m.dir)
}

// TestNoOrderOfStepsTakesWhatIsInUse lets actors load, commit, save, read, tag,
// untag, remove, prune and make containers at once, their steps interleaved in
// an order that a seed decides, some giving up in the middle: between any two
// steps all images are whole, what is read is right, and in the end nothing is
// left over. LAYERLAB_SCHEDULES is how many orders are tried.
func TestNoOrderOfStepsTakesWhatIsInUse(t *testing.T) {
	tries := 100
	if v, err := strconv.Atoi(os.Getenv("LAYERLAB_SCHEDULES")); err == nil {
		tries = v
	}
	first := uint64(0)
	if v, err := strconv.ParseUint(os.Getenv("LAYERLAB_SEED"), 10, 64); err == nil {
		first, tries = v, 1
	}
	did, steps := map[string]int{}, 0
	for seed := first; seed < first+uint64(tries); seed++ {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel(t, seed)
				for op, n := range m.run(seed, 4) {
					did[op] += n
				}
				m.end()
				steps += len(m.sched.trace)
				if t.Failed() {
					t.Log(strings.Join(m.sched.trace, "\n"))
				}
			})
		})
		if !ok {
			break
		}
	}
	t.Logf("%d orders, %d steps; done to the end: %v", tries, steps, did)
	for _, op := range []string{"load", "commit", "save", "read", "rmi", "tag", "untag", "prune", "create", "rm"} {
		if did[op] == 0 && tries >= 100 {
			t.Errorf("%s was never done to its end", op)
		}
	}
}
