package source_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/source"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/repack"
)

func listen(path string) (net.Listener, error) { return net.Listen("unix", path) }

// saved is an image as an engine would save it.
func saved(text string) []byte {
	return imagetest.One(imagetest.DockerSave, imagetest.MustParse(text)).Bytes()
}

// daemon is an engine that has one image, on a socket of its own or on TCP.
func daemon(t *testing.T, name string, image []byte) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /images/get", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("names") != name {
			http.Error(w, `{"message":"No such image: other"}`, http.StatusNotFound)
			return
		}
		_, _ = w.Write(image)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func options(host string) source.Options {
	return source.Options{Limits: imagecore.DefaultLimits(), LookupEnv: func(name string) (string, bool) {
		if name != "DOCKER_HOST" {
			return "", false
		}
		return host, true
	}}
}

func code(err error) string {
	if e, ok := errors.AsType[*imagecore.Error](err); ok {
		return e.Code
	}
	return ""
}

func TestDockerDaemonSavesWhatIsAskedFor(t *testing.T) {
	image := saved("-- layer --\nf a\n")
	s := daemon(t, "host:5000/app:1", image)
	host := "tcp://" + strings.TrimPrefix(s.URL, "http://")
	src, err := source.Locate(t.Context(), "docker-daemon:host:5000/app:1", options(host))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	got, err := io.ReadAll(io.NewSectionReader(src.File, 0, src.Size))
	if err != nil || string(got) != string(image) {
		t.Errorf("%d bytes, %v; want the %d that the engine sent", len(got), err, len(image))
	}
	if err := src.Read(t.Context(), options(host)); err != nil || len(src.Report().Images) != 1 {
		t.Error(err)
	}
}

func TestDockerDaemonRefusals(t *testing.T) {
	s := daemon(t, "app", saved("-- layer --\nf a\n"))
	small := options(s.URL)
	small.Limits.Archive = 100
	for _, c := range []struct {
		name, image string
		o           source.Options
		kind        error
		code        string
	}{
		{"no such image", "docker-daemon:other", options(s.URL), imagecore.ErrNotFound, "image-not-found"},
		{"no name", "docker-daemon:", options(s.URL), imagecore.ErrNotFound, "image-not-found"},
		{"nobody there", "docker-daemon:app", options("unix://" + filepath.Join(t.TempDir(), "no.sock")), imagecore.ErrHost, "no-engine"},
		{"over ssh", "docker-daemon:app", options("ssh://me@host"), imagecore.ErrUnsupported, "unsupported-source"},
		{"nonsense", "docker-daemon:app", options("://"), imagecore.ErrUnsupported, "unsupported-source"},
		{"beyond the limit", "docker-daemon:app", small, imagecore.ErrTooLarge, "archive-too-large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, err := source.Locate(t.Context(), c.image, c.o)
			if err == nil {
				src.Close()
			}
			if !errors.Is(err, c.kind) || code(err) != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
}

// store writes two images as the store keeps them.
func store(t *testing.T) (dir string, ids []string) {
	t.Helper()
	a := imagetest.One(imagetest.DockerSave, imagetest.MustParse("-- layer --\nf a\n"))
	a.Images[0].Refs = []string{"one:1"}
	a.Images = append(a.Images, imagetest.Image{Stack: imagetest.MustParse("-- layer --\nf b\n"), Refs: []string{"two:2"}})
	raw := a.Bytes()
	opened, err := archive.Open(strings.NewReader(string(raw)), int64(len(raw)), archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	images, err := repack.Images(t.Context(), opened, []int{0, 1}, repack.OCIDir)
	if err != nil {
		t.Fatal(err)
	}
	items, err := pack.OCI(images)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for i := range items {
		path := filepath.Join(dir, items[i].Path)
		if items[i].Kind == imagecore.Dir {
			err = os.MkdirAll(path, 0o755)
		} else {
			var rc io.ReadCloser
			if rc, err = items[i].Open(); err == nil {
				b, rerr := io.ReadAll(rc)
				err = errors.Join(rerr, rc.Close(), os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, img := range opened.Report().Images {
		ids = append(ids, img.ID.String())
	}
	return dir, ids
}

func TestStoredImagesByNameAndID(t *testing.T) {
	dir, ids := store(t)
	o := source.Options{Limits: imagecore.DefaultLimits(), Data: dir}
	for name, want := range map[string]string{
		"one:1": ids[0], "store:docker.io/library/two:2": ids[1],
		ids[1]: ids[1], "store:" + strings.TrimPrefix(ids[0], "sha256:")[:12]: ids[0],
	} {
		src, err := source.Locate(t.Context(), name, o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if images := src.Report().Images; len(images) != 1 || images[0].ID.String() != want {
			t.Errorf("%s is %d images, want %s alone", name, len(images), want)
		}
		src.Close()
	}
	if _, err := source.Locate(t.Context(), "three:3", o); code(err) != "image-not-found" {
		t.Errorf("got %v", err)
	}
}

// serve answers as the store's server does, on its socket: a name can mean
// something that the list does not know yet.
func serve(t *testing.T, dir string, answer func(name string) (id string, ok bool), save []byte) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /images/{name}/json", func(w http.ResponseWriter, r *http.Request) {
		id, ok := answer(r.PathValue("name"))
		if !ok {
			http.Error(w, `{"message":"no such image"}`, http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, `{"Id":"`+id+`"}`)
	})
	mux.HandleFunc("GET /images/get", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(save) })
	s := httptest.NewUnstartedServer(mux)
	l, err := listen(filepath.Join(dir, "docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
}

func TestTheRunningServerSaysWhatANameMeans(t *testing.T) {
	dir, ids := store(t)
	other := saved("-- layer --\nf gone\n")
	serve(t, dir, func(name string) (string, bool) {
		switch name {
		case "one:1":
			return ids[1], true // tagged anew a moment ago
		case "new":
			return "sha256:" + strings.Repeat("e", 64), true // not in the list
		}
		return "", false
	}, other)
	o := source.Options{Limits: imagecore.DefaultLimits(), Data: dir}
	src, err := source.Locate(t.Context(), "one:1", o)
	if err != nil {
		t.Fatal(err)
	}
	if got := src.Report().Images[0].ID.String(); got != ids[1] {
		t.Errorf("one:1 is %s, the server says %s", got, ids[1])
	}
	src.Close()
	// What is not to be found on disk is saved by the server.
	if src, err = source.Locate(t.Context(), "store:new", o); err != nil {
		t.Fatal(err)
	}
	if src.Size != int64(len(other)) {
		t.Errorf("%d bytes, want what the server saves: %d", src.Size, len(other))
	}
	src.Close()
	// What the server does not know, the list may: it was stored by hand.
	if src, err = source.Locate(t.Context(), "two:2", o); err != nil {
		t.Fatal(err)
	}
	src.Close()
}

// A server that hangs is not waited for.
func TestAHangingServerIsPassedOver(t *testing.T) {
	dir, ids := store(t)
	l, err := listen(filepath.Join(dir, "docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody accepts
	src, err := source.Locate(t.Context(), "one:1", source.Options{Limits: imagecore.DefaultLimits(), Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if got := src.Report().Images[0].ID.String(); got != ids[0] {
		t.Errorf("got %s", got)
	}
}
