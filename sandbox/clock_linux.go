package sandbox

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A child may use so much processor time, from the moment on at which it begins
// to read: a busy host is not held against the archive, nor is the time that
// compiling the module takes. By the wall clock a multiple of it is too long,
// whatever the child does with it; so is an hour of compiling.
const (
	patience = 20
	lookAt   = 50 * time.Millisecond // at the least between two looks
)

// clock calls over once, when a child overstays.
type clock struct {
	pid   int
	limit time.Duration
	over  func()

	mu    sync.Mutex
	timer *time.Timer
	begun time.Time
	base  time.Duration // used before it began
	ended bool
}

func newClock(pid int, limit time.Duration, over func()) *clock {
	c := &clock{pid: pid, limit: limit, over: over}
	c.timer = time.AfterFunc(time.Hour, c.look)
	return c
}

// begin starts the time of reading.
func (c *clock) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun.IsZero() && !c.ended {
		c.begun, c.base = time.Now(), used(c.pid)
		c.timer.Reset(c.limit)
	}
}

func (c *clock) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.timer.Stop()
}

func (c *clock) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	left := c.limit - (used(c.pid) - c.base)
	if c.begun.IsZero() || left <= 0 || time.Since(c.begun) >= patience*c.limit {
		c.ended = true
		c.over()
		return
	}
	c.timer.Reset(max(left, lookAt))
}

// used is the processor time of a process, 0 of one that has ended.
func used(pid int) time.Duration {
	var t unix.Timespec
	// clock_getcpuclockid(3): the complement of the pid above three bits, of
	// which 2 stands for all that its threads were scheduled.
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
