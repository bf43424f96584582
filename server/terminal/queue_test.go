//go:build linux

package terminal

import "testing"

func TestInputThatWaitsCostsWhatItHolds(t *testing.T) {
	q := newQueue(100)
	for range 100_000 {
		if !q.put(nil) {
			t.Fatal("an empty frame found no room")
		}
	}
	for _, s := range []string{"a", "bc", "d"} {
		if !q.put([]byte(s)) {
			t.Fatalf("%q found no room", s)
		}
	}
	// A byte a frame must not cost what a frame costs, 512 bytes and a header.
	if room := cap(q.waiting); room > 64 {
		t.Errorf("4 bytes keep %d", room)
	}
	if data, ok := q.take(); !ok || string(data) != "abcd" {
		t.Errorf("took %q, %v", data, ok)
	}
	if q.put(make([]byte, 101)) {
		t.Error("more than the limit found room")
	}
	if !q.put(make([]byte, 100)) || q.put([]byte("x")) {
		t.Error("the limit is not 100 bytes")
	}
}
