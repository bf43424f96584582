//go:build linux

package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// archive is a small image as docker save writes it.
func archive(t *testing.T, name string) []byte {
	t.Helper()
	layers, tars := imagetest.MustParse("-- layer --\nd etc\nf etc/a \"one\"\n-- layer --\nf etc/.wh.a \"\"\nf etc/b \"two\"\n").Layers()
	img := v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}}
	img.RootFS.Type = "layers"
	out := pack.Image{Refs: []string{name}}
	for i := range layers {
		img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, digest.FromBytes(tars[i]))
		out.Layers = append(out.Layers, pack.Layer{
			Descriptor: v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: digest.FromBytes(tars[i]), Size: int64(len(tars[i]))},
			Open:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(tars[i])), nil },
		})
	}
	var err error
	if out.Config, err = json.Marshal(img); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := pack.DockerSave(&b, []pack.Image{out}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// here unpacks layers in this process, which needs no other program.
func here(ctx context.Context, dir string, t *tree.Tree, layer int, content func(layer int) (io.ReaderAt, error)) error {
	return snapshot.Unpack(ctx, dir, t, layer, content, snapshot.UnpackOptions{})
}

// running is a server in this process and a client of it.
type running struct {
	t      *testing.T
	base   string // http://127.0.0.1:PORT
	code   string
	bearer string
	end    func() error
}

func start(t *testing.T, data string, change func(*Options)) *running {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: layers are unpacked with devices and trusted attributes")
	}
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan string, 1)
	done := make(chan error, 1)
	o := Options{
		Listen: "127.0.0.1:0", Data: data, Runtime: []byte("not run here"), Unpack: here, Version: "test",
		Log:     slog.New(slog.DiscardHandler),
		Started: func(url string) { started <- url },
	}
	if change != nil {
		change(&o)
	}
	go func() { done <- Run(ctx, o) }()
	r := &running{t: t}
	select {
	case address := <-started:
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		r.base, r.code = u.Scheme+"://"+u.Host, strings.TrimPrefix(u.Fragment, "code=")
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	ended := false
	r.end = func() error {
		if ended {
			return nil
		}
		ended = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(30 * time.Second):
			return errors.New("the server does not end")
		}
	}
	t.Cleanup(func() {
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// ask sends a request and decodes the JSON that comes into out, if not nil.
func (r *running) ask(method, path string, body io.Reader, out any) int {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.base+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if b, ok := out.(*[]byte); ok {
		*b = raw
	} else if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			r.t.Fatalf("%s %s: %d %q: %v", method, path, answer.StatusCode, raw, err)
		}
	}
	return answer.StatusCode
}

func (r *running) login() {
	r.t.Helper()
	var s wire.Session
	if code := r.ask("POST", "/api/v1/session", strings.NewReader(`{"code":"`+r.code+`"}`), &s); code != http.StatusCreated {
		r.t.Fatalf("login: %d", code)
	}
	r.bearer = s.Secret
}

// TestFromTheFirstCodeToADownload goes the whole way of an image over HTTP, a
// restart included.
func TestFromTheFirstCodeToADownload(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r := start(t, data, nil)
	var refused wire.Error
	if code := r.ask("GET", "/api/v1/images", nil, &refused); code != 401 || refused.Code != "login-needed" || refused.RequestID == "" {
		t.Fatalf("without login: %d %+v", code, refused)
	}
	r.login()
	if code := r.ask("POST", "/api/v1/session", strings.NewReader(`{"code":"`+r.code+`"}`), &refused); code != 401 || refused.Code != "code-used" {
		t.Errorf("the code again: %d %+v", code, refused)
	}

	var ticket wire.Ticket
	if code := r.ask("POST", "/api/v1/tickets", strings.NewReader(`{"path":"/api/v1/events?since=0"}`), &ticket); code != 201 {
		t.Fatal(code)
	}
	stream, err := http.Get(r.base + "/api/v1/events?since=0&ticket=" + ticket.Ticket)
	if err != nil || stream.StatusCode != 200 {
		t.Fatal(err, stream.StatusCode)
	}
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	next := func() (e wire.Event) {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(data), &e); err != nil {
					t.Fatal(err)
				}
				return e
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return e
	}

	var stored wire.ImageList
	if code := r.ask("POST", "/api/v1/images?upload=u1", bytes.NewReader(archive(t, "my/app:1")), &stored); code != 201 || len(stored.Images) != 1 {
		t.Fatalf("upload: %d %+v", code, stored)
	}
	for {
		e := next()
		if e.Kind == wire.EventUploadProgress && e.ID == "u1" || e.Kind == wire.EventActivity {
			continue
		}
		if e.Kind != wire.EventImageCreated || e.ID != stored.Images[0].ID {
			t.Errorf("event %+v", e)
		}
		break
	}
	for _, id := range []string{stored.Images[0].ID, "my%2Fapp:1"} {
		var index, content []byte
		if code := r.ask("GET", "/api/v1/images/"+id+"/index", nil, &index); code != 200 || !bytes.HasPrefix(index, []byte("LLIX\x01")) {
			t.Errorf("index of %s: %d %.10q", id, code, index)
		}
		if code := r.ask("GET", "/api/v1/images/"+id+"/content?layer=0&offset=0&size=512", nil, &content); code != 200 || !bytes.HasPrefix(content, []byte("etc\x00")) {
			t.Errorf("content of %s: %d %.10q", id, code, content)
		}
	}
	// Layers follow when the image is there; the kernel tells nobody that a folder came.
	file := filepath.Join(data, "layers", digest.Digest(stored.Images[0].Layers[1].ChainID).Encoded(), "etc", "b")
	for late := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			break
		} else if time.Now().After(late) {
			t.Fatalf("layer not unpacked: %v", err)
		}
	}
	for _, form := range []string{"save", "flatten"} {
		path := "/api/v1/images/" + stored.Images[0].ID + "/" + form
		if code := r.ask("POST", "/api/v1/tickets", strings.NewReader(fmt.Sprintf(`{"path":%q}`, path)), &ticket); code != 201 {
			t.Fatal(code)
		}
		answer, err := http.Get(r.base + path + "?ticket=" + ticket.Ticket)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != 200 || len(raw)%512 != 0 || len(raw) < 1024 {
			t.Errorf("%s: %d, %d bytes, %v", form, answer.StatusCode, len(raw), err)
		}
	}

	// The stream is still open: the server must end all the same.
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	again := start(t, data, nil)
	again.bearer = r.bearer
	var list wire.ImageList
	if code := again.ask("GET", "/api/v1/images", nil, &list); code != 200 || len(list.Images) != 1 || list.Images[0].Refs[0] != "my/app:1" {
		t.Errorf("after a restart: %d %+v", code, list)
	}
	if code := again.ask("DELETE", "/api/v1/images/my%2Fapp:1", nil, nil); code != 204 {
		t.Errorf("delete: %d", code)
	}
	var info wire.Info
	if code := again.ask("GET", "/api/v1/info", nil, &info); code != 200 || info.Version != "test" || info.MaxUpload != 64<<30 || info.Kernel == "" {
		t.Errorf("info: %d %+v", code, info)
	}
}

