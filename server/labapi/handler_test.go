package labapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/server/access"
	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/labapi"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// fakeImages is a store of one image, "sha256:1", named a:1.
type fakeImages struct {
	mu      sync.Mutex
	changed []string // calls that would have changed something
	err     error    // what every call answers
	body    []byte   // of the last import
	midway  error    // of a download, after its first bytes
}

func (f *fakeImages) List(context.Context) ([]wire.Image, error) { return nil, f.err }

func (f *fakeImages) Report(context.Context, string) ([]byte, error) {
	return []byte(`{"images":[]}`), f.err
}

func (f *fakeImages) Index(_ context.Context, _ string, lens tree.Lens) ([]byte, error) {
	return []byte("LLIX" + lens), f.err
}

func (f *fakeImages) Content(_ context.Context, id string, layer int, offset, size int64) (io.ReadCloser, error) {
	if f.err != nil {
		return nil, f.err
	}
	text := fmt.Sprintf("%s %d", id, layer) + strings.Repeat(".", 100)
	return io.NopCloser(strings.NewReader(text[offset : offset+size])), nil
}

func (f *fakeImages) Save(_ context.Context, _ string, open func(string) io.Writer) error {
	if f.err != nil {
		return f.err
	}
	if _, err := io.WriteString(open("a_1.tar"), strings.Repeat("tar", 10000)); err != nil {
		return err
	}
	return f.midway
}

func (f *fakeImages) Flatten(ctx context.Context, id string, open func(string) io.Writer) error {
	return f.Save(ctx, id, open)
}

func (f *fakeImages) Files(context.Context, string) ([]wire.ArchiveFile, error) {
	return []wire.ArchiveFile{{Name: "oci-layout", Kind: wire.ArchiveRegular, Size: 2, Text: "{}"}}, f.err
}

func (f *fakeImages) Import(_ context.Context, body io.Reader, size int64, progress func(wire.UploadProgress)) ([]wire.Image, error) {
	f.note("import")
	if f.err != nil {
		return nil, f.err
	}
	var err error
	f.body, err = io.ReadAll(body)
	progress(wire.UploadProgress{Phase: wire.UploadReceiving, Done: int64(len(f.body)), Total: size})
	return []wire.Image{{ID: "sha256:1", Refs: []string{"a:1"}, Layers: []wire.ImageLayer{}}}, err
}

func (f *fakeImages) Tag(_ context.Context, id, ref string) (wire.Image, error) {
	f.note("tag " + id + " " + ref)
	return wire.Image{ID: id, Refs: []string{ref}}, f.err
}

func (f *fakeImages) Prune(_ context.Context, all bool) (wire.Pruned, error) {
	f.note(fmt.Sprint("prune ", all))
	return wire.Pruned{Removed: []string{"a:1"}, Freed: 7}, f.err
}

func (f *fakeImages) Remove(context.Context, string) error { f.note("remove"); return f.err }

func (f *fakeImages) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed = append(f.changed, what)
}

// fakeContainers answers what GETs ask; all else has no method and would panic.
type fakeContainers struct{ labapi.Containers }

func (fakeContainers) List(context.Context) ([]wire.Container, error) { return nil, nil }
func (fakeContainers) Get(context.Context, string) (wire.Container, error) {
	return wire.Container{}, nil
}

func (fakeContainers) Export(_ context.Context, _ string, open func(string) io.Writer) error {
	_, err := io.WriteString(open("web.tar"), "tar")
	return err
}

func (fakeContainers) Changes(context.Context, string) (wire.Changes, error) {
	return wire.Changes{}, nil
}

func (fakeContainers) Volumes(context.Context) ([]wire.Volume, error) { return nil, nil }

func (fakeContainers) Volume(context.Context, string) (wire.Volume, error) {
	return wire.Volume{}, nil
}

// fakeNetworks is the same for networks.
type fakeNetworks struct{ labapi.Networks }

func (fakeNetworks) List(context.Context) ([]wire.Network, error) { return nil, nil }

func (fakeNetworks) Get(context.Context, string) (wire.Network, error) { return wire.Network{}, nil }

func (fakeContainers) Facts(context.Context, string) (wire.Facts, error) { return wire.Facts{}, nil }

func (fakeContainers) Plan(context.Context, string) (json.RawMessage, error) {
	return json.RawMessage("{}"), nil
}

func (fakeContainers) Trace(context.Context, string) (json.RawMessage, error) {
	return json.RawMessage("{}"), nil
}

type fakeTerminals struct{}

func (fakeTerminals) Serve(w http.ResponseWriter, _ *http.Request, id string) {
	fmt.Fprintf(w, "terminal of %s", id)
}

type fakeGate struct{}

