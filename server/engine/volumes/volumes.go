//go:build linux

package volumes

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Bucket is a bucket of meta.db. The *bolt.Bucket is valid within the call.
type Bucket interface {
	Update(func(*bolt.Bucket) error) error
	View(func(*bolt.Bucket) error) error
}

// Options are what a Store needs. All fields but Shift are needed.
type Options struct {
	Data   string // DATA; volumes/ is made in it, trash/ is there
	Bucket Bucket // the store's own
	// Users lists the containers that have a volume. It is called with the
	// store locked, and must not call it.
	Users func(name string) []string
	// Tell publishes an event.
	Tell func(kind, id string, data any)
	// Shift is added to every owner: the first id of the one range of a host
	// without idmapped mounts.
	Shift uint32
	Now   func() time.Time
	Log   *slog.Logger
}

// Store is the volumes of one data folder. It is safe for concurrent use.
type Store struct {
	o Options

	mu      sync.Mutex
	volumes map[string]*volume
}

type volume struct {
	rec   record
	holds int        // creations of containers under way
	seed  sync.Mutex // one seeding at a time
}

// record is what meta.db knows of a volume: the key is its name.
type record struct {
	Name      string
	Owner     string
	Labels    map[string]string `json:",omitempty"`
	Anonymous bool              `json:",omitempty"`
	CreatedAt time.Time
	Shift     uint32 `json:",omitempty"` // of the files' owners
	Seeding   bool   `json:",omitempty"` // begun and not ended: its content is rubbish
}

