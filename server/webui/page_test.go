package webui

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func built(t *testing.T) *Page {
	t.Helper()
	p, err := New(fstest.MapFS{
		".keep":               {},
		"index.html":          {Data: []byte("<!doctype html>shell, and some more so that packing pays")},
		"index.html.br":       {Data: []byte("br")},
		"favicon.svg":         {Data: []byte("<svg/>")},
		"assets/app-1a.js":    {Data: []byte("plain plain plain")},
		"assets/app-1a.js.br": {Data: []byte("brotli")},
		"assets/app-1a.js.gz": {Data: []byte("gzipped")},
		"assets/core-2b.wasm": {Data: []byte("\x00asm")},
		"assets/x-3c.css":     {Data: []byte("a")},
		"assets/x-3c.css.br":  {Data: []byte("longer than plain")},
		"assets/lone-4d.br":   {Data: []byte("a file of its own")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func get(p *Page, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func TestFilesAreSentAsTheClientTakesThem(t *testing.T) {
	p := built(t)
	for _, c := range []struct {
		path, accept          string
		status                int
		contentType, encoding string
		body, cache           string
	}{
		{"/", "", 200, "text/html; charset=utf-8", "", "<!doctype html>", "no-cache"},
		{"/", "gzip, br", 200, "text/html; charset=utf-8", "br", "br", "no-cache"},
		{"/images/sha256:12", "", 200, "text/html; charset=utf-8", "", "<!doctype html>", "no-cache"},
		{"/assets/app-1a.js", "gzip, deflate, br", 200, "text/javascript; charset=utf-8", "br", "brotli", "public, max-age=31536000, immutable"},
		{"/assets/app-1a.js", "gzip", 200, "text/javascript; charset=utf-8", "gzip", "gzipped", "public, max-age=31536000, immutable"},
		{"/assets/app-1a.js", "br;q=0, gzip;q=0.5", 200, "text/javascript; charset=utf-8", "gzip", "gzipped", "public, max-age=31536000, immutable"},
		{"/assets/app-1a.js", "", 200, "text/javascript; charset=utf-8", "", "plain", "public, max-age=31536000, immutable"},
		{"/assets/core-2b.wasm", "br", 200, "application/wasm", "", "\x00asm", "public, max-age=31536000, immutable"},
		{"/assets/x-3c.css", "br", 200, "text/css; charset=utf-8", "", "a", "public, max-age=31536000, immutable"},
		{"/assets/lone-4d.br", "", 200, "application/octet-stream", "", "a file", "public, max-age=31536000, immutable"},
		{"/favicon.svg", "", 200, "image/svg+xml", "", "<svg/>", "no-cache"},
		{"/assets/gone.js", "", 404, "text/plain; charset=utf-8", "", "no such file", ""},
		{"/favicon.ico", "", 404, "text/plain; charset=utf-8", "", "no such file", ""},
		{"/assets/app-1a.js.br", "", 404, "text/plain; charset=utf-8", "", "no such file", ""},
		{"/.keep", "", 404, "text/plain; charset=utf-8", "", "no such file", ""},
		{"/../../etc/passwd", "", 200, "text/html; charset=utf-8", "", "<!doctype html>", "no-cache"},
	} {
		w := get(p, c.path, "Accept-Encoding", c.accept)
		h := w.Header()
		if w.Code != c.status || h.Get("Content-Type") != c.contentType || h.Get("Content-Encoding") != c.encoding ||
			h.Get("Cache-Control") != c.cache || !strings.HasPrefix(w.Body.String(), c.body) {
			t.Errorf("%s (%s): %d %v %q", c.path, c.accept, w.Code, h, w.Body)
		}
	}
}

func TestUnchangedFilesAreNotSentAgain(t *testing.T) {
	p := built(t)
	for _, accept := range []string{"", "br"} {
		etag := get(p, "/", "Accept-Encoding", accept).Header().Get("ETag")
		if w := get(p, "/", "Accept-Encoding", accept, "If-None-Match", etag); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
			t.Errorf("accepting %q: %d %q", accept, w.Code, w.Body)
		}
		if w := get(p, "/", "Accept-Encoding", accept, "If-None-Match", `"other"`); w.Code != http.StatusOK {
			t.Errorf("accepting %q, other etag: %d", accept, w.Code)
		}
	}
	plain, packed := get(p, "/").Header().Get("ETag"), get(p, "/", "Accept-Encoding", "br").Header().Get("ETag")
	if plain == packed {
		t.Error("two forms share an ETag")
	}
}

func TestThePageIsOnlyToBeRead(t *testing.T) {
	w := httptest.NewRecorder()
	built(t).ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Error(w.Code)
	}
}

func TestWithoutBuiltPageTheAnswerSaysWhatToRun(t *testing.T) {
	p, err := New(fstest.MapFS{".keep": {}})
	if err != nil {
		t.Fatal(err)
	}
	if w := get(p, "/"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "make build") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

// TestEmbeddedFolderIsThere holds the placeholder without which nothing builds.
func TestEmbeddedFolderIsThere(t *testing.T) {
	fsys, err := Dist()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(fsys, ".keep"); err != nil {
		t.Error(err)
	}
}
