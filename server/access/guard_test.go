package access

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"
)

const token = "0123456789abcdef-token"

// memory is Sessions without a disk.
type memory map[string]bool

func (m memory) Add(hash []byte, _ time.Time) error { m[string(hash)] = true; return nil }
func (m memory) Has(hash []byte) (bool, error)      { return m[string(hash)], nil }

func newGate(t *testing.T, change func(*Config)) *Gate {
	t.Helper()
	c := Config{Token: token, Sessions: memory{}, Now: time.Now, Refuse: refuse}
	if change != nil {
		change(&c)
	}
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func refuse(w http.ResponseWriter, _ *http.Request, e *Refusal) {
	w.WriteHeader(e.Status)
	fmt.Fprint(w, e.Code)
}

// ask sends a request to a guarded server; header is name, value, ….
func ask(g *Gate, method, host, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = host
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "in: "+r.URL.RequestURI())
	})).ServeHTTP(w, r)
	return w
}

const bearer = "Bearer " + token

// TestAttacksAreRefused is the table of those who must not get in, and beside
// each the honest request that must.
func TestAttacksAreRefused(t *testing.T) {
	g := newGate(t, nil)
	secret, err := g.Redeem(g.Code())
	if err != nil {
		t.Fatal(err)
	}
	const here = "127.0.0.1:8080"
	for _, c := range []struct {
		what, method, host, target string
		header                     []string
		status                     int
		code                       string
	}{
		{"program with the token", "GET", here, "/api/v1/images", []string{"Authorization", bearer}, 200, ""},
		{"scheme in lower case", "GET", here, "/api/v1/images", []string{"Authorization", "bearer " + token}, 200, ""},
		{"page with its session", "GET", here, "/api/v1/images", []string{"Authorization", "Bearer " + secret, "Sec-Fetch-Site", "same-origin"}, 200, ""},
		{"page that posts", "POST", here, "/api/v1/images", []string{"Authorization", "Bearer " + secret, "Origin", "http://127.0.0.1:8080", "Sec-Fetch-Site", "same-origin"}, 200, ""},
		{"localhost", "GET", "localhost:8080", "/api/v1/images", []string{"Authorization", bearer}, 200, ""},
		{"IPv6 loopback", "GET", "[::1]:8080", "/api/v1/images", []string{"Authorization", bearer, "Origin", "http://[::1]:8080"}, 200, ""},
		{"shell of the page, to anyone", "GET", here, "/", []string{"Sec-Fetch-Site", "none"}, 200, ""},

		{"nobody", "GET", here, "/api/v1/images", nil, 401, "login-needed"},
		{"nobody, by HEAD", "HEAD", here, "/api/v1/images", nil, 401, "login-needed"},
		{"nobody, at the root of the API", "GET", here, "/api", nil, 401, "login-needed"},
		{"nobody, at a path that is none", "GET", here, "/api/other", nil, 401, "login-needed"},
		{"wrong token", "GET", here, "/api/v1/images", []string{"Authorization", "Bearer " + token + "x"}, 401, "login-expired"},
		{"beginning of the token", "GET", here, "/api/v1/images", []string{"Authorization", "Bearer " + token[:10]}, 401, "login-expired"},
		{"empty bearer", "GET", here, "/api/v1/images", []string{"Authorization", "Bearer "}, 401, "login-needed"},
		{"basic instead of bearer", "GET", here, "/api/v1/images", []string{"Authorization", "Basic " + token}, 401, "login-needed"},
		{"token as a cookie", "GET", here, "/api/v1/images", []string{"Cookie", "token=" + token + "; session=" + secret}, 401, "login-needed"},
		{"token in the query", "GET", here, "/api/v1/images?token=" + token, nil, 401, "login-needed"},

		{"DNS rebinding", "GET", "evil.example:8080", "/api/v1/images", []string{"Authorization", bearer}, 403, "host-refused"},
		{"DNS rebinding of the shell", "GET", "evil.example", "/", nil, 403, "host-refused"},
		{"no host", "GET", "", "/", nil, 403, "host-refused"},
		{"name that begins like ours", "GET", "localhost.evil.example", "/", nil, 403, "host-refused"},
		{"name that begins like our address", "GET", "127.0.0.1.evil.example:8080", "/", nil, 403, "host-refused"},
		{"every address", "GET", "0.0.0.0:8080", "/", nil, 403, "host-refused"},

		{"foreign page", "POST", here, "/api/v1/session", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403, "origin-refused"},
		{"foreign page, old browser", "POST", here, "/api/v1/session", []string{"Origin", "https://evil.example"}, 403, "origin-refused"},
		{"container's page on another port", "POST", here, "/api/v1/session", []string{"Origin", "http://127.0.0.1:9000"}, 403, "origin-refused"},
		{"container's page with a stolen bearer", "POST", here, "/api/v1/images", []string{"Origin", "http://127.0.0.1:9000", "Authorization", bearer}, 403, "origin-refused"},
		{"container's page, no-cors GET", "GET", here, "/api/v1/images", []string{"Sec-Fetch-Site", "same-site", "Cookie", "session=" + secret}, 403, "site-refused"},
		{"image tag of a foreign page", "GET", here, "/api/v1/images", []string{"Sec-Fetch-Site", "cross-site", "Authorization", bearer}, 403, "site-refused"},
		{"link from a foreign page", "GET", here, "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 403, "site-refused"},
		{"WebSocket of a foreign page", "GET", here, "/api/v1/terminals/1", []string{"Connection", "Upgrade", "Upgrade", "websocket", "Origin", "http://127.0.0.1:9000"}, 403, "origin-refused"},
		{"sandboxed frame", "POST", here, "/api/v1/session", []string{"Origin", "null"}, 403, "origin-refused"},
		{"other name of this machine", "POST", here, "/api/v1/session", []string{"Origin", "http://localhost:8080"}, 403, "origin-refused"},
		{"https page where we speak http", "POST", here, "/api/v1/session", []string{"Origin", "https://127.0.0.1:8080"}, 403, "origin-refused"},
		{"two origins", "POST", here, "/api/v1/session", []string{"Origin", "http://127.0.0.1:8080", "Origin", "https://evil.example"}, 403, "origin-refused"},
		{"two sites", "GET", here, "/", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site"}, 403, "site-refused"},
		{"session path by GET", "GET", here, "/api/v1/session", nil, 401, "login-needed"},
		{"below the session path", "POST", here, "/api/v1/session/x", nil, 401, "login-needed"},
	} {
		w := ask(g, c.method, c.host, c.target, c.header...)
		body := w.Body.String()
		if w.Code != c.status || c.code != "" && body != c.code {
			t.Errorf("%s: %d %s, want %d %s", c.what, w.Code, body, c.status, c.code)
		}
		if c.status != 200 && strings.HasPrefix(body, "in:") {
			t.Errorf("%s: got in", c.what)
		}
	}
}

func TestAllowedNamesAndProxies(t *testing.T) {
	g := newGate(t, func(c *Config) { c.Hosts = []string{"Lab.example"}; c.BehindProxy = true })
	for _, c := range []struct {
		host, origin string
		status       int
	}{
		{"lab.example", "", 200},
		{"lab.example:443", "https://lab.example", 200},
		{"lab.example", "https://lab.example", 200},
		{"lab.example", "http://lab.example:80", 200},
		{"lab.example", "http://lab.example:8080", 403},
		{"other.example", "", 403},
	} {
		var header []string
		if c.origin != "" {
			header = []string{"Origin", c.origin}
		}
		if w := ask(g, "POST", c.host, "/api/v1/session", header...); w.Code != c.status {
			t.Errorf("%s from %q: %d %s", c.host, c.origin, w.Code, w.Body)
		}
	}
	if w := ask(newGate(t, func(c *Config) { c.TLS = true }), "POST", "127.0.0.1", "/api/v1/session", "Origin", "http://127.0.0.1"); w.Code != 403 {
		t.Errorf("a page without TLS reaches a server with: %d", w.Code)
	}
}

// TestTicketsWorkOnceForOnePathAndHalfAMinute uses a clock of its own.
func TestTicketsWorkOnceForOnePathAndHalfAMinute(t *testing.T) {
	const here = "127.0.0.1:8080"
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t, nil)
		issue := func(path string) string {
			ticket, err := g.Ticket(path)
			if err != nil {
				t.Fatal(err)
			}
			return ticket
		}
		refused := func(what, method, target string, header ...string) {
			t.Helper()
			if w := ask(g, method, here, target, header...); w.Code != 401 {
				t.Errorf("%s: %d %s", what, w.Code, w.Body)
			}
		}
		const events = "/api/v1/events?since=7"
		ticket := issue(events)
		if w := ask(g, "GET", here, events+"&ticket="+ticket); w.Code != 200 || w.Body.String() != "in: "+events {
			t.Errorf("good ticket: %d %s", w.Code, w.Body)
		}
		refused("used again", "GET", events+"&ticket="+ticket)

		ticket = issue(events)
		refused("other path", "GET", "/api/v1/images/1/save?since=7&ticket="+ticket)
		refused("used up by the wrong path", "GET", events+"&ticket="+ticket)
		refused("other query", "GET", "/api/v1/events?since=8&ticket="+issue(events))
		refused("more query", "GET", events+"&x=1&ticket="+issue(events))
		refused("other spelling", "GET", "/api/v1/%65vents?since=7&ticket="+issue(events))
		refused("not a GET", "POST", events+"&ticket="+issue(events))
		refused("two tickets", "GET", events+"&ticket="+issue(events)+"&ticket="+issue(events))
		refused("made up", "GET", events+"&ticket=AAAAAAAAAAAAAAAAAAAAAAAAAA")
		refused("empty", "GET", events+"&ticket=")
		refused("wrong ticket beside a good bearer", "GET", events+"&ticket=x", "Authorization", bearer)

		ticket = issue("/api/v1/terminals/1")
		if w := ask(g, "GET", here, "/api/v1/terminals/1?ticket="+ticket, "Origin", "http://127.0.0.1:9000"); w.Code != 403 {
			t.Errorf("a stolen ticket on a foreign page: %d", w.Code)
		}
		if w := ask(g, "GET", here, "/api/v1/terminals/1?ticket="+ticket, "Origin", "http://127.0.0.1:8080"); w.Code != 200 {
			t.Errorf("ticket for a WebSocket: %d %s", w.Code, w.Body)
		}

		ticket = issue(events)
		time.Sleep(TicketLife - time.Nanosecond)
		if w := ask(g, "GET", here, events+"&ticket="+ticket); w.Code != 200 {
			t.Errorf("at the last moment: %d", w.Code)
		}
		ticket = issue(events)
		time.Sleep(TicketLife)
		refused("too late", "GET", events+"&ticket="+ticket)

		for range ticketLimit {
			issue(events)
		}
		if _, err := g.Ticket(events); err == nil {
			t.Error("tickets have no limit")
		}
		time.Sleep(TicketLife)
		issue(events)
	})
	g := newGate(t, nil)
	for _, path := range []string{"", "/", "/metrics", "https://evil.example/api/", "/api/v1/events#x"} {
		if _, err := g.Ticket(path); err == nil {
			t.Errorf("ticket for %q", path)
		}
	}
}

