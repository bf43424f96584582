package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// bucket is a bucket of a real file: what is kept must survive a reopening.
type bucket struct{ db *bolt.DB }

func (b bucket) Update(f func(*bolt.Bucket) error) error {
	return b.db.Update(func(tx *bolt.Tx) error {
		k, err := tx.CreateBucketIfNotExists([]byte("events"))
		if err != nil {
			return err
		}
		return f(k)
	})
}

func (b bucket) View(f func(*bolt.Bucket) error) error {
	return b.db.View(func(tx *bolt.Tx) error {
		if k := tx.Bucket([]byte("events")); k != nil {
			return f(k)
		}
		return nil
	})
}

func openBucket(t testing.TB) bucket {
	t.Helper()
	db, err := bolt.Open(filepath.Join(t.TempDir(), "meta.db"), 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return bucket{db}
}

func openBus(t testing.TB, b events.Bucket) *events.Bus {
	t.Helper()
	bus, err := events.Open(b, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return bus
}

func publish(t testing.TB, bus *events.Bus, kind, id string) {
	t.Helper()
	if err := bus.Publish(kind, id, map[string]string{"id": id}); err != nil {
		t.Fatal(err)
	}
}

func next(t testing.TB, s *events.Subscription) wire.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	e, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func subscribe(t testing.TB, bus *events.Bus, since uint64) *events.Subscription {
	t.Helper()
	s, err := bus.Subscribe(since)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestSubscriberSeesWhatItMissedThenWhatHappens(t *testing.T) {
	bus := openBus(t, openBucket(t))
	for i := range 5 {
		publish(t, bus, wire.EventContainerCreated, fmt.Sprint("c", i))
	}
	s := subscribe(t, bus, 3)
	publish(t, bus, wire.EventContainerStarted, "c9")
	for i, id := range []string{"c3", "c4", "c9"} {
		e := next(t, s)
		if e.Seq != uint64(4+i) || e.ID != id {
			t.Errorf("event %+v, want seq %d of %s", e, 4+i, id)
		}
	}
	var data map[string]string
	fresh := subscribe(t, bus, 0)
	publish(t, bus, wire.EventContainerExited, "c1")
	e := next(t, fresh)
	if err := json.Unmarshal(e.Data, &data); err != nil || data["id"] != "c1" || e.Seq != 7 || e.Time.Location() != time.UTC {
		t.Errorf("since 0 saw %+v (%v), want only what happens from now on", e, err)
	}
}

func TestSequenceOutlivesTheServer(t *testing.T) {
	b := openBucket(t)
	bus := openBus(t, b)
	publish(t, bus, wire.EventImageCreated, "a")
	publish(t, bus, wire.EventImageCreated, "b")
	bus.Close()

	bus = openBus(t, b)
	if bus.Seq() != 2 {
		t.Fatalf("seq %d after reopening, want 2", bus.Seq())
	}
	s := subscribe(t, bus, 1)
	publish(t, bus, wire.EventImageCreated, "c")
	if e := next(t, s); e.ID != "b" || e.Seq != 2 {
		t.Errorf("missed event %+v", e)
	}
	if e := next(t, s); e.ID != "c" || e.Seq != 3 {
		t.Errorf("new event %+v", e)
	}
}

func TestWhoMissedTooMuchIsToldToResync(t *testing.T) {
	b := openBucket(t)
	bus := openBus(t, b)
	for range events.Keep + 10 {
		publish(t, bus, wire.EventImageCreated, "x")
	}
	kept := 0
	err := b.View(func(k *bolt.Bucket) error { kept = k.Stats().KeyN; return nil })
	if err != nil || kept != events.Keep {
		t.Errorf("%d events kept, want %d (%v)", kept, events.Keep, err)
	}
	for _, since := range []uint64{1, events.Keep + 100} {
		s := subscribe(t, bus, since)
		e := next(t, s)
		if e.Kind != wire.EventResync || e.Seq != bus.Seq() || string(e.Data) != "null" {
			t.Errorf("since %d: %+v, want a resync", since, e)
		}
		publish(t, bus, wire.EventImageDeleted, "y")
		if e := next(t, s); e.Kind != wire.EventImageDeleted {
			t.Errorf("after the resync: %+v", e)
		}
	}
}

func TestSlowSubscriberIsToldToResyncAndHoldsNobodyUp(t *testing.T) {
	bus := openBus(t, openBucket(t))
	s := subscribe(t, bus, 0)
	const n = 3000 // more than any queue holds
	for i := range n {
		publish(t, bus, wire.EventImageCreated, fmt.Sprint(i))
	}
	last, resyncs := uint64(0), 0
	for last < n {
		e := next(t, s)
		if e.Seq <= last && e.Kind != wire.EventResync {
			t.Fatalf("seq %d after %d", e.Seq, last)
		}
		if e.Kind == wire.EventResync {
			resyncs++
		} else if resyncs > 0 && e.Seq != last+1 {
			t.Fatalf("gap between the resync at %d and %d", last, e.Seq)
		}
		last = e.Seq
	}
	if resyncs == 0 {
		t.Error("events are missing and nobody was told")
	}
}

func TestTransientEventsAreNotKeptAndReplaceOneAnother(t *testing.T) {
	bus := openBus(t, openBucket(t))
	publish(t, bus, wire.EventImageCreated, "a")
	s := subscribe(t, bus, 0)
	for i := range 5000 {
		if err := bus.Send(wire.EventContainerChanges, fmt.Sprint("c", i%2), i); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"4998", "4999"} {
		if e := next(t, s); string(e.Data) != want || e.Seq != 1 || e.Kind != wire.EventContainerChanges {
			t.Errorf("event %+v, want the newest, %s, with the last kept seq", e, want)
		}
	}
	late := subscribe(t, bus, 1)
	publish(t, bus, wire.EventImageDeleted, "a")
	if e := next(t, late); e.Kind != wire.EventImageDeleted {
		t.Errorf("a transient event was replayed: %+v", e)
	}
}

// TestATransientEventPassesNoKeptOne: one that is replaced while it waits keeps
// its place, so whoever goes on from its number misses nothing.
func TestATransientEventPassesNoKeptOne(t *testing.T) {
	bus := openBus(t, openBucket(t))
	publish(t, bus, wire.EventImageCreated, "a")
	s := subscribe(t, bus, 0)
	send := func(state int) {
		t.Helper()
		if err := bus.Send(wire.EventContainerChanges, "c", state); err != nil {
			t.Fatal(err)
		}
	}
	send(1)
	publish(t, bus, wire.EventImageDeleted, "a")
	send(2)
	if e := next(t, s); string(e.Data) != "2" || e.Seq != 1 {
		t.Errorf("%+v, want the newest state with number 1: event 2 comes after it", e)
	}
	if e := next(t, s); e.Kind != wire.EventImageDeleted || e.Seq != 2 {
		t.Errorf("%+v", e)
	}
}

func TestNextEndsWithItsContextAndWithTheBus(t *testing.T) {
	bus := openBus(t, openBucket(t))
	synctest.Test(t, func(t *testing.T) {
		s, err := bus.Subscribe(0)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := s.Next(context.Background())
			done <- err
		}()
		synctest.Wait()
		if !bus.Listening() {
			t.Error("nobody listens, says the bus")
		}
		bus.Close()
		if err := <-done; !errors.Is(err, events.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		if _, err := bus.Subscribe(0); !errors.Is(err, events.ErrClosed) {
			t.Errorf("subscribe after Close: %v", err)
		}
	})
}

func BenchmarkPublish(b *testing.B) {
	bus := openBus(b, openBucket(b))
	s := subscribe(b, bus, 0)
	for b.Loop() {
		publish(b, bus, wire.EventImageCreated, "x")
		next(b, s)
	}
}
