package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/layerlab/layerlab/imagecore"
)

// TicketLife is how long a ticket can be used.
const TicketLife = 30 * time.Second

// ticketLimit bounds the memory that unused tickets take.
const ticketLimit = 4096

// Sessions keeps the hashes of session secrets. Both are safe for concurrent
// use; Add is durable when it returns nil.
type Sessions interface {
	Add(hash []byte, at time.Time) error
	Has(hash []byte) (bool, error)
}

// Config says whom the gate lets in.
type Config struct {
	Token    string // at least 16 characters
	Sessions Sessions
	// Hosts are the names, beyond those of loopback, under which requests may
	// come, without port.
	Hosts []string
	// TLS says that this server speaks TLS itself, so that its origin is https.
	TLS bool
	// BehindProxy says that a proxy may have taken TLS off: the origin may be
	// http or https.
	BehindProxy bool
	// Guarded are path prefixes beyond /api/ that ask for the bearer too.
	Guarded []string
	// Embed are the origins of pages that may show this one in a frame,
	// "https://course.example"; none may where it is empty.
	Embed []string
	Now   func() time.Time
	// Refuse answers a refused request; code and message are as in Refusal.
	Refuse func(w http.ResponseWriter, r *http.Request, e *Refusal)
}

// Refusal is why a request is not let in.
type Refusal struct {
	Status  int    // 401, 403, or 500 where Err is set
	Code    string // worded by the page
	Message string // what is wrong and what to do
	Err     error  // for the log, nil where nothing broke
}

// Error returns the message.
func (e *Refusal) Error() string { return e.Message }

// Gate holds the codes and tickets that are out. It is safe for concurrent use.
type Gate struct {
	c     Config
	token [sha256.Size]byte

	mu      sync.Mutex
	codes   map[[sha256.Size]byte]struct{}
	tickets map[[sha256.Size]byte]ticket
}

type ticket struct {
	path    string // with its query
	expires time.Time
}

// New makes a gate. A short token is an error: it could be guessed.
func New(c Config) (*Gate, error) {
	if len(c.Token) < 16 {
		return nil, errors.New("the token has fewer than 16 characters: choose a longer one")
	}
	return &Gate{
		c:       c,
		token:   sha256.Sum256([]byte(c.Token)),
		codes:   map[[sha256.Size]byte]struct{}{},
		tickets: map[[sha256.Size]byte]ticket{},
	}, nil
}

// Code makes a code that Redeem takes once.
func (g *Gate) Code() string {
	code := rand.Text()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.codes[sha256.Sum256([]byte(code))] = struct{}{}
	return code
}

// Redeem exchanges a code for the secret of a new session. Codes are found by
// their hash, so that the time taken says nothing about them.
func (g *Gate) Redeem(code string) (secret string, err error) {
	key := sha256.Sum256([]byte(code))
	g.mu.Lock()
	_, ok := g.codes[key]
	delete(g.codes, key)
	g.mu.Unlock()
	if !ok {
		return "", &Refusal{Status: http.StatusUnauthorized, Code: "code-used", Message: "this code is unknown or was used: open the address that the server printed, or restart the server for a new one"}
	}
	secret = rand.Text() + rand.Text()
	if err := g.c.Sessions.Add(g.hash(secret), g.c.Now()); err != nil {
		// The user may try again: the code was good.
		g.mu.Lock()
		g.codes[key] = struct{}{}
		g.mu.Unlock()
		return "", fmt.Errorf("keep the session: %w", err)
	}
	return secret, nil
}

// hash ties a session to the token: with another token it is another hash.
func (g *Gate) hash(secret string) []byte {
	h := hmac.New(sha256.New, g.token[:])
	h.Write([]byte(secret))
	return h.Sum(nil)
}

// Ticket makes a ticket for one GET of path, which has to begin with /api/ and
// includes the query.
func (g *Gate) Ticket(path string) (string, error) {
	if !strings.HasPrefix(path, "/api/") || strings.ContainsAny(path, "#\x00") {
		return "", imagecore.NewError(imagecore.ErrInvalid, "bad-ticket-path", fmt.Sprintf("tickets are for paths beneath /api/, not for %q", path), "path", path)
	}
	now := g.c.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, t := range g.tickets {
		if !now.Before(t.expires) {
			delete(g.tickets, key)
		}
	}
	if len(g.tickets) >= ticketLimit {
		return "", imagecore.NewError(imagecore.ErrConflict, "too-many-tickets", "too many unused tickets: wait half a minute")
	}
	text := rand.Text()
	g.tickets[sha256.Sum256([]byte(text))] = ticket{path: path, expires: now.Add(TicketLife)}
	return text, nil
}

// spend uses a ticket up, whatever comes of it, and says whether it was good.
func (g *Gate) spend(text, path string) bool {
	key := sha256.Sum256([]byte(text))
	g.mu.Lock()
	t, ok := g.tickets[key]
	delete(g.tickets, key)
	g.mu.Unlock()
	return ok && g.c.Now().Before(t.expires) && t.path == path
}

// bearer says whether a bearer is the token or a session's secret.
func (g *Gate) bearer(value string) (bool, error) {
	sum := sha256.Sum256([]byte(value))
	if subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1 {
		return true, nil
	}
	return g.c.Sessions.Has(g.hash(value))
}