func TestUploadErrorsComeWithTheirStatus(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "data"), nil)
	r.login()
	good := archive(t, "a:1")
	for what, c := range map[string]struct {
		body   []byte
		status int
		code   string
	}{
		"no archive": {bytes.Repeat([]byte("x"), 3000), 400, "not-an-archive"},
		"truncated":  {good[:bytes.Index(good, []byte("two"))+2], 400, "truncated"},
		"lie":        {bytes.Replace(good, []byte("two"), []byte("owt"), 1), 400, "digest-mismatch"},
	} {
		var e wire.Error
		if code := r.ask("POST", "/api/v1/images", bytes.NewReader(c.body), &e); code != c.status || e.Code != c.code {
			t.Errorf("%s: %d %+v", what, code, e)
		}
	}
}

func TestPageHealthAndUnknownPaths(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "data"), nil)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/api/v1/images": 401, "/assets/none.js": 404} {
		var raw []byte
		if code := r.ask("GET", path, nil, &raw); code != want {
			t.Errorf("%s: %d %s", path, code, raw)
		}
	}
	r.login()
	var e wire.Error
	if code := r.ask("GET", "/api/v1/none", nil, &e); code != 404 || e.Code != "no-route" {
		t.Errorf("%d %+v", code, e)
	}
	var metrics []byte
	r.ask("GET", "/metrics", nil, &metrics)
	for _, name := range []string{"layerlab_images 0", "layerlab_containers 0", `route="/api/v1/session"`, "go_goroutines"} {
		if !strings.Contains(string(metrics), name) {
			t.Errorf("metrics lack %s", name)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", r.base+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 403 {
		t.Errorf("a foreign name: %d", answer.StatusCode)
	}
}

func TestSamplesComeOnceAndStayAway(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	content := archive(t, "sample:1")
	samples := func(o *Options) {
		o.Samples = []Sample{{Name: "sample", Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }}}
	}
	r := start(t, data, samples)
	r.login()
	var list wire.ImageList
	if r.ask("GET", "/api/v1/images", nil, &list); len(list.Images) != 1 || !list.Images[0].Sample {
		t.Fatalf("%+v", list)
	}
	if code := r.ask("DELETE", "/api/v1/images/"+list.Images[0].ID, nil, nil); code != 204 {
		t.Fatal(code)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	again := start(t, data, samples)
	again.bearer = r.bearer
	if again.ask("GET", "/api/v1/images", nil, &list); len(list.Images) != 0 {
		t.Errorf("it is back: %+v", list)
	}
}

func TestWhatIsNoOriginMayNotFrameThePage(t *testing.T) {
	err := Run(t.Context(), Options{
		Listen: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "data"), Log: slog.New(slog.DiscardHandler),
		EmbedOrigins: []string{"https://course.example", "https://*.example"},
	})
	if err == nil || !strings.Contains(err.Error(), `--embed-origin "https://*.example"`) {
		t.Error(err)
	}
}

func TestOtherAddressesAreRefusedWithoutTokenAndTLS(t *testing.T) {
	err := Run(t.Context(), Options{Listen: "0.0.0.0:0", Data: filepath.Join(t.TempDir(), "data"), Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "--token-file") {
		t.Error(err)
	}
}
