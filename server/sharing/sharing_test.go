//go:build linux

package sharing_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/sharing"
)

// bucket is a bucket of a real file: what is kept must survive a reopening.
type bucket struct{ db *bolt.DB }

func (b bucket) Update(f func(*bolt.Bucket) error) error {
	return b.db.Update(func(tx *bolt.Tx) error {
		k, err := tx.CreateBucketIfNotExists([]byte("shares"))
		if err != nil {
			return err
		}
		return f(k)
	})
}

func (b bucket) View(f func(*bolt.Bucket) error) error {
	return b.db.View(func(tx *bolt.Tx) error {
		if k := tx.Bucket([]byte("shares")); k != nil {
			return f(k)
		}
		return nil
	})
}

// lab has one container, web, with the exec e1.
type lab struct {
	t         *testing.T
	db        *bolt.DB
	log       bytes.Buffer
	service   *sharing.Service
	container wire.Container
	execs     map[string]string // the container of each that runs
}

func newLab(t *testing.T) *lab {
	t.Helper()
	db, err := bolt.Open(filepath.Join(t.TempDir(), "meta.db"), 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	started := time.Now()
	l := &lab{
		t: t, db: db, execs: map[string]string{"e1": "c1", "foreign": "c2"},
		container: wire.Container{ID: "c1", Name: "web", State: wire.StateRunning, StartedAt: &started},
	}
	l.open()
	return l
}

func (l *lab) open() {
	l.t.Helper()
	var err error
	l.service, err = sharing.Open(sharing.Options{
		Bucket: bucket{l.db},
		Container: func(_ context.Context, id string) (wire.Container, error) {
			if id != "web" && id != "c1" {
				return wire.Container{}, imagecore.NewError(imagecore.ErrNotFound, "container-not-found", "no such container", "container", id)
			}
			return l.container, nil
		},
		Exec: func(_ context.Context, id string) (string, error) {
			if of, ok := l.execs[id]; ok {
				return of, nil
			}
			return "", errors.New("ended")
		},
		Now: time.Now, Log: slog.New(slog.NewTextHandler(&l.log, nil)),
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) share(role, terminal string) wire.CreatedShare {
	l.t.Helper()
	s, err := l.service.Create(l.t.Context(), "web", wire.NewShare{Role: role, Terminal: terminal, Seconds: 600, Cols: 80, Rows: 24})
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

func (l *lab) redeem(secret string) string {
	_, err := l.service.Redeem(l.t.Context(), secret)
	return code(err)
}

func code(err error) string {
	if err == nil {
		return ""
	}
	var e *imagecore.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return err.Error()
}

func TestASecretOpensItsTerminalInItsRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		viewer, writer := l.share(wire.RoleViewer, ""), l.share(wire.RoleWriter, "e1")
		l.service.Resized("c1", 100, 30)
		l.open() // a restart; what the size became is asked of the page anew
		for _, c := range []struct {
			s        wire.CreatedShare
			terminal string
			write    bool
		}{{viewer, "c1", false}, {writer, "e1", true}} {
			got, err := l.service.Redeem(t.Context(), c.s.Secret)
			if err != nil || got.ID != c.s.ID || got.Role != c.s.Role || !got.ExpiresAt.Equal(c.s.CreatedAt.Add(10*time.Minute)) || got.ContainerName != "web" {
				t.Errorf("%+v %v", got, err)
			}
			g, leave, err := l.service.Enter(t.Context(), got.ID)
			if err != nil || g.Terminal != c.terminal || g.Write != c.write || g.Ended.Err() != nil {
				t.Errorf("%+v %v", g, err)
			}
			leave()
			leave() // as a session may that ends twice
		}
		list, err := l.service.List(t.Context())
		if err != nil || len(list.Shares) != 2 || list.Shares[0].Guests != 0 {
			t.Errorf("%+v %v", list, err)
		}
	})
}

func TestNeitherDiskNorLogHasTheSecret(t *testing.T) {
	l := newLab(t)
	s := l.share(wire.RoleWriter, "")
	_, secret, _ := strings.Cut(s.Secret, ".")
	if len(secret) < 40 {
		t.Errorf("a secret of %d characters can be guessed", len(secret))
	}
	var kept bytes.Buffer
	if err := l.db.View(func(tx *bolt.Tx) error { _, err := tx.WriteTo(&kept); return err }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(kept.String(), s.ID) {
		t.Error("the share is not on disk: this test looks at the wrong place")
	}
	if strings.Contains(kept.String(), secret) || strings.Contains(l.log.String(), secret) {
		t.Error("the secret is on disk or in the log")
	}
}

func TestWhatOpensNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		s := l.share(wire.RoleViewer, "")
		exec := l.share(wire.RoleViewer, "e1")
		other := l.share(wire.RoleWriter, "")
		_, otherSecret, _ := strings.Cut(other.Secret, ".")
		for name, secret := range map[string]string{
			"nothing": "", "an id alone": s.ID, "an id and a dot": s.ID + ".", "one letter more": s.Secret + "A", "one less": s.Secret[:len(s.Secret)-1],
			"another share's secret": s.ID + "." + otherSecret, "no such share": "x" + s.Secret,
		} {
			if got := l.redeem(secret); got != "share-over" {
				t.Errorf("%s: %q", name, got)
			}
		}
		if got := l.redeem(s.Secret); got != "" {
			t.Fatal(got)
		}
		first := l.container
		again := first.StartedAt.Add(time.Second)
		for name, c := range map[string]wire.Container{
			"ended":         {ID: "c1", State: wire.StateExited, StartedAt: first.StartedAt},
			"started again": {ID: "c1", State: wire.StateRunning, StartedAt: &again},
			"another one":   {ID: "c2", State: wire.StateRunning, StartedAt: first.StartedAt},
		} {
			l.container = c
			if got := l.redeem(s.Secret); got != "share-over" {
				t.Errorf("container %s: %q", name, got)
			}
			if _, _, err := l.service.Enter(t.Context(), s.ID); code(err) != "share-over" {
				t.Errorf("container %s: %v", name, err)
			}
		}
		l.container = first
		delete(l.execs, "e1")
		if got := l.redeem(exec.Secret); got != "share-over" {
			t.Errorf("an exec that has ended: %q", got)
		}
		time.Sleep(10 * time.Minute) // of the bubble's clock
		if got := l.redeem(s.Secret); got != "share-over" {
			t.Errorf("expired: %q", got)
		}
		if list, _ := l.service.List(t.Context()); len(list.Shares) != 0 {
			t.Errorf("listed: %+v", list)
		}
	})
}

func TestWhoIsInIsPutOutInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		expiring, revoked := l.share(wire.RoleViewer, ""), l.share(wire.RoleViewer, "")
		enter := func(s wire.CreatedShare) sharing.Grant {
			g, leave, err := l.service.Enter(t.Context(), s.ID)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(leave)
			return g
		}
		a, b := enter(expiring), enter(revoked)
		if list, _ := l.service.List(t.Context()); list.Shares[0].Guests != 1 {
			t.Errorf("%+v", list)
		}
		if err := l.service.Revoke(t.Context(), revoked.ID); err != nil {
			t.Fatal(err)
		}
		if b.Ended.Err() == nil || code(context.Cause(b.Ended)) != "share-revoked" || a.Ended.Err() != nil {
			t.Errorf("after revoking: %v, and of the other %v", context.Cause(b.Ended), a.Ended.Err())
		}
		l.open() // a restart brings nothing back
		if got := l.redeem(revoked.Secret); got != "share-over" {
			t.Error(got)
		}
		time.Sleep(10*time.Minute + time.Second)
		if code(context.Cause(a.Ended)) != "share-expired" {
			t.Error(context.Cause(a.Ended))
		}
	})
}

func TestWhatCannotBeShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		good := wire.NewShare{Role: wire.RoleViewer, Seconds: 600, Cols: 80, Rows: 24}
		for want, change := range map[string]func(*wire.NewShare){
			"bad-share role":     func(s *wire.NewShare) { s.Role = "owner" },
			"bad-share short":    func(s *wire.NewShare) { s.Seconds = 59 },
			"bad-share for ever": func(s *wire.NewShare) { s.Seconds = 86_401 },
			"bad-share size":     func(s *wire.NewShare) { s.Cols = 0 },
			"share-over exec":    func(s *wire.NewShare) { s.Terminal = "e9" },
			"share-over foreign": func(s *wire.NewShare) { s.Terminal = "foreign" },
		} {
			req := good
			change(&req)
			if _, err := l.service.Create(t.Context(), "web", req); !strings.HasPrefix(want, code(err)+" ") {
				t.Errorf("%s: %v", want, err)
			}
		}
		if _, err := l.service.Create(t.Context(), "db", good); code(err) != "container-not-found" {
			t.Error(err)
		}
		if err := l.service.Revoke(t.Context(), "none"); code(err) != "share-not-found" {
			t.Error(err)
		}
		for range 100 {
			l.share(wire.RoleViewer, "")
		}
		if _, err := l.service.Create(t.Context(), "web", good); code(err) != "shares-full" {
			t.Error(err)
		}
		time.Sleep(10 * time.Minute)
		l.share(wire.RoleViewer, "") // in the place of those that have expired
	})
}
