//go:build linux

package store

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/server/store/receive"
)

// An archive that was stored often comes again. All its bytes are hashed while it
// is received, and where they are the same it need not be read; nor need a file of
// it be written that came before, in this archive or another.

const (
	remembered = 16       // archives
	compared   = 64 << 30 // bytes of their files; a GiB takes 110 KiB to remember
)

// known is an archive that was stored in this server's life.
type known struct {
	identity digest.Digest
	files    []receive.Known
	images   []digest.Digest
	refs     map[digest.Digest][]string
}

// memory holds the archives that were stored last.
type memory struct {
	mu  sync.Mutex
	all []*known // the last one first
}

func (m *memory) find(identity digest.Digest) *known {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.IndexFunc(m.all, func(k *known) bool { return k.identity == identity }); i >= 0 {
		return m.all[i]
	}
	return nil
}

// files are those of all archives, as far as they are to be remembered.
func (m *memory) files() (list []receive.Known) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.all {
		list = append(list, k.files...)
	}
	return list
}

// keep remembers what an archive was and what became of it.
func (m *memory) keep(a *receive.Archive, made []Loaded) {
	k := &known{identity: a.Identity(), files: a.Known(), refs: map[digest.Digest][]string{}}
	for _, l := range made {
		id := digest.Digest(l.Image.ID)
		k.images = append(k.images, id)
		k.refs[id] = slices.Clone(l.Names)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = slices.DeleteFunc(m.all, func(old *known) bool { return old.identity == k.identity })
	m.all = slices.Insert(m.all, 0, k)
	m.all = m.all[:min(len(m.all), remembered)]
	room := int64(compared)
	for _, k := range m.all {
		for _, f := range k.files {
			room -= f.Size
		}
		if room < 0 {
			k.files = nil
		}
	}
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
