//go:build linux

package sharing

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// most is how many shares there may be, shortest and longest how long.
const (
	most     = 100
	shortest = time.Minute
	longest  = 24 * time.Hour
)

// Bucket is a bucket of meta.db. The *bolt.Bucket is valid within the call.
type Bucket interface {
	Update(func(*bolt.Bucket) error) error
	View(func(*bolt.Bucket) error) error
}

// Options are what a Service needs of others; all fields are needed.
type Options struct {
	Bucket Bucket // holds nothing else: key is the share's id, value a record
	// Container finds a container by id, name or prefix.
	Container func(ctx context.Context, id string) (wire.Container, error)
	// Exec says which container an exec that still runs is of.
	Exec func(ctx context.Context, id string) (container string, err error)
	Now  func() time.Time
	Log  *slog.Logger
}

// record is a share as it is kept.
type record struct {
	wire.Share
	Hash []byte    `json:"hash"` // SHA-256 of the secret
	Run  time.Time `json:"run"`  // when the container was started
	Cols uint16    `json:"cols"`
	Rows uint16    `json:"rows"`
}

// terminal is what the shared terminal is called for Attach and Resize.
func (r *record) terminal() string {
	if r.Terminal != "" {
		return r.Terminal
	}
	return r.Container
}

// Service keeps shares. It is safe for concurrent use.
type Service struct {
	o Options

	mu   sync.Mutex
	all  map[string]*record
	open map[string]map[*visit]struct{} // by the share's id
}

// visit is a guest who has a terminal open.
type visit struct{ end context.CancelCauseFunc }