func (fakeGate) Redeem(code string) (string, error) {
	if code != "good" {
		return "", &access.Refusal{Status: http.StatusUnauthorized, Code: "code-used", Message: "used"}
	}
	return "secret", nil
}
func (fakeGate) Ticket(path string) (string, error) { return "ticket for " + path, nil }

type fakeBucket struct{ db *bolt.DB }

func (b fakeBucket) Update(fn func(*bolt.Bucket) error) error {
	return b.db.Update(func(tx *bolt.Tx) error {
		k, err := tx.CreateBucketIfNotExists([]byte("events"))
		if err != nil {
			return err
		}
		return fn(k)
	})
}

func (b fakeBucket) View(fn func(*bolt.Bucket) error) error {
	return b.db.View(func(tx *bolt.Tx) error {
		if k := tx.Bucket([]byte("events")); k != nil {
			return fn(k)
		}
		return nil
	})
}

type bench struct {
	echo   *echo.Echo
	images *fakeImages
	bus    *events.Bus
	log    *bytes.Buffer
}

func setUp(t *testing.T) *bench {
	t.Helper()
	db, err := bolt.Open(filepath.Join(t.TempDir(), "meta.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	bus, err := events.Open(fakeBucket{db}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{echo: echo.New(), images: &fakeImages{}, bus: bus, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(b.log, nil))
	b.echo.HTTPErrorHandler = labapi.ErrorHandler(log)
	b.echo.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Response().Header().Set(echo.HeaderXRequestID, "req-1")
			return next(c)
		}
	})
	labapi.New(labapi.Deps{
		Images: b.images, Containers: fakeContainers{}, Networks: fakeNetworks{}, Recordings: fakeRecordings{}, Shares: fakeShares{}, Looks: fakeLooks{}, Events: bus, Gate: fakeGate{}, Terminals: fakeTerminals{},
		Info: func(context.Context) wire.Info { return wire.Info{Version: "v"} }, Log: log, Activity: fakeActivity{activity.New(activity.Options{Now: time.Now})},
	}).Register(b.echo.Group(labapi.Prefix))
	return b
}

func (b *bench) do(method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.echo.ServeHTTP(w, httptest.NewRequest(method, labapi.Prefix+path, strings.NewReader(body)))
	return w
}

// TestErrorsHaveTheStatusOfTheirKind goes through the table that maps kinds to
// status codes, wrapped as services wrap them.
func TestErrorsHaveTheStatusOfTheirKind(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{imagecore.NewError(imagecore.ErrInvalid, "truncated", "x"), 400, "truncated"},
		{imagecore.NewError(imagecore.ErrNotFound, "image-not-found", "x"), 404, "image-not-found"},
		{imagecore.NewError(imagecore.ErrAmbiguous, "image-ambiguous", "x"), 409, "image-ambiguous"},
		{imagecore.NewError(imagecore.ErrConflict, "image-in-use", "x"), 409, "image-in-use"},
		{imagecore.NewError(imagecore.ErrExists, "name-taken", "x"), 409, "name-taken"},
		{imagecore.NewError(imagecore.ErrTooLarge, "ratio", "x"), 413, "ratio"},
		{imagecore.NewError(imagecore.ErrUnsupported, "unsupported-format", "not yet: xz"), 415, "unsupported-format"},
		{imagecore.NewError(imagecore.ErrHost, "no-namespaces", "x"), 503, "no-namespaces"},
		{imagecore.NewError(imagecore.ErrHost, "disk-full", "x"), 507, "disk-full"},
		{imagecore.NewError(imagecore.ErrUnsupported, "no-trace", "x"), 501, "no-trace"},
		{imagecore.NewError(imagecore.ErrUnsupported, "rootless-no-cgroup", "x"), 501, "rootless-no-cgroup"},
		{imagecore.NewError(imagecore.ErrCanceled, "canceled", "x"), 499, "canceled"},
		{context.Canceled, 499, "canceled"},
		{errors.New("secret path /x"), 500, "internal"},
	} {
		b := setUp(t)
		b.images.err = fmt.Errorf("store the image: %w", c.err)
		w := b.do("GET", "/images/a", "")
		var got wire.Error
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%v: body %q: %v", c.err, w.Body, err)
		}
		if w.Code != c.status || got.Code != c.code {
			t.Errorf("%v: %d %s, want %d %s", c.err, w.Code, got.Code, c.status, c.code)
		}
		if got.RequestID != "req-1" || got.Args == nil {
			t.Errorf("%v: %+v lacks the request's id or args", c.err, got)
		}
	}
}

