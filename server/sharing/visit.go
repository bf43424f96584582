//go:build linux

package sharing

import (
	"context"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Grant is what a guest may do.
type Grant struct {
	Terminal   string // for Attach and Resize
	Write      bool
	Cols, Rows uint16 // the size that the terminal has
	// Ended is done when the share is over, with the reason as its cause.
	Ended context.Context
}

// Enter lets a guest in who came with a ticket for this share. The caller calls
// leave when the guest has gone. Code: share-over.
func (s *Service) Enter(ctx context.Context, id string) (g Grant, leave func(), err error) {
	r := s.find(id)
	if r == nil {
		return Grant{}, nil, errOver()
	}
	if err := s.alive(ctx, r); err != nil {
		return Grant{}, nil, err
	}
	ended, end := context.WithCancelCause(ctx)
	v := &visit{end}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[id] == nil { // revoked just now
		end(nil)
		return Grant{}, nil, errOver()
	}
	if s.open[id] == nil {
		s.open[id] = map[*visit]struct{}{}
	}
	s.open[id][v] = struct{}{}
	expiry := time.AfterFunc(r.ExpiresAt.Sub(s.o.Now()), func() {
		end(imagecore.NewError(imagecore.ErrConflict, "share-expired", "the time of this share is over"))
	})
	leave = func() {
		expiry.Stop()
		end(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(s.open[id], v); len(s.open[id]) == 0 {
			delete(s.open, id)
		}
	}
	return Grant{Terminal: r.terminal(), Write: r.Role == wire.RoleWriter, Cols: r.Cols, Rows: r.Rows, Ended: ended}, leave, nil
}

// Resized notes the size that somebody has given to the terminal of a container
// or exec, for guests who come later.
func (s *Service) Resized(terminal string, cols, rows uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.all {
		if r.terminal() == terminal {
			r.Cols, r.Rows = cols, rows
		}
	}
}
