//go:build linux

package shim

import (
	"sync"
	"time"

	"github.com/layerlab/layerlab/runtime/jsonlog"
)

const (
	viewerQueue   = 1 << 20         // bytes that wait for one viewer, replay not counted
	terminalQueue = 64 << 10        // the same of a terminal: they are still shown after Ctrl-C
	viewerStall   = 2 * time.Second // how long a full queue may hold the program back
)

// hub spreads a process's output: into the log, the ring and to viewers.
type hub struct {
	log   *jsonlog.Writer // nil: none (exec'd processes)
	queue int             // bytes that may wait for one viewer

	out sync.Mutex // one publisher at a time: the order is that of the log

	mu      sync.Mutex // guards what follows; never held while waiting
	ring    ring
	viewers map[*viewer]struct{}
	exit    *Exit // not nil: ended, nothing more comes
}

func newHub(log *jsonlog.Writer, tty bool) *hub {
	h := &hub{log: log, queue: viewerQueue, viewers: make(map[*viewer]struct{})}
	if tty {
		h.queue = terminalQueue
	}
	return h
}

// publish is the sink of console.Host.Pump.
func (h *hub) publish(stream byte, p []byte) {
	h.out.Lock()
	defer h.out.Unlock()
	if h.log != nil {
		h.log.Write(stream, p)
	}
	h.mu.Lock()
	h.ring.add(stream, p)
	viewers := make([]*viewer, 0, len(h.viewers))
	for v := range h.viewers {
		viewers = append(viewers, v)
	}
	h.mu.Unlock()
	if len(viewers) == 0 {
		return
	}
	b := encodeFrame(frameData, stream, p)
	for _, v := range viewers {
		if !v.push(b, viewerStall) {
			h.leave(v)
		}
	}
}

// join makes a viewer that has the replay in its queue and gets all that comes.
func (h *hub) join() (v *viewer, replay int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v = newViewer(h.queue)
	for _, c := range h.ring.replay() {
		replay += int64(len(c.Data))
		v.queue = append(v.queue, encodeFrame(frameData, c.Stream, c.Data))
	}
	if h.exit != nil {
		v.finish(h.exit)
	} else {
		h.viewers[v] = struct{}{}
	}
	return v, replay
}

func (h *hub) leave(v *viewer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.viewers, v)
}

// end tells all viewers that the process has ended; all output must have been
// published.
func (h *hub) end(exit *Exit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.exit = exit
	for v := range h.viewers {
		v.finish(exit)
	}
	clear(h.viewers)
	if h.log != nil {
		h.log.Flush()
	}
}

// viewer is the queue of one attached client. Its writer takes from it with
// next until the viewer is over.
type viewer struct {
	most int // bytes that may wait

	mu    sync.Mutex
	queue [][]byte // whole frames
	size  int      // bytes of frames that push added
	last  []byte   // the final frame: exit or slow
	gone  bool     // the client is not there any more

	ready chan struct{} // a token when there is something to take
	room  chan struct{} // a token when something was taken
}

func newViewer(most int) *viewer {
	return &viewer{most: most, ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// push queues a frame, waiting for room up to the time given. False means that
// the viewer is over: too slow, or gone.
func (v *viewer) push(b []byte, patience time.Duration) bool {
	var timer *time.Timer
	for {
		v.mu.Lock()
		if v.gone || v.last != nil {
			v.mu.Unlock()
			return false
		}
		if v.size == 0 || v.size+len(b) <= v.most {
			v.queue = append(v.queue, b)
			v.size += len(b)
			v.mu.Unlock()
			poke(v.ready)
			return true
		}
		v.mu.Unlock()
		if timer == nil {
			timer = time.NewTimer(patience)
			defer timer.Stop()
		}
		select {
		case <-v.room:
		case <-timer.C:
			// What waits is worthless now: the client will attach again and
			// get the ring.
			v.mu.Lock()
			v.queue, v.size, v.last = nil, 0, encodeFrame(frameSlow, 0, nil)
			v.mu.Unlock()
			poke(v.ready)
			return false
		}
	}
}

// finish lets the viewer end after what is queued.
func (v *viewer) finish(exit *Exit) {
	b := exitFrame(exit)
	v.mu.Lock()
	if v.last == nil {
		v.last = b
	}
	v.mu.Unlock()
	poke(v.ready)
}

// next returns the frames that wait, and whether they are the last ones; it
// waits for some until stop is closed.
func (v *viewer) next(stop <-chan struct{}) (frames [][]byte, over bool) {
	for {
		v.mu.Lock()
		frames, v.queue, v.size = v.queue, nil, 0
		if v.last != nil {
			frames, over = append(frames, v.last), true
		}
		v.mu.Unlock()
		if len(frames) > 0 {
			poke(v.room)
			return frames, over
		}
		select {
		case <-v.ready:
		case <-stop:
			return nil, true
		}
	}
}

// abandon is called when the client has gone: a publisher that waits goes on.
func (v *viewer) abandon() {
	v.mu.Lock()
	v.gone, v.queue, v.size = true, nil, 0
	v.mu.Unlock()
	poke(v.room)
}