func TestInternalErrorsAreOnlyInTheLog(t *testing.T) {
	b := setUp(t)
	b.images.err = errors.New("secret path /x")
	w := b.do("GET", "/images", "")
	if strings.Contains(w.Body.String(), "secret") {
		t.Errorf("the client is told %s", w.Body)
	}
	if log := b.log.String(); !strings.Contains(log, "secret path /x") || !strings.Contains(log, "req-1") {
		t.Errorf("the log says %q", log)
	}
}

func TestErrorsPointAtEntryAndByte(t *testing.T) {
	b := setUp(t)
	b.images.err = imagecore.NewError(imagecore.ErrInvalid, "escapes-root", "path leaves the root").In(2).At("../x", 5120)
	var got wire.Error
	w := b.do("POST", "/images", "")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Args["layer"] != "2" || got.Args["entry"] != "../x" || got.Args["offset"] != "5120" {
		t.Errorf("args %v", got.Args)
	}
}

// TestNoGetChangesAnything calls every GET route; the fakes note, or panic on,
// whatever would change something.
func TestNoGetChangesAnything(t *testing.T) {
	b := setUp(t)
	seq := b.bus.Seq()
	n := 0
	for _, r := range b.echo.Routes() {
		if r.Method != http.MethodGet || strings.HasSuffix(r.Path, "/events") {
			continue
		}
		n++
		path := strings.ReplaceAll(strings.TrimPrefix(r.Path, labapi.Prefix), ":id", "a")
		if w := b.do("GET", path+"?layer=0&offset=0&size=1", ""); w.Code != 200 {
			t.Errorf("GET %s: %d %s", path, w.Code, w.Body)
		}
	}
	if n < 12 {
		t.Errorf("only %d GET routes", n)
	}
	if len(b.images.changed) > 0 || b.bus.Seq() != seq {
		t.Errorf("changed: %v, events %d → %d", b.images.changed, seq, b.bus.Seq())
	}
}

