//go:build linux

package recording

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Limits bound what recordings take.
type Limits struct {
	Bytes int64         // of one file
	Time  time.Duration // of one recording
	Kept  int           // how many there may be
}

// DefaultLimits are an hour, 16 MiB and 100 recordings.
func DefaultLimits() Limits { return Limits{Bytes: 16 << 20, Time: time.Hour, Kept: 100} }

// Stream is one viewer of a process; engine.Stream and shim.Stream are such.
type Stream interface {
	TTY() bool
	Next() (shim.Chunk, error) // io.EOF after the last, shim.ErrSlow when output was left out
	Close() error
}

// Options are what a Service needs of others; all fields are needed.
type Options struct {
	Dir    string // where recordings lie; made where it is missing
	Limits Limits
	// Attach opens a stream of the container or exec id; ctx ends it.
	Attach func(ctx context.Context, id string) (Stream, error)
	// Container finds a container by id, name or prefix.
	Container func(ctx context.Context, id string) (wire.Container, error)
	Changes   func(ctx context.Context, id string) (wire.Changes, error)
	Subscribe func() (*events.Subscription, error)
	Tell      func(kind, id string, data any) error // an event that is not kept
	Now       func() time.Time
	Log       *slog.Logger
}

// Service makes and keeps recordings. It is safe for concurrent use.
type Service struct {
	o    Options
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	all    map[string]*wire.Recording
	active map[string]*recorder // by the recording's id
}

// Open reads what recordings there are. One that the server's end cut short is
// ended here, where its last whole line ends.
func Open(o Options) (*Service, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	names, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	s := &Service{o: o, all: map[string]*wire.Recording{}, active: map[string]*recorder{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	for _, entry := range names {
		r, err := s.restore(entry.Name())
		if err != nil {
			o.Log.Warn("recording not read: deleted", "recording", entry.Name(), "err", err)
			if err := os.RemoveAll(filepath.Join(o.Dir, entry.Name())); err != nil {
				return nil, fmt.Errorf("recordings: %w", err)
			}
			continue
		}
		s.all[r.ID] = r
	}
	return s, nil
}

// Close ends what is being recorded and waits for it.
func (s *Service) Close() error {
	s.stop()
	s.work.Wait()
	return nil
}

// List returns all recordings, newest first.
func (s *Service) List(context.Context) (wire.RecordingList, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := wire.RecordingList{Recordings: []wire.Recording{}, MaxBytes: s.o.Limits.Bytes, MaxSeconds: int64(s.o.Limits.Time.Seconds())}
	for _, r := range s.all {
		out.Recordings = append(out.Recordings, *r)
	}
	slices.SortFunc(out.Recordings, func(a, b wire.Recording) int {
		if c := b.StartedAt.Compare(a.StartedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

// Start begins to record a terminal of a container. Codes: bad-recording,
// recording-runs, recordings-full, and those of the container.
func (s *Service) Start(ctx context.Context, container string, req wire.NewRecording) (wire.Recording, error) {
	if req.Cols < 1 || req.Cols > 1000 || req.Rows < 1 || req.Rows > 1000 || len(req.Title) > 200 {
		return wire.Recording{}, imagecore.NewError(imagecore.ErrInvalid, "bad-recording", "a recording needs the terminal's size, 1 to 1000 columns and rows, and a title of at most 200 bytes")
	}
	c, err := s.o.Container(ctx, container)
	if err != nil {
		return wire.Recording{}, err
	}
	r := wire.Recording{
		ID: strings.ToLower(rand.Text()), Container: c.ID, ContainerName: c.Name, Terminal: req.Terminal, Title: req.Title,
		Cols: req.Cols, Rows: req.Rows, StartedAt: s.o.Now().UTC(),
	}
	if err := s.enter(r); err != nil {
		return wire.Recording{}, err
	}
	rec, err := s.begin(r)
	if err != nil {
		s.forget(r.ID)
		return wire.Recording{}, err
	}
	s.tell(r.ID, r)
	s.work.Go(func() { s.run(rec) })
	return r, nil
}

// enter makes a place for a recording, so that no terminal has two.
func (s *Service) enter(r wire.Recording) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= s.o.Limits.Kept {
		return imagecore.NewError(imagecore.ErrConflict, "recordings-full", fmt.Sprintf("there are %d recordings: delete one first", len(s.all)), "limit", fmt.Sprint(s.o.Limits.Kept))
	}
	for _, other := range s.all {
		if other.Ended == "" && other.Container == r.Container && other.Terminal == r.Terminal {
			return imagecore.NewError(imagecore.ErrConflict, "recording-runs", "this terminal is being recorded already", "recording", other.ID)
		}
	}
	s.all[r.ID] = &r
	return nil
}

func (s *Service) forget(id string) {
	s.mu.Lock()
	delete(s.all, id)
	delete(s.active, id)
	s.mu.Unlock()
	if err := os.RemoveAll(s.folder(id)); err != nil {
		s.o.Log.Error("recording left behind", "recording", id, "err", err)
	}
}

// Stop ends a recording and returns it as it is kept; one that has ended stays
// as it is. Code: recording-not-found.
func (s *Service) Stop(ctx context.Context, id string) (wire.Recording, error) {
	s.mu.Lock()
	rec := s.active[id]
	s.mu.Unlock()
	if rec != nil {
		rec.end(wire.EndedStopped)
		select {
		case <-rec.done:
		case <-ctx.Done():
			return wire.Recording{}, ctx.Err()
		}
	}
	return s.get(id)
}

func (s *Service) get(id string) (wire.Recording, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.all[id]
	if !ok {
		return wire.Recording{}, imagecore.NewError(imagecore.ErrNotFound, "recording-not-found", "no such recording: "+id, "recording", id)
	}
	return *r, nil
}

// Delete ends a recording and removes its file.
func (s *Service) Delete(ctx context.Context, id string) error {
	if _, err := s.Stop(ctx, id); err != nil {
		return err
	}
	s.forget(id)
	s.tell(id, nil)
	return nil
}

// Cast opens the file of a recording, which may still grow, with its size and a
// name for it.
func (s *Service) Cast(_ context.Context, id string) (f io.ReadCloser, size int64, name string, err error) {
	r, err := s.get(id)
	if err != nil {
		return nil, 0, "", err
	}
	file, err := os.Open(s.file(id))
	if errors.Is(err, fs.ErrNotExist) { // deleted just now
		return nil, 0, "", imagecore.NewError(imagecore.ErrNotFound, "recording-not-found", "no such recording: "+id, "recording", id)
	}
	if err != nil {
		return nil, 0, "", err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, "", err
	}
	return file, info.Size(), r.ContainerName + r.StartedAt.Format("-20060102-150405") + ".cast", nil
}

// Resized notes the size that somebody has given to the terminal of a container
// or exec; id as in Attach, whole.
func (s *Service) Resized(id string, cols, rows uint16) {
	s.mu.Lock()
	var found []*recorder
	for _, rec := range s.active {
		if rec.terminal() == id {
			found = append(found, rec)
		}
	}
	s.mu.Unlock()
	for _, rec := range found {
		rec.resized(cols, rows)
	}
}

func (s *Service) tell(id string, data any) {
	if err := s.o.Tell(wire.EventRecording, id, data); err != nil {
		s.o.Log.Warn("event lost", "recording", id, "err", err)
	}
}

func (s *Service) folder(id string) string { return filepath.Join(s.o.Dir, id) }
func (s *Service) file(id string) string   { return filepath.Join(s.folder(id), "session.cast") }
