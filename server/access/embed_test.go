package access

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestOrigins(t *testing.T) {
	for origin, good := range map[string]bool{
		"https://course.example": true, "http://localhost:8000": true, "http://[::1]:8000": true,
		"": false, "course.example": false, "https://course.example/": false, "https://*.example": false,
		"https://a;script-src *": false, "https://a b": false, "data:text/html": false, "null": false, "https://u@a": false,
	} {
		if err := CheckOrigin(origin); (err == nil) != good {
			t.Errorf("%q: %v", origin, err)
		}
	}
}

// TestOnlyNamedOriginsMayFrameThePage: the shell may be navigated to in a
// frame, nothing else may, and the API never.
func TestOnlyNamedOriginsMayFrameThePage(t *testing.T) {
	frame := map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
	fetch := map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
	for _, c := range []struct {
		what    string
		embed   []string
		method  string
		path    string
		headers map[string]string
		status  int
		csp     string
	}{
		{"a frame of nobody's", nil, "GET", "/?embed", frame, 403, "frame-ancestors 'none'"},
		{"a frame", []string{"https://course.example", "http://localhost:1"}, "GET", "/?embed", frame, 200, "frame-ancestors https://course.example http://localhost:1"},
		{"a script of the other page", []string{"https://course.example"}, "GET", "/", fetch, 403, "frame-ancestors"},
		{"a form of the other page", []string{"https://course.example"}, "POST", "/", frame, 403, "frame-ancestors"},
		{"the API in a frame", []string{"https://course.example"}, "GET", "/api/v1/info", frame, 403, "frame-ancestors 'none'"},
	} {
		g, err := New(Config{Token: strings.Repeat("t", 20), Embed: c.embed, Now: time.Now, Refuse: func(w http.ResponseWriter, _ *http.Request, e *Refusal) { w.WriteHeader(e.Status) }})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(c.method, "http://localhost:8080"+c.path, nil)
		for k, v := range c.headers {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		g.Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Header().Get("Content-Security-Policy"), c.csp) {
			t.Errorf("%s: %d %s", c.what, w.Code, w.Header().Get("Content-Security-Policy"))
		}
		if api := strings.HasPrefix(c.path, "/api"); (w.Header().Get("X-Frame-Options") == "DENY") != (c.embed == nil || api) {
			t.Errorf("%s: X-Frame-Options %q", c.what, w.Header().Get("X-Frame-Options"))
		}
	}
}