func TestUploadStreamsTheBodyAndTellsOfProgress(t *testing.T) {
	b := setUp(t)
	sub, err := b.bus.Subscribe(0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	w := b.do("POST", "/images?upload=my-1", "archive")
	if w.Code != http.StatusCreated || string(b.images.body) != "archive" {
		t.Fatalf("%d %s, stored %q", w.Code, w.Body, b.images.body)
	}
	e, err := sub.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e.Kind != wire.EventUploadProgress || e.ID != "my-1" || !strings.Contains(string(e.Data), `"done":7,"total":7`) {
		t.Errorf("event %+v %s", e, e.Data)
	}
	if w := b.do("POST", "/images?upload=../x", "archive"); w.Code != 400 {
		t.Errorf("a bad name of an upload: %d", w.Code)
	}
}

func TestListsAreNeverNull(t *testing.T) {
	b := setUp(t)
	if got := b.do("GET", "/images", "").Body.String(); !strings.Contains(got, `"images":[]`) {
		t.Error(got)
	}
	if got := b.do("GET", "/containers", "").Body.String(); !strings.Contains(got, `"containers":[]`) {
		t.Error(got)
	}
}

func TestContentSendsTheBytesAskedFor(t *testing.T) {
	b := setUp(t)
	w := b.do("GET", "/images/sha256:1/content?layer=3&offset=1&size=7", "")
	if w.Code != 200 || w.Body.String() != "ha256:1" || w.Header().Get("Content-Length") != "7" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	if w := b.do("GET", "/images/my%2Fname:1/content?layer=3&offset=0&size=9", ""); w.Body.String() != "my/name:1" {
		t.Errorf("a name with a slash arrives as %q", w.Body)
	}
	for _, query := range []string{"", "?layer=0&offset=0", "?layer=-1&offset=0&size=1", "?layer=0&offset=x&size=1"} {
		if w := b.do("GET", "/images/a/content"+query, ""); w.Code != 400 {
			t.Errorf("content%s: %d", query, w.Code)
		}
	}
}

func TestBodiesWithUnknownFieldsAreRefused(t *testing.T) {
	b := setUp(t)
	for _, body := range []string{`{"cod":"good"}`, `{"code":"good"} {}`, `{`, `[]`} {
		if w := b.do("POST", "/session", body); w.Code != 400 {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := b.do("POST", "/session", `{"code":"good"}`); w.Code != 201 || !strings.Contains(w.Body.String(), `"secret":"secret"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.do("POST", "/session", `{"code":"bad"}`); w.Code != 401 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestDownloadThatFailsMidwayIsNotTakenForTheWhole goes over a real connection:
// the client must see an error, not the end.
func TestDownloadThatFailsMidwayIsNotTakenForTheWhole(t *testing.T) {
	b := setUp(t)
	server := httptest.NewServer(b.echo)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	defer server.Close()
	get := func() (string, error) {
		r, err := server.Client().Get(server.URL + labapi.Prefix + "/images/a/save")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if got := r.Header.Get("Content-Disposition"); got != "attachment; filename=a_1.tar" {
			t.Errorf("disposition %q", got)
		}
		all, err := io.ReadAll(r.Body)
		return string(all), err
	}
	if all, err := get(); err != nil || len(all) != 30000 {
		t.Errorf("whole download: %d bytes, %v", len(all), err)
	}
	b.images.midway = errors.New("disk broke")
	if _, err := get(); err == nil {
		t.Error("half a download ended as if it were whole")
	}
	if !strings.Contains(b.log.String(), "disk broke") {
		t.Error("the log does not say why")
	}
}

// TestEventsReplayThenGoOn reads the stream as a browser does.
func TestEventsReplayThenGoOn(t *testing.T) {
	b := setUp(t)
	for i := range 3 {
		if err := b.bus.Publish(wire.EventImageCreated, fmt.Sprint(i+1), nil); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(b.echo)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", server.URL+labapi.Prefix+"/events?since=1", nil)
	r, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	dec := newLines(r.Body)
	if got := dec.event(t); !strings.HasPrefix(got, "id: 2\ndata: {\"seq\":2,") {
		t.Errorf("first %q", got)
	}
	if got := dec.event(t); !strings.HasPrefix(got, "id: 3\n") {
		t.Errorf("second %q", got)
	}
	if err := b.bus.Publish(wire.EventImageDeleted, "9", nil); err != nil {
		t.Fatal(err)
	}
	if got := dec.event(t); !strings.HasPrefix(got, "id: 4\n") || !strings.Contains(got, wire.EventImageDeleted) {
		t.Errorf("third %q", got)
	}
}

// TestSilentStreamsGiveSignsOfLife uses a clock of its own.
func TestSilentStreamsGiveSignsOfLife(t *testing.T) {
	b := setUp(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
		defer cancel()
		w := httptest.NewRecorder()
		b.echo.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", labapi.Prefix+"/events", nil))
		var lives []wire.Event
		for line := range strings.Lines(w.Body.String()) {
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				var e wire.Event
				if err := json.Unmarshal([]byte(data), &e); err != nil {
					t.Fatal(err)
				}
				lives = append(lives, e)
			}
		}
		// Its number is that of the last event that came, so that nothing is
		// taken for missed, and nothing missed for seen.
		if len(lives) != 2 || lives[1].Kind != wire.EventAlive || lives[1].Seq != 0 || !strings.HasPrefix(w.Body.String(), ": layerlab\n\nid: 0\n") {
			t.Errorf("stream %q", w.Body)
		}
	})
}

// TestSignsOfLifeCarryTheNumberOfTheLastEvent: who comes back with it misses none.
func TestSignsOfLifeCarryTheNumberOfTheLastEvent(t *testing.T) {
	b := setUp(t)
	for range 3 {
		if err := b.bus.Publish(wire.EventImageDeleted, "i", nil); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		w := httptest.NewRecorder()
		b.echo.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", labapi.Prefix+"/events?since=1", nil))
		if got := regexp.MustCompile(`"seq":(\d+)`).FindAllString(w.Body.String(), -1); !slices.Equal(got, []string{`"seq":2`, `"seq":3`, `"seq":3`}) {
			t.Errorf("stream %q", w.Body)
		}
	})
}

func TestImagesAreTaggedAndPruned(t *testing.T) {
	for _, c := range []struct {
		path, body string
		status     int
		call, want string
	}{
		{"/images/sha256:1/tag", `{"ref":"b:2"}`, 200, "tag sha256:1 b:2", `"refs":["b:2"]`},
		{"/images/my%2Fname:1/tag", `{"ref":"b"}`, 200, "tag my/name:1 b", `"id":"my/name:1"`},
		{"/images/a/tag", `{"name":"b"}`, 400, "", `"code":"bad-request"`},
		{"/images/prune", "", 200, "prune false", `{"removed":["a:1"],"freed":7}`},
		{"/images/prune", `{"all":true}`, 200, "prune true", `"freed":7`},
		{"/images/prune", `[]`, 400, "", `"code":"bad-request"`},
	} {
		b := setUp(t)
		w := b.do("POST", c.path, c.body)
		if w.Code != c.status || strings.Join(b.images.changed, ";") != c.call || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("POST %s %s: %d %s; calls %q", c.path, c.body, w.Code, w.Body, b.images.changed)
		}
		if c.call == "" {
			continue
		}
		b.images.err = imagecore.NewError(imagecore.ErrInvalid, "bad-reference", "no", "ref", "B")
		if w := b.do("POST", c.path, c.body); w.Code != 400 || !strings.Contains(w.Body.String(), `"code":"bad-reference"`) {
			t.Errorf("POST %s: error answered as %d %s", c.path, w.Code, w.Body)
		}
	}
}
