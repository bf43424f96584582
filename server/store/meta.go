//go:build linux

package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Buckets of meta.db that are the store's own; others are handed out by Bucket.
const (
	bucketImages = "images" // digest of the config → record as JSON
	bucketNames  = "names"  // "name:tag" → digest of the config
	bucketState  = "state"  // what index.json should be
)

// Keys of bucketState: the digests of index.json as last derived, and as it
// was derived before that, which is what a crash between the transaction and
// the file leaves there.
const (
	keyIndex  = "index.json"
	keyBefore = "index.json.before"
)

// record is what meta.db knows about an image.
type record struct {
	ID            digest.Digest   `json:"id"`
	Manifest      v1.Descriptor   `json:"manifest"`
	Platform      string          `json:"platform"`
	Created       time.Time       `json:"created"`
	Stored        time.Time       `json:"stored"`
	Sample        bool            `json:"sample,omitempty"`
	Parent        digest.Digest   `json:"parent,omitempty"`        // what it was committed on
	CommittedFrom string          `json:"committedFrom,omitempty"` // the container's id
	Layers        []layerRecord   `json:"layers"`
	Report        json.RawMessage `json:"report"` // imagecore.Report with this image alone
	Head          []byte          `json:"head"`   // of the binary index, see index.go
	// Body is the rest of the index where there is no layer to keep it beside.
	Body []byte `json:"body,omitempty"`
}

type layerRecord struct {
	DiffID    digest.Digest `json:"diffID"`
	ChainID   digest.Digest `json:"chainID"`
	Blob      digest.Digest `json:"blob"` // as stored
	MediaType string        `json:"mediaType"`
	Size      int64         `json:"size"`    // bytes of the blob
	TarSize   int64         `json:"tarSize"` // bytes, uncompressed
	// Content is tree.ContentSizes' figure in bytes; nil in records that were
	// written before it was kept.
	Content   *int64 `json:"content,omitempty"`
	CreatedBy string `json:"createdBy"`
}

// measure fills in what the layers' files take when unpacked.
func measure(layers []layerRecord, merged *tree.Tree) {
	for l, n := range merged.ContentSizes() {
		layers[l].Content = &n
	}
}

// content is what the layer's files take, or at most take, in bytes.
func (l *layerRecord) content() int64 {
	if l.Content == nil {
		return l.TarSize
	}
	return *l.Content
}

// blobs lists all that the image needs in blobs/sha256.
func (r *record) blobs() []digest.Digest {
	out := []digest.Digest{r.Manifest.Digest, r.ID}
	for _, l := range r.Layers {
		out = append(out, l.Blob)
	}
	return out
}

// top is the chainID of the whole stack, "" without layers.
func (r *record) top() digest.Digest {
	if len(r.Layers) == 0 {
		return ""
	}
	return r.Layers[len(r.Layers)-1].ChainID
}

// openDB opens meta.db; only one process can, so waiting would be in vain.
func openDB(dir string) (*bolt.DB, error) {
	db, err := bolt.Open(filepath.Join(dir, "meta.db"), 0o600, &bolt.Options{Timeout: 500 * time.Millisecond})
	if err != nil {
		if errors.Is(err, bolterrors.ErrTimeout) {
			return nil, imagecore.NewError(imagecore.ErrConflict, "data-in-use",
				fmt.Sprintf("another layerlab serves %s: stop it or choose another --data", dir), "dir", dir)
		}
		return nil, fmt.Errorf("open meta.db: %w", diskError(err))
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{bucketImages, bucketNames, bucketState} {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open meta.db: %w", diskError(err)), db.Close())
	}
	return db, nil
}

// update runs fn in a write transaction.
func (s *Store) update(fn func(tx *bolt.Tx) error) error {
	return diskError(s.db.Update(func(tx *bolt.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return s.disk.Commit()
	}))
}

// Bucket is a bucket of meta.db that belongs to another package of the server.
type Bucket struct {
	store *Store
	name  []byte
}

// Bucket hands out the bucket of that name, which is made when first written.
// The names that the store uses itself (images, names, state) must not be
// asked for.
func (s *Store) Bucket(name string) *Bucket {
	if name == bucketImages || name == bucketNames || name == bucketState {
		panic("store: bucket " + name + " is the store's own")
	}
	return &Bucket{store: s, name: []byte(name)}
}

// Update runs fn in a write transaction, durable when Update returns nil. The
// bucket is valid within the call.
func (b *Bucket) Update(fn func(*bolt.Bucket) error) error {
	return b.store.update(func(tx *bolt.Tx) error {
		k, err := tx.CreateBucketIfNotExists(b.name)
		if err != nil {
			return err
		}
		return fn(k)
	})
}

// View runs fn in a read transaction; fn is not called for a bucket that
// nobody has written to.
func (b *Bucket) View(fn func(*bolt.Bucket) error) error {
	return b.store.db.View(func(tx *bolt.Tx) error {
		if k := tx.Bucket(b.name); k != nil {
			return fn(k)
		}
		return nil
	})
}

func getRecord(tx *bolt.Tx, id digest.Digest) (*record, error) {
	raw := tx.Bucket([]byte(bucketImages)).Get([]byte(id))
	if raw == nil {
		return nil, nil
	}
	r := new(record)
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("meta.db: image %s: %w", id, err)
	}
	return r, nil
}

func putRecord(tx *bolt.Tx, r *record) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.Bucket([]byte(bucketImages)).Put([]byte(r.ID), raw)
}

// records lists all images in the order of their ids.
func records(tx *bolt.Tx) ([]*record, error) {
	var out []*record
	err := tx.Bucket([]byte(bucketImages)).ForEach(func(id, _ []byte) error {
		r, err := getRecord(tx, digest.Digest(id))
		out = append(out, r)
		return err
	})
	return out, err
}

// names maps each image to its references, sorted.
func names(tx *bolt.Tx) map[digest.Digest][]string {
	out := map[digest.Digest][]string{}
	c := tx.Bucket([]byte(bucketNames)).Cursor()
	for name, id := c.First(); name != nil; name, id = c.Next() {
		out[digest.Digest(id)] = append(out[digest.Digest(id)], string(name))
	}
	return out
}

// CheckFolder makes a folder that is the server's alone, or makes sure that one
// which is there is nobody else's. An empty one is closed to others.
func CheckFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", diskError(err))
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if !info.IsDir() {
		return imagecore.NewError(imagecore.ErrHost, "data-folder-open", fmt.Sprintf("%s is no folder: choose another", dir), "dir", dir)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		// Its owner may put files in the place of ours, whatever the mode.
		return imagecore.NewError(imagecore.ErrHost, "data-folder-open",
			fmt.Sprintf("folder %s belongs to user %d: chown it, or choose another", dir, stat.Uid), "dir", dir)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if len(list) > 0 {
		return imagecore.NewError(imagecore.ErrHost, "data-folder-open",
			fmt.Sprintf("folder %s is open to other users (%04o): chmod 0700 it, or choose another", dir, info.Mode().Perm()), "dir", dir)
	}
	return os.Chmod(dir, 0o700)
}