func TestCodesWorkOnce(t *testing.T) {
	g := newGate(t, nil)
	code := g.Code()
	if _, err := g.Redeem("wrong"); err == nil {
		t.Error("a wrong code")
	}
	if _, err := g.Redeem(code); err != nil {
		t.Error(err)
	}
	if _, err := g.Redeem(code); err == nil {
		t.Error("a used code")
	}
}

// TestSessionsOutliveARestartAndEndWithTheToken keeps them in a real meta.db.
func TestSessionsOutliveARestartAndEndWithTheToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meta.db")
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	now := start
	clock := func() time.Time { return now }
	open := func(token string) (*Gate, func()) {
		db, err := bolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		return newGate(t, func(c *Config) {
			c.Token, c.Sessions, c.Now = token, Keep(bucket{db}, clock), clock
		}), func() { db.Close() }
	}
	g, end := open(token)
	secret, err := g.Redeem(g.Code())
	if err != nil {
		t.Fatal(err)
	}
	end()
	try := func(token string) int {
		g, end := open(token)
		defer end()
		return ask(g, "GET", "localhost", "/api/v1/info", "Authorization", "Bearer "+secret).Code
	}
	if got := try(token); got != 200 {
		t.Errorf("after a restart: %d", got)
	}
	if got := try("another token of the user"); got != 401 {
		t.Errorf("with another token: %d", got)
	}
	now = start.Add(SessionLife)
	if got := try(token); got != 401 {
		t.Errorf("after its life: %d", got)
	}
	g, end = open(token)
	if _, err := g.Redeem(g.Code()); err != nil {
		t.Fatal(err)
	}
	end()
	raw, err := readAll(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte(secret)) {
		t.Error("meta.db holds the secret itself")
	}
}