// Open reads the shares that are kept.
func Open(o Options) (*Service, error) {
	s := &Service{o: o, all: map[string]*record{}, open: map[string]map[*visit]struct{}{}}
	err := o.Bucket.View(func(b *bolt.Bucket) error {
		return b.ForEach(func(_, value []byte) error {
			var r record
			if err := json.Unmarshal(value, &r); err != nil {
				return err
			}
			s.all[r.ID] = &r
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read shares: %w", err)
	}
	return s, nil
}

// Create shares a terminal and returns the secret of its link. Codes: bad-share,
// shares-full, share-over (it does not run), and those of the container.
func (s *Service) Create(ctx context.Context, container string, req wire.NewShare) (wire.CreatedShare, error) {
	life := time.Duration(req.Seconds) * time.Second
	if req.Role != wire.RoleViewer && req.Role != wire.RoleWriter || req.Seconds < int64(shortest.Seconds()) || req.Seconds > int64(longest.Seconds()) ||
		req.Cols < 1 || req.Cols > 1000 || req.Rows < 1 || req.Rows > 1000 {
		return wire.CreatedShare{}, imagecore.NewError(imagecore.ErrInvalid, "bad-share", "a share needs a role (viewer or writer), 60 to 86400 seconds, and the terminal's size, 1 to 1000 columns and rows")
	}
	c, err := s.o.Container(ctx, container)
	if err != nil {
		return wire.CreatedShare{}, err
	}
	secret := rand.Text() + rand.Text()
	hash := sha256.Sum256([]byte(secret))
	now := s.o.Now().UTC()
	r := &record{
		Share: wire.Share{
			ID: strings.ToLower(rand.Text()), Container: c.ID, ContainerName: c.Name, Terminal: req.Terminal, Role: req.Role,
			CreatedAt: now, ExpiresAt: now.Add(life),
		},
		Hash: hash[:], Cols: req.Cols, Rows: req.Rows,
	}
	if c.StartedAt != nil {
		r.Run = *c.StartedAt
	}
	if err := s.alive(ctx, r); err != nil {
		return wire.CreatedShare{}, err
	}
	if err := s.add(r); err != nil {
		return wire.CreatedShare{}, err
	}
	s.o.Log.Info("terminal shared", "share", r.ID, "container", r.Container, "role", r.Role, "until", r.ExpiresAt)
	return wire.CreatedShare{Share: r.Share, Secret: r.ID + "." + secret}, nil
}

// add keeps a share, and forgets those that have expired.
func (s *Service) add(r *record) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	over := s.expired()
	if len(s.all)-len(over) >= most {
		return imagecore.NewError(imagecore.ErrConflict, "shares-full", fmt.Sprintf("there are %d shares: revoke one first", most), "limit", fmt.Sprint(most))
	}
	err = s.o.Bucket.Update(func(b *bolt.Bucket) error {
		for _, id := range over {
			if err := b.Delete([]byte(id)); err != nil {
				return err
			}
		}
		return b.Put([]byte(r.ID), value)
	})
	if err != nil {
		return fmt.Errorf("keep the share: %w", err)
	}
	for _, id := range over {
		delete(s.all, id)
	}
	s.all[r.ID] = r
	return nil
}

// expired names the shares whose time is over; called with the lock held.
func (s *Service) expired() []string {
	var over []string
	for id, r := range s.all {
		if !s.o.Now().Before(r.ExpiresAt) {
			over = append(over, id)
		}
	}
	return over
}

// List returns the shares that are not over, newest first.
func (s *Service) List(context.Context) (wire.ShareList, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := wire.ShareList{Shares: []wire.Share{}}
	for _, r := range s.all {
		if s.o.Now().Before(r.ExpiresAt) {
			one := r.Share
			one.Guests = len(s.open[r.ID])
			out.Shares = append(out.Shares, one)
		}
	}
	slices.SortFunc(out.Shares, func(a, b wire.Share) int {
		if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

// Revoke ends a share and what is open by it. Code: share-not-found.
func (s *Service) Revoke(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.all[id]; !ok {
		return imagecore.NewError(imagecore.ErrNotFound, "share-not-found", "no such share: "+id, "share", id)
	}
	// Whatever the disk says: who is revoked is out.
	delete(s.all, id)
	for v := range s.open[id] {
		v.end(imagecore.NewError(imagecore.ErrConflict, "share-revoked", "this share has been revoked"))
	}
	if err := s.o.Bucket.Update(func(b *bolt.Bucket) error { return b.Delete([]byte(id)) }); err != nil {
		return fmt.Errorf("forget the share: %w", err)
	}
	return nil
}

// Redeem says what a link's secret opens. Whatever is wrong with it, the answer
// is the same: share-over.
func (s *Service) Redeem(ctx context.Context, secret string) (wire.SharedTerminal, error) {
	id, rest, _ := strings.Cut(secret, ".")
	sum := sha256.Sum256([]byte(rest))
	r := s.find(id)
	// An id is no secret: it stands in addresses. Only the rest is compared.
	if r == nil || subtle.ConstantTimeCompare(r.Hash, sum[:]) != 1 {
		return wire.SharedTerminal{}, errOver()
	}
	if err := s.alive(ctx, r); err != nil {
		return wire.SharedTerminal{}, err
	}
	return wire.SharedTerminal{
		ID: r.ID, ContainerName: r.ContainerName, Role: r.Role, ExpiresAt: r.ExpiresAt, Cols: r.Cols, Rows: r.Rows,
	}, nil
}

func errOver() error {
	return imagecore.NewError(imagecore.ErrNotFound, "share-over", "this link has expired or was revoked, its terminal has ended, or it is not whole: ask for a new one")
}

// find returns a copy of a share that is not over; nil for none.
func (s *Service) find(id string) *record {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.all[id]
	if !ok || !s.o.Now().Before(r.ExpiresAt) {
		return nil
	}
	copied := *r
	return &copied
}

// alive says whether the very process that was shared still runs.
func (s *Service) alive(ctx context.Context, r *record) error {
	c, err := s.o.Container(ctx, r.Container)
	if err != nil || c.ID != r.Container || c.State != wire.StateRunning && c.State != wire.StatePaused || c.StartedAt == nil || !c.StartedAt.Equal(r.Run) {
		return errOver()
	}
	if r.Terminal == "" {
		return nil
	}
	if of, err := s.o.Exec(ctx, r.Terminal); err != nil || of != r.Container {
		return errOver()
	}
	return nil
}
