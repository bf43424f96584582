//go:build linux

package recording_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/recording"
)

// stream is one terminal's output; what Next gives, the test decides.
type stream struct {
	out    chan any // []byte or error
	closed chan struct{}
}

func newStream() *stream { return &stream{make(chan any, 16), make(chan struct{}, 9)} }

func (s *stream) TTY() bool { return true }

func (s *stream) Next() (shim.Chunk, error) {
	select {
	case v := <-s.out:
		if data, ok := v.([]byte); ok {
			return shim.Chunk{Stream: 1, Data: data}, nil
		}
		return shim.Chunk{}, v.(error)
	case <-s.closed:
		return shim.Chunk{}, errors.New("closed")
	}
}

func (s *stream) Close() error {
	select {
	case s.closed <- struct{}{}:
	default:
	}
	return nil
}

// memory is a bucket that keeps nothing: no event here is kept.
type memory struct{}

func (memory) Update(func(*bolt.Bucket) error) error { return nil }
func (memory) View(func(*bolt.Bucket) error) error   { return nil }

type lab struct {
	t       *testing.T
	service *recording.Service
	bus     *events.Bus
	dir     string
	streams chan *stream // that Attach gives, in order
	limits  recording.Limits
}

func (l *lab) open() {
	l.t.Helper()
	var err error
	if l.bus, err = events.Open(memory{}, time.Now); err != nil {
		l.t.Fatal(err)
	}
	l.service, err = recording.Open(recording.Options{
		Dir: l.dir, Limits: l.limits,
		Attach: func(_ context.Context, id string) (recording.Stream, error) {
			select {
			case s := <-l.streams:
				return s, nil
			default:
				return nil, imagecore.NewError(imagecore.ErrNotFound, "exec-ended", "exec has ended", "exec", id)
			}
		},
		Container: func(_ context.Context, id string) (wire.Container, error) {
			if id != "web" && id != "c1" {
				return wire.Container{}, imagecore.NewError(imagecore.ErrNotFound, "container-not-found", "no such container", "container", id)
			}
			return wire.Container{ID: "c1", Name: "web"}, nil
		},
		Changes: func(context.Context, string) (wire.Changes, error) {
			return wire.Changes{Changes: []wire.Change{{Kind: "A", Path: "old", Type: "file", Size: 2}}}, nil
		},
		Subscribe: func() (*events.Subscription, error) { return l.bus.Subscribe(0) },
		Tell:      l.bus.Send, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

func newLab(t *testing.T, limits recording.Limits) *lab {
	t.Helper()
	l := &lab{t: t, dir: filepath.Join(t.TempDir(), "recordings"), streams: make(chan *stream, 9), limits: limits}
	l.open()
	return l
}

func (l *lab) close() {
	if err := l.service.Close(); err != nil {
		l.t.Error(err)
	}
}

func (l *lab) start() wire.Recording {
	l.t.Helper()
	r, err := l.service.Start(l.t.Context(), "web", wire.NewRecording{Cols: 80, Rows: 24, Title: "t"})
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func (l *lab) cast(id string) string {
	l.t.Helper()
	f, size, name, err := l.service.Cast(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err != nil || int64(len(raw)) != size || !strings.HasPrefix(name, "web-") || !strings.HasSuffix(name, ".cast") {
		l.t.Fatalf("%d bytes of %d, %s, %v", len(raw), size, name, err)
	}
	return string(raw)
}

func (l *lab) change(list ...wire.Change) {
	l.t.Helper()
	if err := l.bus.Send(wire.EventContainerChanges, "c1", wire.Changes{Changes: list}); err != nil {
		l.t.Fatal(err)
	}
}

func code(err error) string {
	var e *imagecore.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestTerminalAndLayerStandOnOneClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, recording.DefaultLimits())
		defer l.close()
		s := newStream()
		l.streams <- s
		r := l.start()
		synctest.Wait()
		if _, err := l.service.Start(t.Context(), "c1", wire.NewRecording{Cols: 80, Rows: 24}); code(err) != "recording-runs" {
			t.Errorf("a second recording of one terminal: %v", err)
		}
		s.out <- []byte("$ ")
		time.Sleep(time.Second) // of the bubble's clock
		l.change(wire.Change{Kind: "A", Path: "old", Type: "file", Size: 2}, wire.Change{Kind: "A", Path: "x", Type: "file", Size: 5})
		synctest.Wait()
		time.Sleep(time.Second)
		l.service.Resized("c1", 80, 24) // as it is
		l.service.Resized("c1", 100, 30)
		l.service.Resized("other", 10, 10)
		s.out <- shim.ErrSlow
		next := newStream()
		l.streams <- next
		next.out <- []byte("again")
		synctest.Wait()
		got, err := l.service.Stop(t.Context(), r.ID)
		if err != nil || got.Ended != wire.EndedStopped || got.Seconds != 2 {
			t.Errorf("%+v %v", got, err)
		}
		events := strings.Split(strings.TrimSpace(l.cast(r.ID)), "\n")[1:]
		want := []string{
			`[0.000000,"m","layer\n+2 new /old"]`, `[0.000000,"o","$ "]`, `[1.000000,"m","layer\n+5 new /x"]`,
			`[2.000000,"r","100x30"]`, `[2.000000,"o","\u001bc"]`, `[2.000000,"o","again"]`,
		}
		if strings.Join(events, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s", strings.Join(events, "\n"))
		}
		if got.Bytes != int64(len(l.cast(r.ID))) {
			t.Errorf("%d bytes told of %d", got.Bytes, len(l.cast(r.ID)))
		}
	})
}

func TestARecordingEndsByItself(t *testing.T) {
	for name, c := range map[string]struct {
		limits recording.Limits
		do     func(*stream)
		want   string
	}{
		"the program ends": {recording.DefaultLimits(), func(s *stream) { s.out <- io.EOF }, wire.EndedExit},
		"an hour is over":  {recording.DefaultLimits(), func(*stream) { time.Sleep(time.Hour + time.Second) }, wire.EndedTime},
		"the file is full": {recording.Limits{Bytes: 300, Time: time.Hour, Kept: 9}, func(s *stream) { s.out <- []byte(strings.Repeat("x", 400)) }, wire.EndedSize},
		"the shim is gone": {recording.DefaultLimits(), func(s *stream) { s.out <- errors.New("gone") }, wire.EndedFailure},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, c.limits)
				defer l.close()
				s := newStream()
				l.streams <- s
				sub, err := l.bus.Subscribe(0)
				if err != nil {
					t.Fatal(err)
				}
				defer sub.Close()
				r := l.start()
				c.do(s)
				synctest.Wait()
				e, err := sub.Next(t.Context()) // the newest of its kind and id
				var told wire.Recording
				if err != nil || json.Unmarshal(e.Data, &told) != nil || told.ID != r.ID || told.Ended != c.want {
					t.Errorf("%+v %v", told, err)
				}
			})
		})
	}
}

func TestWhatAServersEndCutShortIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, recording.DefaultLimits())
		s := newStream()
		l.streams <- s
		r := l.start()
		time.Sleep(time.Second)
		s.out <- []byte("whole")
		synctest.Wait()
		// As a crash leaves it: no end is kept, and half a line.
		before, err := os.ReadFile(filepath.Join(l.dir, r.ID, "recording.json"))
		if err != nil {
			t.Fatal(err)
		}
		l.close()
		if list, _ := l.service.List(t.Context()); list.Recordings[0].Ended != wire.EndedServer {
			t.Errorf("ended with the server: %+v", list)
		}
		whole := l.cast(r.ID)
		file := filepath.Join(l.dir, r.ID, "session.cast")
		if err := errors.Join(os.WriteFile(filepath.Join(l.dir, r.ID, "recording.json"), before, 0o600), os.WriteFile(file, []byte(whole+`[1.5,"o","ha`), 0o600),
			os.Mkdir(filepath.Join(l.dir, "strange"), 0o700)); err != nil {
			t.Fatal(err)
		}
		l.open()
		defer l.close()
		list, err := l.service.List(t.Context())
		if err != nil || len(list.Recordings) != 1 || list.Recordings[0].Ended != wire.EndedServer || list.Recordings[0].Seconds != 1 || list.Recordings[0].Bytes != int64(len(whole)) {
			t.Errorf("%+v %v", list, err)
		}
		if got := l.cast(r.ID); got != whole {
			t.Errorf("%q", got)
		}
		if err := l.service.Delete(t.Context(), r.ID); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(l.dir); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestWhatCannotBeRecordedIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, recording.Limits{Bytes: 1000, Time: time.Hour, Kept: 1})
		defer l.close()
		for want, req := range map[string]wire.NewRecording{
			"bad-recording": {Cols: 0, Rows: 24},
			"exec-ended":    {Cols: 80, Rows: 24, Terminal: "e1"},
		} {
			if _, err := l.service.Start(t.Context(), "web", req); code(err) != want {
				t.Errorf("%+v: %v", req, err)
			}
		}
		if _, err := l.service.Start(t.Context(), "db", wire.NewRecording{Cols: 80, Rows: 24}); code(err) != "container-not-found" {
			t.Error(err)
		}
		if left, _ := os.ReadDir(l.dir); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
		l.streams <- newStream()
		r := l.start()
		if _, err := l.service.Start(t.Context(), "web", wire.NewRecording{Cols: 80, Rows: 24, Terminal: "e1"}); code(err) != "recordings-full" {
			t.Error(err)
		}
		if err := l.service.Delete(t.Context(), "none"); code(err) != "recording-not-found" {
			t.Error(err)
		}
		if err := l.service.Delete(t.Context(), r.ID); err != nil {
			t.Error(err)
		}
	})
}