// TestAnswersCarryTheHeadersThatBrowsersHeed looks at a page, the API and a
// refusal.
func TestAnswersCarryTheHeadersThatBrowsersHeed(t *testing.T) {
	g := newGate(t, nil)
	for _, target := range []string{"/", "/api/v1/images"} {
		for _, host := range []string{"localhost", "evil.example"} {
			h := ask(g, "GET", host, target, "Authorization", bearer).Header()
			csp := h.Get("Content-Security-Policy")
			if !strings.HasPrefix(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe-inline") {
				t.Errorf("%s%s: policy %q", host, target, csp)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
				t.Errorf("%s%s: %v", host, target, h)
			}
			for name := range h {
				if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
					t.Errorf("%s%s: header %s", host, target, name)
				}
			}
		}
	}
}

func TestRefusalSaysHowToLogIn(t *testing.T) {
	w := ask(newGate(t, nil), "GET", "localhost", "/api/v1/images")
	if w.Header().Get("WWW-Authenticate") == "" {
		t.Error("no WWW-Authenticate")
	}
}

func TestGuardedPathsAskToo(t *testing.T) {
	g := newGate(t, func(c *Config) { c.Guarded = []string{"/metrics"} })
	if w := ask(g, "GET", "localhost", "/metrics"); w.Code != 401 {
		t.Errorf("without bearer: %d", w.Code)
	}
	if w := ask(g, "GET", "localhost", "/metrics", "Authorization", bearer); w.Code != 200 {
		t.Errorf("with bearer: %d", w.Code)
	}
}

// FuzzSplitTicket holds that what is left of an address never has a ticket's
// text taken from elsewhere, and that nothing but the ticket is lost.
func FuzzSplitTicket(f *testing.F) {
	for _, seed := range []string{"", "ticket=a", "a=1&ticket=b&c=2", "ticket=a&ticket=b", "&&ticket", "xticket=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		u := *httptest.NewRequest("GET", "/api/v1/events", nil).URL
		u.RawQuery = query
		text, path, ok := splitTicket(&u)
		if ok != (query == "ticket="+text || strings.HasPrefix(query, "ticket="+text+"&") || strings.Contains(query+"&", "&ticket="+text+"&")) {
			t.Errorf("%q: ticket %q, %v", query, text, ok)
		}
		if _, err := json.Marshal(path); err != nil || !strings.HasPrefix(path, "/api/v1/events") {
			t.Errorf("%q: path %q", query, path)
		}
	})
}
