//go:build linux

package terminal

import "sync"

// queue holds input that the process has not taken yet, up to a limit.
type queue struct {
	limit int // bytes

	mu      sync.Mutex
	changed *sync.Cond
	pieces  [][]byte
	bytes   int
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
	if q.bytes+len(data) > q.limit {
		return false
	}
	q.pieces = append(q.pieces, data)
	q.bytes += len(data)
	q.changed.Broadcast()
	return true
}

// take waits for the next piece; false after close.
func (q *queue) take() ([]byte, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.pieces) == 0 && !q.closed {
		q.changed.Wait()
	}
	if q.closed {
		return nil, false
	}
	data := q.pieces[0]
	q.pieces = q.pieces[1:]
	q.bytes -= len(data)
	return data, true
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}