// Open reads the volumes and clears what a crash left: folders without a
// record, and content that was being seeded.
func Open(o Options) (*Store, error) {
	s := &Store{o: o, volumes: map[string]*volume{}}
	if err := os.MkdirAll(s.dir(), 0o700); err != nil {
		return nil, err
	}
	err := o.Bucket.View(func(b *bolt.Bucket) error {
		return b.ForEach(func(_, value []byte) error {
			var r record
			if err := json.Unmarshal(value, &r); err != nil {
				return err
			}
			s.volumes[r.Name] = &volume{rec: r}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read volumes: %w", err)
	}
	entries, err := os.ReadDir(s.dir())
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if s.volumes[e.Name()] == nil {
			o.Log.Info("remove what is left of a volume", "volume", e.Name())
			if err := s.discard(e.Name()); err != nil {
				return nil, err
			}
		}
	}
	for _, v := range s.volumes {
		if v.rec.Seeding {
			if err := s.reseed(v); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// reseed empties a volume whose first content was cut short.
func (s *Store) reseed(v *volume) error {
	s.o.Log.Info("empty a volume that was being seeded", "volume", v.rec.Name)
	if err := snapshot.Remove(s.Path(v.rec.Name)); err != nil {
		return err
	}
	if err := s.makeFolder(v.rec); err != nil {
		return err
	}
	v.rec.Seeding = false
	return s.put(v.rec)
}

func (s *Store) dir() string { return filepath.Join(s.o.Data, "volumes") }

// Path is where a volume's files lie on the host.
func (s *Store) Path(name string) string { return filepath.Join(s.dir(), name, "_data") }

// names are those of moby's local driver.
var names = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// CheckName refuses what is no name of a volume. Code: bad-volume-name.
func CheckName(name string) error {
	if len(name) == 1 {
		return imagecore.NewError(imagecore.ErrInvalid, "bad-volume-name", "volume name is too short, names should be at least two alphanumeric characters", "name", name)
	}
	if !names.MatchString(name) || len(name) > 255 {
		return imagecore.NewError(imagecore.ErrInvalid, "bad-volume-name",
			fmt.Sprintf("%q includes invalid characters for a local volume name, only %q are allowed. If you intended to pass a host directory, use absolute path", name, "[a-zA-Z0-9][a-zA-Z0-9_.-]"), "name", name)
	}
	return nil
}

// Create makes a volume, or returns the one of that name. Codes:
// bad-volume-name.
func (s *Store) Create(_ context.Context, owner string, req wire.CreateVolume) (wire.Volume, error) {
	v, err := s.create(owner, req, false)
	if err != nil {
		return wire.Volume{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view(v), nil
}

// Hold makes a volume or takes the one of that name, which nobody can remove
// until release is called: by then a container's record names it.
func (s *Store) Hold(owner string, req wire.CreateVolume) (name string, release func(), err error) {
	v, err := s.create(owner, req, true)
	if err != nil {
		return "", nil, err
	}
	return v.rec.Name, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		v.holds--
	}, nil
}

func (s *Store) create(owner string, req wire.CreateVolume, hold bool) (*volume, error) {
	rec := record{Name: req.Name, Owner: owner, Labels: maps.Clone(req.Labels), CreatedAt: s.o.Now().UTC(), Shift: s.o.Shift}
	if rec.Name == "" {
		var b [32]byte
		rand.Read(b[:]) // never fails, crypto/rand
		rec.Name, rec.Anonymous = hex.EncodeToString(b[:]), true
	} else if err := CheckName(rec.Name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.volumes[rec.Name]
	switch {
	case v == nil:
		// The folder before the record: a folder without a record is swept.
		if err := s.makeFolder(rec); err != nil {
			return nil, fmt.Errorf("volume %s: %w", rec.Name, err)
		}
		if err := s.put(rec); err != nil {
			return nil, errors.Join(fmt.Errorf("record volume %s: %w", rec.Name, err), s.discard(rec.Name))
		}
		v = &volume{rec: rec}
		s.volumes[rec.Name] = v
		s.o.Tell(wire.EventVolumeCreated, rec.Name, s.view(v))
	case v.rec.Owner != owner:
		return nil, notFound(rec.Name) // names of others are not told
	case v.rec.Shift != s.o.Shift && hold:
		return nil, imagecore.NewError(imagecore.ErrHost, "volume-other-ids",
			fmt.Sprintf("volume %s: its files carry ids from %d on, and this server's containers begin at %d: it was written with another way of mounting", rec.Name, v.rec.Shift, s.o.Shift), "name", rec.Name)
	}
	if hold {
		v.holds++
	}
	return v, nil
}

func (s *Store) makeFolder(rec record) error {
	dir := s.Path(rec.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	return errors.Join(os.Chmod(dir, 0o755), os.Chown(dir, int(rec.Shift), int(rec.Shift)))
}

func (s *Store) put(rec record) error {
	value, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return s.o.Bucket.Update(func(b *bolt.Bucket) error { return b.Put([]byte(rec.Name), value) })
}

// view is a volume as others see it; the store is locked.
func (s *Store) view(v *volume) wire.Volume {
	users := s.o.Users(v.rec.Name)
	if users == nil {
		users = []string{}
	}
	return wire.Volume{
		Name: v.rec.Name, Labels: v.rec.Labels, CreatedAt: v.rec.CreatedAt, Anonymous: v.rec.Anonymous,
		Path: s.Path(v.rec.Name), UsedBy: users,
	}
}

// List returns an owner's volumes by name.
func (s *Store) List(owner string) []wire.Volume {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []wire.Volume{}
	for _, v := range s.volumes {
		if v.rec.Owner == owner {
			list = append(list, s.view(v))
		}
	}
	slices.SortFunc(list, func(a, b wire.Volume) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Get returns one volume. Code: volume-not-found.
func (s *Store) Get(owner, name string) (wire.Volume, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.volumes[name]
	if v == nil || v.rec.Owner != owner {
		return wire.Volume{}, notFound(name)
	}
	return s.view(v), nil
}

// Remove deletes a volume that no container has. Codes: volume-not-found,
// volume-in-use (args name, containers).
func (s *Store) Remove(owner, name string) error {
	s.mu.Lock()
	v := s.volumes[name]
	if v == nil || v.rec.Owner != owner {
		s.mu.Unlock()
		return notFound(name)
	}
	view := s.view(v)
	if len(view.UsedBy) > 0 || v.holds > 0 {
		s.mu.Unlock()
		return imagecore.NewError(imagecore.ErrConflict, "volume-in-use",
			fmt.Sprintf("remove %s: volume is in use - [%s]", name, strings.Join(view.UsedBy, ", ")), "name", name, "containers", strings.Join(view.UsedBy, " "))
	}
	err := s.o.Bucket.Update(func(b *bolt.Bucket) error { return b.Delete([]byte(name)) })
	if err != nil {
		s.mu.Unlock()
		return fmt.Errorf("forget volume %s: %w", name, err)
	}
	delete(s.volumes, name)
	err = s.toTrash(name) // before another of this name can be made
	s.mu.Unlock()
	s.o.Tell(wire.EventVolumeDeleted, name, view)
	if err != nil {
		return err
	}
	return snapshot.Remove(s.trash(name))
}

func (s *Store) trash(name string) string { return filepath.Join(s.o.Data, "trash", "volume-"+name) }

func (s *Store) toTrash(name string) error {
	if err := snapshot.Remove(s.trash(name)); err != nil {
		return err
	}
	err := os.Rename(filepath.Join(s.dir(), name), s.trash(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// discard deletes a folder by way of trash/, so that what a crash leaves there
// is known to be rubbish.
func (s *Store) discard(name string) error {
	if err := s.toTrash(name); err != nil {
		return err
	}
	return snapshot.Remove(s.trash(name))
}

// Size is the number of bytes of a volume's files as they lie on disk, each
// file once.
func (s *Store) Size(ctx context.Context, name string) (int64, error) {
	return diskBytes(ctx, s.Path(name))
}

func notFound(name string) error {
	return imagecore.NewError(imagecore.ErrNotFound, "volume-not-found", fmt.Sprintf("get %s: no such volume", name), "name", name)
}
