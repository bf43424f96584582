//go:build linux

package dockerapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/common"

	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/caller"
	"github.com/layerlab/layerlab/server/dockerapi/shape"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Versions of the API: the oldest, and that of github.com/moby/moby/api.
const (
	MinVersion = shape.Version(22)
	MaxVersion = shape.Version(56)
)

// Handler answers the API. It is an http.Handler.
type Handler struct {
	Deps
	routes []route
	verbs  activity.Namer
}

// New returns the API over the services.
func New(d Deps) *Handler {
	h := &Handler{Deps: d, verbs: activity.NewNamer()}
	for _, r := range h.table() {
		h.routes = append(h.routes, r.compiled())
	}
	return h
}

// call is one request.
type call struct {
	http.ResponseWriter
	r       *http.Request
	version shape.Version
	path    map[string]string // the pattern's names
	begun   bool              // the answer's head is out
	status  int               // that the head said; 0 for a connection that was taken over
	record  *activity.Call
}

func (c *call) query(name string) string { return c.r.URL.Query().Get(name) }

// flag reads a boolean as Docker does: anything but these is true.
func (c *call) flag(name string) bool {
	switch strings.ToLower(strings.TrimSpace(c.query(name))) {
	case "", "0", "no", "false", "none":
		return false
	}
	return true
}

func (c *call) number(name string, otherwise int) (int, error) {
	text := c.query(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, invalid("%s=%q: not a number", name, text)
	}
	return n, nil
}

// json answers with a value, shaped for the client's version.
func (c *call) json(status int, v any) error {
	body, err := shape.Answer(c.version, v)
	if err != nil {
		return err
	}
	c.Header().Set("Content-Type", "application/json")
	c.head(status)
	_, err = c.Write(append(body, '\n'))
	return err
}

func (c *call) head(status int) {
	c.begun, c.status = true, status
	c.WriteHeader(status)
}

func (c *call) none() error {
	c.head(http.StatusNoContent)
	return nil
}

func (c *call) flush() { _ = http.NewResponseController(c.ResponseWriter).Flush() }

// Of a JSON document of a request so many bytes are taken; of what is beyond, so
// many are read to be thrown away, so that the client gets to reading the answer.
const (
	bodyLimit  = 4 << 20
	passedOver = 64 << 20
)

// bounded returns a reader of the request's body, which fails with an
// *http.MaxBytesError where that is too large.
func (c *call) bounded() io.Reader {
	return &boundedBody{http.MaxBytesReader(c, c.r.Body, bodyLimit), c.r.Body}
}

type boundedBody struct{ within, all io.Reader }

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.within.Read(p)
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		// Whoever still sends would see a broken pipe, and not the answer.
		_, _ = io.CopyN(io.Discard, b.all, passedOver)
	}
	return n, err
}

// body reads a small JSON document; an empty one leaves v as it is.
func (c *call) body(v any) error {
	if c.r.ContentLength == 0 {
		return nil
	}
	if err := c.mustBeJSON(); err != nil {
		return err
	}
	if err := json.NewDecoder(c.bounded()).Decode(v); err != nil {
		return invalid("invalid JSON: %v", err)
	}
	return nil
}

// mustBeJSON refuses a body that does not say that it is JSON: forms of web pages
// can't.
func (c *call) mustBeJSON() error {
	said := c.r.Header.Get("Content-Type")
	kind, _, err := mime.ParseMediaType(said)
	if err != nil {
		return invalid("malformed Content-Type header (%s): %v", said, err)
	}
	if kind != "application/json" {
		return invalid("unsupported Content-Type header (%s): must be 'application/json'", said)
	}
	return nil
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(caller.With(r.Context(), caller.Caller{}))
	c := &call{ResponseWriter: w, r: r, version: MaxVersion}
	head := w.Header()
	head.Set("Server", "layerlab/"+h.Facts.Version+" ("+runtime.GOOS+")")
	head.Set("Api-Version", MaxVersion.String())
	head.Set("Docker-Experimental", "false")
	head.Set("Ostype", runtime.GOOS)
	err := h.serve(c)
	if err != nil {
		h.fail(c, err)
	}
	c.recorded(err)
}

// remember begins the record of a call whose route has been found.
func (h *Handler) remember(c *call, pattern string) {
	verb := h.verbs.Verb(c.r.Method, pattern)
	ctx, record := h.Activity.Begin(c.r.Context(), activity.Request{
		By: wire.ByDocker, Client: c.r.UserAgent(), Verb: verb, Method: c.r.Method, Path: c.r.URL.RequestURI(),
		Reads: activity.Reads(c.r.Method, verb),
	})
	c.r, c.record = c.r.WithContext(ctx), record
}

// recorded ends it.
func (c *call) recorded(err error) {
	status, message := c.status, ""
	if err != nil {
		_, message = answer(err)
	}
	if status == 0 && c.begun {
		status = http.StatusSwitchingProtocols
	}
	c.record.End(status, message)
}

func (h *Handler) serve(c *call) error {
	path, err := c.takeVersion(c.r.URL.Path)
	if err != nil {
		return err
	}
	for i := range h.routes {
		r := &h.routes[i]
		if r.method != c.r.Method {
			continue
		}
		if found := r.match.FindStringSubmatch(path); found != nil {
			c.path = map[string]string{}
			for n, name := range r.match.SubexpNames() {
				c.path[name] = found[n]
			}
			h.remember(c, r.pattern)
			return r.do(c)
		}
	}
	h.remember(c, "")
	return &refusal{http.StatusNotImplemented, fmt.Sprintf("%s %s is not served by layerlab", c.r.Method, path)}
}

// takeVersion reads the prefix /v1.NN, which may be absent.
func (c *call) takeVersion(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "/v1.")
	if !ok {
		return path, nil
	}
	number, rest, _ := strings.Cut(rest, "/")
	n, err := strconv.Atoi(number)
	if err != nil {
		return path, nil
	}
	switch v := shape.Version(n); {
	case v > MaxVersion:
		return "", invalid("client version %s is too new. Maximum supported API version is %s", v, MaxVersion)
	case v < MinVersion:
		return "", invalid("client version %s is too old. Minimum supported API version is %s, please upgrade your client to a newer version", v, MinVersion)
	default:
		c.version = v
	}
	return "/" + rest, nil
}

// route is a line of the table. A pattern's {name} takes anything, slashes
// included: names of images have them.
type route struct {
	method, pattern string
	do              func(*call) error
	match           *regexp.Regexp
}

func (r route) compiled() route {
	text := regexp.MustCompile(`\{(\w+)\}`).ReplaceAllString(r.pattern, `(?P<$1>.+)`)
	r.match = regexp.MustCompile("^" + text + "/?$")
	return r
}

func (h *Handler) fail(c *call, err error) {
	status, message := answer(err)
	if c.r.Context().Err() != nil || c.begun {
		h.Log.Debug("docker answer cut short", "method", c.r.Method, "path", c.r.URL.Path, "error", err)
	} else if status >= 500 && status != http.StatusNotImplemented && status != http.StatusServiceUnavailable {
		h.Log.Error("docker request failed", "method", c.r.Method, "path", c.r.URL.Path, "status", status, "error", err)
	}
	if c.begun {
		return
	}
	c.Header().Set("Content-Type", "application/json")
	c.head(status)
	_ = json.NewEncoder(c).Encode(common.ErrorResponse{Message: message}) // who has gone does not want it
}
