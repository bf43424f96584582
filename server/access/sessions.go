package access

import (
	"encoding/binary"
	"time"

	bolt "go.etcd.io/bbolt"
)

// SessionLife is how long a session lasts after it was begun.
const SessionLife = 180 * 24 * time.Hour

// Bucket is a bucket of meta.db. The *bolt.Bucket is valid within the call.
type Bucket interface {
	Update(func(*bolt.Bucket) error) error
	View(func(*bolt.Bucket) error) error
}

// Kept keeps sessions in a bucket that holds nothing else: key is the hash of
// the secret, value the big-endian Unix time at which the session began.
type Kept struct {
	bucket Bucket
	now    func() time.Time
}

// Keep returns the sessions of a bucket.
func Keep(bucket Bucket, now func() time.Time) *Kept { return &Kept{bucket, now} }

// Add keeps a session, and forgets those that are over.
func (k *Kept) Add(hash []byte, at time.Time) error {
	return k.bucket.Update(func(b *bolt.Bucket) error {
		var over [][]byte
		err := b.ForEach(func(key, value []byte) error {
			if !k.lives(value) {
				over = append(over, key)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, key := range over {
			if err := b.Delete(key); err != nil {
				return err
			}
		}
		return b.Put(hash, binary.BigEndian.AppendUint64(nil, uint64(at.Unix())))
	})
}

// Has says whether the session is there and not over.
func (k *Kept) Has(hash []byte) (ok bool, err error) {
	err = k.bucket.View(func(b *bolt.Bucket) error {
		ok = k.lives(b.Get(hash))
		return nil
	})
	return ok, err
}

func (k *Kept) lives(value []byte) bool {
	if len(value) != 8 {
		return false
	}
	began := time.Unix(int64(binary.BigEndian.Uint64(value)), 0)
	return k.now().Before(began.Add(SessionLife))
}
