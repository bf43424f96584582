//go:build linux

package serve

import (
	"context"
	"net/http"
	"path/filepath"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/labapi"
	"github.com/layerlab/layerlab/server/recording"
	"github.com/layerlab/layerlab/server/sharing"
	"github.com/layerlab/layerlab/server/terminal"
)

// openTerminals opens what shows terminals, records them and shares them.
func (s *server) openTerminals() (err error) {
	s.recordings, err = recording.Open(recording.Options{
		Dir: filepath.Join(s.o.Data, "recordings"), Limits: recording.DefaultLimits(),
		Attach: attach(s.engine, func(e engine.Stream) recording.Stream { return e }), Container: s.engine.Get, Changes: s.engine.Changes,
		Subscribe: func() (*events.Subscription, error) { return s.bus.Subscribe(0) },
		Tell:      s.bus.Send, Now: time.Now, Log: s.log,
	})
	if err != nil {
		return err
	}
	s.onClose(s.recordings.Close)
	s.terminals = terminal.New(terminal.Options{
		Attach: attach(s.engine, func(e engine.Stream) terminal.Stream { return e }), Resize: s.resize, Words: labapi.WireError, Log: s.log,
	})
	s.shares, err = sharing.Open(sharing.Options{
		Bucket: s.store.Bucket("shares"), Container: s.engine.Get, Exec: s.runningExec, Now: time.Now, Log: s.log,
	})
	return err
}

// runningExec says which container an exec that has not ended is of.
func (s *server) runningExec(ctx context.Context, id string) (container string, err error) {
	e, err := s.engine.InspectExec(ctx, id)
	if err != nil {
		return "", err
	}
	if !e.Started || e.ExitCode != nil {
		return "", imagecore.NewError(imagecore.ErrNotFound, "exec-ended", "exec "+id+" has ended", "exec", id)
	}
	return e.Container, nil
}

// shares lets guests into the terminals that are shared with them.
type shares struct {
	*sharing.Service
	terminals *terminal.Handler
}

func (s shares) Serve(w http.ResponseWriter, r *http.Request, id string) {
	s.terminals.ServeGuest(w, r, func(ctx context.Context) (terminal.Guest, error) {
		g, leave, err := s.Enter(ctx, id)
		if err != nil {
			return terminal.Guest{}, err
		}
		context.AfterFunc(ctx, leave)
		return terminal.Guest{ID: g.Terminal, Write: g.Write, Cols: g.Cols, Rows: g.Rows, Ended: g.Ended}, nil
	})
}

// attach shows the engine's streams as another package wants them.
func attach[S any](e *engine.Service, as func(engine.Stream) S) func(ctx context.Context, id string) (S, error) {
	return func(ctx context.Context, id string) (stream S, err error) {
		opened, err := e.Attach(ctx, id)
		if err != nil {
			return stream, err // not a nil Stream within a non-nil interface
		}
		return as(opened), nil
	}
}

// resize sets the size of a terminal, whoever asks for it, and tells those who
// record it or look at it as guests.
func (s *server) resize(ctx context.Context, id string, cols, rows uint16) error {
	if err := s.engine.Resize(ctx, id, cols, rows); err != nil {
		return err
	}
	s.recordings.Resized(id, cols, rows)
	s.shares.Resized(id, cols, rows)
	s.terminals.Resized(id, cols, rows)
	return nil
}
