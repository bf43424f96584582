//go:build linux

package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	bolt "go.etcd.io/bbolt"
)

// An archive that was stored often comes again. It is known by its beginning,
// hashed while it is received, in the pieces that it had, and need not be read
// where all bytes are the same.

const (
	headOf     = 64 << 10 // bytes by which an archive is known
	restAtMost = 64 << 20 // bytes beside its layers
	remembered = 16       // archives
)

// known is what an archive consisted of that was stored in this server's life.
type known struct {
	size   int64
	head   digest.Digest // of the first headOf bytes
	layers []piece       // by offset
	rest   digest.Digest // of all bytes beside them, in their order
	images []digest.Digest
	refs   map[digest.Digest][]string
}

// piece is a layer as it lies in an archive.
type piece struct {
	place
	digest digest.Digest
}

// beside calls do for what lies between the layers.
func (k *known) beside(do func(place) error) error {
	from := int64(0)
	for _, l := range append(slices.Clone(k.layers), piece{place: place{offset: k.size}}) {
		if err := do(place{from, l.offset - from}); err != nil {
			return err
		}
		from = l.offset + l.size
	}
	return nil
}

// memory holds the archives that were stored last.
type memory struct {
	mu  sync.Mutex
	all []*known // the last one first
}

func (m *memory) find(head digest.Digest) *known {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.IndexFunc(m.all, func(k *known) bool { return k.head == head }); i >= 0 {
		return m.all[i]
	}
	return nil
}

func (m *memory) keep(k *known) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = slices.DeleteFunc(m.all, func(old *known) bool { return old.head == k.head })
	m.all = slices.Insert(m.all, 0, k)
	m.all = m.all[:min(len(m.all), remembered)]
}

// arrival is an archive on its way into a file.
type arrival struct {
	f      File
	memory *memory
	head   digest.Digest // once there is so much of it

	same chan bool // what follow found; nil where nothing is followed
	mu   sync.Mutex
	more *sync.Cond
	done int64 // bytes in f
	over bool
}

func (m *memory) arrival(f File) *arrival {
	a := &arrival{f: f, memory: m}
	a.more = sync.NewCond(&a.mu)
	return a
}

// received tells how many bytes are there.
func (a *arrival) received(done int64) {
	if a.head == "" && done >= headOf {
		head := make([]byte, headOf)
		if _, err := a.f.ReadAt(head, 0); err == nil {
			a.head = digest.FromBytes(head)
			if k := a.memory.find(a.head); k != nil {
				a.same = make(chan bool, 1)
				go func() { a.same <- a.follow(k) }()
			}
		}
	}
	a.tell(done, false)
}

func (a *arrival) tell(done int64, over bool) {
	a.mu.Lock()
	a.done, a.over = max(a.done, done), over
	a.mu.Unlock()
	a.more.Broadcast()
}

// ended waits for the end of the comparison and gives the archive that all n
// bytes are the same as, nil for none.
func (a *arrival) ended(n int64) *known {
	a.tell(n, true)
	if a.same == nil {
		return nil
	}
	if k := a.memory.find(a.head); <-a.same && k != nil && k.size == n {
		return k
	}
	return nil
}

// follow hashes what comes, and says whether it is what was there before.
func (a *arrival) follow(k *known) bool {
	rest, buf := sha256.New(), make([]byte, 256<<10)
	layers := k.layers
	return k.beside(func(p place) error {
		if err := a.hash(rest, p, buf); err != nil {
			return err
		}
		if len(layers) == 0 {
			return nil
		}
		sum := sha256.New()
		if err := a.hash(sum, layers[0].place, buf); err != nil {
			return err
		}
		if digest.NewDigest(digest.SHA256, sum) != layers[0].digest {
			return io.ErrUnexpectedEOF
		}
		layers = layers[1:]
		return nil
	}) == nil && digest.NewDigest(digest.SHA256, rest) == k.rest
}

// hash hashes a place as it comes.
func (a *arrival) hash(sum hash.Hash, p place, buf []byte) error {
	for at, end := p.offset, p.offset+p.size; at < end; {
		a.mu.Lock()
		for a.done <= at && !a.over {
			a.more.Wait()
		}
		n := min(a.done, end, at+int64(len(buf))) - at
		a.mu.Unlock()
		if n <= 0 {
			return io.ErrUnexpectedEOF
		}
		if _, err := a.f.ReadAt(buf[:n], at); err != nil {
			return err
		}
		sum.Write(buf[:n])
		at += n
	}
	return nil
}

// errOdd says that layers overlap, or are not what an archive consists of.
var errOdd = errors.New("not an archive of layers") // never changed

// remember keeps what an archive of n bytes was of which these layers were
// verified. Nothing is kept of one that is small, or odd.
func (a *arrival) remember(n int64, layers map[place]digest.Digest, made []Loaded) error {
	if a.head == "" || len(layers) == 0 {
		return nil
	}
	k := &known{size: n, head: a.head, refs: map[digest.Digest][]string{}}
	for at, d := range layers {
		k.layers = append(k.layers, piece{at, d})
	}
	slices.SortFunc(k.layers, func(x, y piece) int { return cmp.Compare(x.offset, y.offset) })
	for _, l := range made {
		id := digest.Digest(l.Image.ID)
		k.images = append(k.images, id)
		k.refs[id] = slices.Clone(l.Names)
	}
	rest, size, buf := sha256.New(), int64(0), make([]byte, 256<<10)
	err := k.beside(func(p place) error {
		if size += p.size; p.size < 0 || size > restAtMost {
			return errOdd
		}
		return a.hash(rest, p, buf)
	})
	if errors.Is(err, errOdd) {
		return nil
	}
	if err == nil {
		k.rest = digest.NewDigest(digest.SHA256, rest)
		a.memory.keep(k)
	}
	return err
}

// again stores what is there already: its images get the names of the archive.
// ok is false where an image has gone since.
func (s *Store) again(ctx context.Context, k *known) (list []Loaded, ok bool, err error) {
	give, err := s.take(ctx)
	if err != nil {
		return nil, false, err
	}
	defer give()
	made := make([]*record, 0, len(k.images))
	err = s.db.View(func(tx *bolt.Tx) error {
		for _, id := range k.images {
			r, err := getRecord(tx, id)
			if err != nil {
				return err
			}
			if r != nil {
				made = append(made, r)
			}
		}
		return nil
	})
	if err != nil || len(made) != len(k.images) {
		return nil, false, err
	}
	list, err = s.loaded(made, maps.Clone(k.refs))
	return list, err == nil, err
}
