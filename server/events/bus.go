package events

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Keep is the number of events that can be replayed.
const Keep = 4096

// queueLimit is the number of events that wait for one subscriber before it is
// told to resync.
const queueLimit = 1024

// Bucket is a bucket of meta.db. The *bolt.Bucket is valid within the call.
type Bucket interface {
	Update(func(*bolt.Bucket) error) error
	View(func(*bolt.Bucket) error) error
}

// Bus delivers events. It is safe for concurrent use.
type Bus struct {
	bucket Bucket
	now    func() time.Time

	mu     sync.Mutex
	seq    uint64 // of the last kept event
	subs   map[*Subscription]struct{}
	closed bool
}

// Open reads the last sequence number from the bucket, which holds nothing but
// the bus's events: key is the big-endian sequence number, value the event's
// JSON. now is the clock, in any zone.
func Open(bucket Bucket, now func() time.Time) (*Bus, error) {
	b := &Bus{bucket: bucket, now: now, subs: map[*Subscription]struct{}{}}
	err := bucket.View(func(k *bolt.Bucket) error {
		if key, _ := k.Cursor().Last(); key != nil {
			b.seq = binary.BigEndian.Uint64(key)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return b, nil
}

// Publish keeps the event and delivers it. It returns once the event is
// durable. data is marshalled at once; nil becomes null.
func (b *Bus) Publish(kind, id string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("event %s of %s: %w", kind, id, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := wire.Event{Seq: b.seq + 1, Time: b.now().UTC(), Kind: kind, ID: id, Data: raw}
	value, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("event %s of %s: %w", kind, id, err)
	}
	err = b.bucket.Update(func(k *bolt.Bucket) error {
		if err := k.Put(key(e.Seq), value); err != nil {
			return err
		}
		return trim(k, e.Seq)
	})
	if err != nil {
		return fmt.Errorf("keep event %s of %s: %w", kind, id, err)
	}
	b.seq = e.Seq
	for s := range b.subs {
		s.push(e, false)
	}
	return nil
}

// Send delivers an event that is not kept. One that still waits for a
// subscriber is replaced by the next of the same kind and id, so that a slow
// page sees the newest state and not all states. Its number is that of the last
// kept event which the subscriber has been given before it.
func (b *Bus) Send(kind, id string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("event %s of %s: %w", kind, id, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := wire.Event{Seq: b.seq, Time: b.now().UTC(), Kind: kind, ID: id, Data: raw}
	for s := range b.subs {
		s.push(e, true)
	}
	return nil
}

// Seq returns the number of the last kept event, 0 before the first.
func (b *Bus) Seq() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seq
}

// Oldest returns a number since which as many kept events can be asked for as
// a subscription takes; 0 where none is kept.
func (b *Bus) Oldest() uint64 {
	last := b.Seq()
	if last <= 1 {
		return last
	}
	first := last
	err := b.bucket.View(func(k *bolt.Bucket) error {
		if key, _ := k.Cursor().First(); key != nil {
			first = binary.BigEndian.Uint64(key)
		}
		return nil
	})
	if err != nil {
		return 0
	}
	return max(first, last-min(last, queueLimit), 1)
}

// Listening reports whether anybody listens: what is costly to compute and not
// kept need not be sent otherwise.
func (b *Bus) Listening() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.subs) > 0
}

// Close ends all subscriptions: their Next returns ErrClosed.
func (b *Bus) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for s := range b.subs {
		s.end()
		delete(b.subs, s)
	}
}

// trim deletes what is older than the last Keep events. Sequence numbers have
// no gaps, so there is at most one such event after each Put.
func trim(k *bolt.Bucket, last uint64) error {
	c := k.Cursor()
	for old, _ := c.First(); old != nil && binary.BigEndian.Uint64(old)+Keep <= last; old, _ = c.First() {
		if err := k.Delete(old); err != nil {
			return err
		}
	}
	return nil
}

func key(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }
