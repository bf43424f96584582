//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/store/folders"
)

// Options are what a Store needs of others.
type Options struct {
	Dir    string // DATA; made with mode 0700 where absent
	Limits imagecore.Limits
	Read   Reader // opens what people upload
	Unpack folders.Unpack
	// Users is the number of containers made of an image; nil stands for none.
	// It must not wait for a call of the store, transactions excepted.
	Users func(id digest.Digest) int
	// Publish tells of images that came and went; nil tells nobody.
	Publish func(kind, id string, data any) error
	Log     *slog.Logger
	Now     func() time.Time
	// Calm is how long no archive comes before layers are unpacked that nobody
	// waits for; 0 does not look.
	Calm time.Duration
	// Wrap may put another Disk around the one that changes the data folder:
	// tests make steps fail. nil leaves it as it is.
	Wrap func(d Disk, root *os.Root) Disk
}

// Store is the images of one data folder. It is safe for concurrent use.
type Store struct {
	o    Options
	root *os.Root
	disk Disk
	db   *bolt.DB

	memory  memory // of archives
	folders *folders.Maker
	loading atomic.Int32 // archives that come

	// turn has room for one: who stores, commits or removes.
	turn chan struct{}

	mu      sync.Mutex
	held    map[digest.Digest]int
	going   digest.Digest // the image that is being removed, "" for none
	opened  map[digest.Digest]*opened
	sweeper sync.WaitGroup
}

// Open opens the data folder, cleans up what a crash left and says in the log
// what that was.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := CheckFolder(o.Dir); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	db, err := openDB(dir)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	s := &Store{
		o: o, root: root, disk: disk{root}, db: db,
		turn:   make(chan struct{}, 1),
		held:   map[digest.Digest]int{},
		opened: map[digest.Digest]*opened{},
	}
	s.folders = folders.New(folders.Options{Dir: filepath.Join(dir, "layers"), Unpack: o.Unpack, Calm: s.calm, Log: o.Log})
	if o.Wrap != nil {
		s.disk = o.Wrap(s.disk, root)
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the store: %w", diskError(err)), s.Close())
	}
	return s, nil
}

// prepare makes the folders and brings them in line with meta.db.
func (s *Store) prepare(ctx context.Context) error {
	for _, name := range []string{"blobs", "blobs/sha256", "layers", "trash"} {
		if err := s.disk.Mkdir(name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if ok, err := exists(s.root, layoutFile); err != nil {
		return err
	} else if !ok {
		if err := replace(s.disk, ".", layoutFile, []byte(layoutText)); err != nil {
			return err
		}
	}
	if err := s.recover(ctx); err != nil {
		return err
	}
	return s.checkIndex()
}

// Close waits for what is being deleted, ends what is being unpacked and closes
// meta.db. Nothing may use the store any more.
func (s *Store) Close() error {
	s.folders.Close()
	s.sweeper.Wait()
	s.mu.Lock()
	for id, a := range s.opened {
		a.close()
		delete(s.opened, id)
	}
	s.mu.Unlock()
	return errors.Join(s.db.Close(), s.root.Close())
}

// take waits for the turn to change the store.
func (s *Store) take(ctx context.Context) (give func(), err error) {
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, canceled(ctx)
	}
}

func canceled(ctx context.Context) error {
	e := imagecore.NewError(imagecore.ErrCanceled, "canceled", "canceled")
	e.Err = context.Cause(ctx)
	return e
}

// publish tells of a change that is already durable; that it could not be told
// does not undo it.
func (s *Store) publish(kind, id string, data any) {
	if s.o.Publish == nil {
		return
	}
	if err := s.o.Publish(kind, id, data); err != nil {
		s.o.Log.Error("event not kept", "kind", kind, "id", id, "error", err)
	}
}
