//go:build linux

package terminal

import "sync"

// queue holds input that the process has not taken yet, up to a limit. It is
// one run of bytes: frames of a byte, or of none, cost no more than what they
// hold.
type queue struct {
	limit int // bytes

	mu      sync.Mutex
	changed *sync.Cond
	waiting []byte
	closed  bool
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// put keeps data and reports whether there was room for it.
func (q *queue) put(data []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting)+len(data) > q.limit {
		return false
	}
	q.waiting = append(q.waiting, data...)
	q.changed.Broadcast()
	return true
}

// piece is how much input the process is given at once.
const piece = 64 << 10 // bytes

// take waits for input and returns the next piece of it; false after close.
func (q *queue) take() ([]byte, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && !q.closed {
		q.changed.Wait()
	}
	if q.closed {
		return nil, false
	}
	data := q.waiting[:min(piece, len(q.waiting))]
	if q.waiting = q.waiting[len(data):]; len(q.waiting) == 0 {
		q.waiting = nil // its memory goes with data
	}
	return data, true
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}
