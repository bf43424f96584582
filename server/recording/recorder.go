//go:build linux

package recording

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// recorder writes one recording. Two goroutines feed it, one with the
// terminal's output, one with the layer's changes.
type recorder struct {
	r      wire.Recording
	file   *os.File
	began  time.Time
	now    func() time.Time
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when the recording is kept

	stream Stream
	sub    *events.Subscription

	mu   sync.Mutex
	cast *cast
	why  string // why it ends; the first reason counts
}

// terminal is what the recorded terminal is called for Attach and Resize.
func (rec *recorder) terminal() string {
	if rec.r.Terminal != "" {
		return rec.r.Terminal
	}
	return rec.r.Container
}

// begin opens all that a recording needs, before anybody is told that it runs.
func (s *Service) begin(r wire.Recording) (*recorder, error) {
	rec := &recorder{r: r, now: s.o.Now, began: s.o.Now(), done: make(chan struct{})}
	rec.ctx, rec.cancel = context.WithCancel(s.ctx)
	if err := s.open(rec); err != nil {
		rec.release()
		return nil, fmt.Errorf("record: %w", err)
	}
	s.mu.Lock()
	s.active[r.ID] = rec
	s.mu.Unlock()
	return rec, nil
}

func (s *Service) open(rec *recorder) (err error) {
	r := rec.r
	if rec.stream, err = s.o.Attach(rec.ctx, rec.terminal()); err != nil {
		return err
	}
	if rec.sub, err = s.o.Subscribe(); err != nil {
		return err
	}
	if err := os.Mkdir(s.folder(r.ID), 0o700); err != nil {
		return err
	}
	if rec.file, err = os.OpenFile(s.file(r.ID), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	rec.cast, err = newCast(rec.file, s.o.Limits.Bytes, header{
		Version: 2, Width: r.Cols, Height: r.Rows, Timestamp: r.StartedAt.Unix(), Title: r.Title,
	}, rec.stream.TTY())
	if err != nil {
		return err
	}
	return s.keep(r)
}

func (rec *recorder) release() {
	rec.cancel()
	if rec.stream != nil {
		rec.stream.Close()
	}
	if rec.sub != nil {
		rec.sub.Close()
	}
	if rec.file != nil {
		rec.file.Close()
	}
}

// run records until the program ends, a limit is reached or somebody stops it.
func (s *Service) run(rec *recorder) {
	defer close(rec.done)
	limit := time.AfterFunc(s.o.Limits.Time, func() { rec.end(wire.EndedTime) })
	defer limit.Stop()
	var work sync.WaitGroup
	work.Go(func() { s.layer(rec) })
	work.Go(func() { s.output(rec) })
	<-rec.ctx.Done()
	rec.mu.Lock()
	rec.stream.Close() // Next returns
	rec.mu.Unlock()
	work.Wait()
	rec.release()
	s.finish(rec)
}

// end makes run return; the first reason is the one that counts.
func (rec *recorder) end(why string) {
	rec.mu.Lock()
	if rec.why == "" {
		rec.why = why
	}
	rec.mu.Unlock()
	rec.cancel()
}

// write keeps something of this moment, unless the recording is over.
func (rec *recorder) write(event func(c *cast, at time.Duration) error) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.why != "" || rec.ctx.Err() != nil {
		return
	}
	switch err := event(rec.cast, rec.now().Sub(rec.began)); {
	case errors.Is(err, errFull):
		rec.why = wire.EndedSize
	case err != nil:
		rec.why = wire.EndedFailure
	default:
		return
	}
	rec.cancel()
}

func (rec *recorder) resized(cols, rows uint16) {
	rec.write(func(c *cast, at time.Duration) error {
		if cols == rec.r.Cols && rows == rec.r.Rows {
			return nil
		}
		rec.r.Cols, rec.r.Rows = cols, rows
		return c.resize(at, cols, rows)
	})
}

// output keeps what the program writes. Where the shim has dropped this viewer
// as too slow, the replay of the next stream stands on a screen made empty.
func (s *Service) output(rec *recorder) {
	for {
		chunk, err := rec.stream.Next()
		switch {
		case err == nil:
			rec.write(func(c *cast, at time.Duration) error { return c.output(at, chunk.Data) })
			continue
		case errors.Is(err, shim.ErrSlow):
			rec.stream.Close()
			var next Stream
			if next, err = s.o.Attach(rec.ctx, rec.terminal()); err == nil && rec.swap(next) {
				rec.write(func(c *cast, at time.Duration) error { return c.output(at, []byte("\x1bc")) })
				continue
			}
		case errors.Is(err, io.EOF):
			rec.end(wire.EndedExit)
			return
		}
		if rec.ctx.Err() != nil {
			return
		}
		s.o.Log.Warn("recording broke off", "recording", rec.r.ID, "err", err)
		rec.end(wire.EndedFailure)
		return
	}
}

// swap puts the next stream in place of one that has ended; false at the end of
// the recording, which closes it.
func (rec *recorder) swap(next Stream) bool {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.stream = next
	return rec.ctx.Err() == nil
}

// layer marks what happens in the container's layer: first what is in it.
func (s *Service) layer(rec *recorder) {
	var before wire.Changes
	hear := func(now wire.Changes) {
		if list := Happened(before, now); len(list) > 0 {
			rec.write(func(c *cast, at time.Duration) error { return c.mark(at, marker(list)) })
		}
		before = now
	}
	if now, err := s.o.Changes(rec.ctx, rec.r.Container); err == nil {
		hear(now)
	} else if rec.ctx.Err() == nil {
		s.o.Log.Warn("layer not recorded from the beginning", "recording", rec.r.ID, "err", err)
	}
	for {
		e, err := rec.sub.Next(rec.ctx)
		if err != nil {
			return // the recording is over, or the server stops
		}
		if e.Kind != wire.EventContainerChanges || e.ID != rec.r.Container {
			continue
		}
		var now wire.Changes
		if err := json.Unmarshal(e.Data, &now); err != nil {
			s.o.Log.Error("changes not read", "recording", rec.r.ID, "err", err)
			continue
		}
		hear(now)
	}
}
