// Package webui serves the page: the files that Vite built, carried in the
// binary.
//
//	request → file of dist → precompressed form if the client takes it → bytes
//
// Files under assets/ have their content's hash in the name and are kept by
// browsers for ever; all others are asked for again with their ETag. Paths that
// name no file get the page's shell, which reads the path itself.
package webui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed all:dist
var dist embed.FS

// Dist returns the files that were built into the binary.
func Dist() (fs.FS, error) { return fs.Sub(dist, "dist") }

// Page answers requests for the page. It is read-only and safe for concurrent
// use.
type Page struct{ files map[string]file }

// file is one file in the forms in which it can be sent.
type file struct {
	contentType string
	immutable   bool
	forms       []form // best first; the last is the plain one
}

type form struct {
	encoding string // "" for the plain one
	etag     string
	data     []byte
}

// encodings are tried in this order.
var encodings = []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

// New reads all files of fsys. One without index.html, as it is before the page
// was built, answers every request with what to do about it.
func New(fsys fs.FS) (*Page, error) {
	raw := map[string][]byte{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw[name], err = fs.ReadFile(fsys, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	p := &Page{files: map[string]file{}}
	for name, data := range raw {
		if strings.HasPrefix(path.Base(name), ".") || isForm(name, raw) {
			continue
		}
		f := file{contentType: contentType(name), immutable: strings.HasPrefix(name, "assets/")}
		for _, e := range encodings {
			// A form that is not smaller only costs the client.
			if packed, ok := raw[name+e.suffix]; ok && len(packed) < len(data) {
				f.forms = append(f.forms, newForm(e.name, packed))
			}
		}
		f.forms = append(f.forms, newForm("", data))
		p.files[name] = f
	}
	return p, nil
}

// isForm says whether a file is the packed form of another one.
func isForm(name string, raw map[string][]byte) bool {
	for _, e := range encodings {
		if plain, ok := strings.CutSuffix(name, e.suffix); ok && raw[plain] != nil {
			return true
		}
	}
	return false
}

func newForm(encoding string, data []byte) form {
	sum := sha256.Sum256(data)
	return form{encoding: encoding, data: data, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// contentType does not ask the operating system, whose tables differ.
func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".wasm":
		return "application/wasm" // WebAssembly.compileStreaming insists on it
	case ".svg":
		return "image/svg+xml"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".woff2":
		return "font/woff2"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".txt":
		return "text/plain; charset=utf-8"
	default:
		if t := mime.TypeByExtension(ext); t != "" {
			return t
		}
		return "application/octet-stream"
	}
}

const notBuilt = "layerlab was built without its page. Build it with: make build\n" +
	"The API is there all the same: see /api/v1/openapi.yaml\n"

// ServeHTTP answers GET and HEAD.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the page is only to be read", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	f, ok := p.files[name]
	if !ok {
		// A missing file must not look like a page: browsers would run it, or
		// keep it.
		if strings.HasPrefix(name, "assets/") || path.Ext(name) != "" {
			http.Error(w, "no such file", http.StatusNotFound)
			return
		}
		if f, ok = p.files["index.html"]; !ok {
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, notBuilt, http.StatusServiceUnavailable)
			return
		}
	}
	f.send(w, r)
}

func (f file) send(w http.ResponseWriter, r *http.Request) {
	best := f.choose(r.Header.Values("Accept-Encoding"))
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("ETag", best.etag)
	if len(f.forms) > 1 {
		h.Add("Vary", "Accept-Encoding")
	}
	if f.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	if best.encoding == "" {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(best.data))
		return
	}
	// Ranges of a packed form help nobody, so it is whole or not at all.
	if match := r.Header.Get("If-None-Match"); match != "" && strings.Contains(match, best.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Encoding", best.encoding)
	h.Set("Content-Length", strconv.Itoa(len(best.data)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(best.data) // fails only where the client is gone
}

// choose takes the best form that the client accepts (RFC 9110, 12.5.3).
func (f file) choose(accept []string) form {
	for _, form := range f.forms {
		if form.encoding == "" || accepts(accept, form.encoding) {
			return form
		}
	}
	return f.forms[len(f.forms)-1]
}

func accepts(values []string, encoding string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			name, params, _ := strings.Cut(part, ";")
			if !strings.EqualFold(strings.TrimSpace(name), encoding) {
				continue
			}
			q, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
			weight, err := strconv.ParseFloat(q, 64)
			return !ok || err == nil && weight > 0
		}
	}
	return false
}
