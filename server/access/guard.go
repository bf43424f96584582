package access

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// The two POSTs beneath /api that need no bearer: what they give is for who has
// a code or the secret of a shared terminal, in the body.
const (
	sessionPath = "/api/v1/session"
	sharedPath  = "/api/v1/shared"
)

// pageCSP lets the page run its own scripts and WebAssembly and talk to its own
// origin, and nothing else. Styles of xterm.js are adopted style sheets.
const pageCSP = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; " +
	"style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors "

// apiCSP keeps what the API sends, files of images among it, from ever being
// taken for a page.
const apiCSP = "default-src 'none'; frame-ancestors 'none'; sandbox"

// Guard checks every request before next sees it.
func (g *Gate) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.headers(w.Header(), isAPI(r.URL.Path))
		refusal := g.check(r)
		if refusal != nil {
			if refusal.Status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="layerlab"`)
			}
			g.c.Refuse(w, r, refusal)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Gate) headers(h http.Header, api bool) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	if api {
		h.Set("Content-Security-Policy", apiCSP)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Frame-Options", "DENY")
		return
	}
	if len(g.c.Embed) == 0 {
		h.Set("Content-Security-Policy", pageCSP+"'none'")
		h.Set("X-Frame-Options", "DENY")
		return
	}
	// X-Frame-Options knows no list of origins; frame-ancestors rules without it.
	h.Set("Content-Security-Policy", pageCSP+strings.Join(g.c.Embed, " "))
}

func isAPI(path string) bool { return path == "/api" || strings.HasPrefix(path, "/api/") }

// check returns nil for a request that may pass.
func (g *Gate) check(r *http.Request) *Refusal {
	if !g.hostAllowed(r.Host) {
		return &Refusal{Status: http.StatusForbidden, Code: "host-refused", Message: "this server does not answer to the name " + quote(r.Host) + ": use localhost, or start it with --allow-host"}
	}
	// Browsers send Origin with everything but plain GETs, and Sec-Fetch-Site
	// with all. Programs send neither.
	if origins := r.Header.Values("Origin"); len(origins) > 1 || len(origins) == 1 && !g.originAllowed(origins[0], r.Host) {
		return &Refusal{Status: http.StatusForbidden, Code: "origin-refused", Message: "the request comes from another page: " + quote(strings.Join(origins, ", "))}
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" && !g.framed(r) {
			return &Refusal{Status: http.StatusForbidden, Code: "site-refused", Message: "the request comes from another site"}
		}
	}
	if !g.guarded(r.URL.Path) || r.Method == http.MethodPost && (r.URL.Path == sessionPath || r.URL.Path == sharedPath) {
		return nil
	}
	return g.authenticate(r)
}

// framed says whether a request is for the page's shell in a frame, where some
// origin may have it there. Which one may is for the browser to hold, by
// frame-ancestors; the shell is the same for everyone and holds no secret.
func (g *Gate) framed(r *http.Request) bool {
	return len(g.c.Embed) > 0 && r.Method == http.MethodGet && !g.guarded(r.URL.Path) &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "iframe"
}

func (g *Gate) guarded(path string) bool {
	return isAPI(path) || slices.ContainsFunc(g.c.Guarded, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
}

// authenticate asks for a bearer, or for a ticket where one is given.
func (g *Gate) authenticate(r *http.Request) *Refusal {
	if text, path, ok := splitTicket(r.URL); ok {
		if r.Method == http.MethodGet && g.spend(text, path) {
			// Whoever logs the request logs it without the ticket.
			r.URL.RawQuery = strings.TrimPrefix(strings.TrimPrefix(path, r.URL.EscapedPath()), "?")
			r.RequestURI = path
			return nil
		}
		return &Refusal{Status: http.StatusUnauthorized, Code: "ticket-refused", Message: "the ticket is for another address, was used, or is older than 30 seconds"}
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || value == "" {
		return &Refusal{Status: http.StatusUnauthorized, Code: "login-needed", Message: "send the token, or a session's secret, as Authorization: Bearer"}
	}
	ok, err := g.bearer(value)
	if err != nil {
		return &Refusal{Status: http.StatusInternalServerError, Code: "internal", Message: "the sessions can't be read", Err: err}
	}
	if !ok {
		return &Refusal{Status: http.StatusUnauthorized, Code: "login-expired", Message: "neither the token nor the secret of a session: open the address that the server printed"}
	}
	return nil
}

// splitTicket takes the ticket out of a query and returns the rest of the
// address as the client wrote it, byte for byte.
func splitTicket(u *url.URL) (text, path string, ok bool) {
	var rest []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		if value, found := strings.CutPrefix(part, "ticket="); found && !ok {
			text, ok = value, true
		} else if part != "" {
			rest = append(rest, part)
		}
	}
	path = u.EscapedPath()
	if len(rest) > 0 {
		path += "?" + strings.Join(rest, "&")
	}
	return text, path, ok
}

// hostAllowed holds the Host header against the names of this server. Its port
// is not looked at: a proxy or a forwarded port may have changed it, and a
// rebound name is refused whatever the port.
func (g *Gate) hostAllowed(host string) bool {
	name := hostName(host)
	return IsLoopback(name) || slices.ContainsFunc(g.c.Hosts, func(h string) bool { return strings.EqualFold(hostName(h), name) })
}

// originAllowed says whether an origin is this very server under the name that
// the request was sent to, port included.
func (g *Gate) originAllowed(origin, host string) bool {
	scheme, rest, ok := strings.Cut(origin, "://")
	if !ok || !strings.EqualFold(withPort(rest, scheme), withPort(host, scheme)) {
		return false
	}
	switch scheme {
	case "http":
		return !g.c.TLS
	case "https":
		return g.c.TLS || g.c.BehindProxy
	}
	return false
}

// withPort adds the port that the scheme stands for.
func withPort(host, scheme string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	if scheme == "https" {
		return host + ":443"
	}
	return host + ":80"
}

// hostName takes the port and the brackets off.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// IsLoopback says whether a name or address can only mean this machine.
// "localhost" and names beneath it are never asked of a DNS server (RFC 6761).
func IsLoopback(name string) bool {
	if strings.EqualFold(name, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}

func quote(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '.'
		}
		return r
	}, "“"+s+"”")
}
