package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// ErrClosed says that the subscription or its bus is closed.
var ErrClosed = errors.New("events: closed")

// Subscription is one listener's queue. Next is for one goroutine at a time,
// Close for any.
type Subscription struct {
	bus   *Bus
	ready chan struct{} // capacity 1: something is queued, or the end

	mu    sync.Mutex
	queue []queued
	ended bool
}

type queued struct {
	event     wire.Event
	transient bool
}

// Subscribe returns all kept events after since, then what happens from now
// on, without gap or repetition. since = 0 stands for "from now on". Where the
// events after since are no longer kept, or since lies in the future of this
// server (another data folder), the first event is a resync.
func (b *Bus) Subscribe(since uint64) (*Subscription, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrClosed
	}
	s := &Subscription{bus: b, ready: make(chan struct{}, 1)}
	if since > 0 {
		missed, whole, err := b.after(since)
		if err != nil {
			return nil, err
		}
		if !whole {
			s.push(b.resync(), false)
		}
		for _, e := range missed {
			s.push(e, false)
		}
	}
	b.subs[s] = struct{}{}
	return s, nil
}

// after reads the kept events after since; whole is false, and the list empty,
// where some of them are gone or they are more than a queue takes.
func (b *Bus) after(since uint64) (list []wire.Event, whole bool, err error) {
	if since > b.seq || b.seq-since > queueLimit {
		return nil, false, nil
	}
	list, _, err = b.Kept(since, queueLimit)
	if err != nil {
		return nil, false, fmt.Errorf("after %d: %w", since, err)
	}
	if uint64(len(list)) != b.seq-since { // the numbers have no gaps
		return nil, false, nil
	}
	return list, true, nil
}

func (b *Bus) resync() wire.Event {
	return wire.Event{Seq: b.seq, Time: b.now().UTC(), Kind: wire.EventResync, Data: json.RawMessage("null")}
}

// Next waits for the next event. It returns ErrClosed after Close, and ctx's
// error where ctx ends first.
func (s *Subscription) Next(ctx context.Context) (wire.Event, error) {
	for {
		s.mu.Lock()
		if len(s.queue) > 0 {
			e := s.queue[0].event
			s.queue = s.queue[1:]
			s.mu.Unlock()
			return e, nil
		}
		ended := s.ended
		s.mu.Unlock()
		if ended {
			return wire.Event{}, ErrClosed
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return wire.Event{}, ctx.Err()
		}
	}
}

// Close takes the subscription off the bus.
func (s *Subscription) Close() {
	s.bus.mu.Lock()
	delete(s.bus.subs, s)
	s.bus.mu.Unlock()
	s.end()
}

func (s *Subscription) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.wake()
}

// push queues e; called with the bus locked. A full queue is thrown away for
// one resync: what it held is in the lists that the listener reads then.
func (s *Subscription) push(e wire.Event, transient bool) {
	s.mu.Lock()
	defer s.wake()
	defer s.mu.Unlock()
	if transient {
		for i := range s.queue {
			q := &s.queue[i]
			if q.transient && q.event.Kind == e.Kind && q.event.ID == e.ID {
				e.Seq = q.event.Seq // of its place: kept ones wait behind it
				q.event = e
				return
			}
		}
	}
	if len(s.queue) >= queueLimit {
		s.queue = append(s.queue[:0:0], queued{event: s.bus.resync()})
		return
	}
	s.queue = append(s.queue, queued{event: e, transient: transient})
}

func (s *Subscription) wake() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Kept reads up to limit of the kept events after a sequence number, oldest
// first; none is the end. gone says that some after it are no longer kept.
func (b *Bus) Kept(after uint64, limit int) (list []wire.Event, gone bool, err error) {
	err = b.bucket.View(func(k *bolt.Bucket) error {
		c := k.Cursor()
		for at, value := c.Seek(key(after + 1)); at != nil && len(list) < limit; at, value = c.Next() {
			var e wire.Event
			if err := json.Unmarshal(value, &e); err != nil {
				return err
			}
			list = append(list, e)
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("read events: %w", err)
	}
	return list, len(list) > 0 && list[0].Seq != after+1, nil
}
