//go:build linux

package dockerapi

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/dockerapi/shape"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

var update = flag.Bool("update", false, "write the golden answers anew")

// goldenVersions are those that clients are known by: docker 1.10, 1.12, 17.06
// and 19.03, Debian's 20.10, 25, 27, 28, and the newest.
var goldenVersions = []shape.Version{22, 24, 30, 40, 41, 44, 47, 51, 52, MaxVersion}

// stage is a server with two images, a container that runs, a volume and
// events: all that golden answers tell of.
type stage struct {
	Images
	Containers
}

type stagedEvents struct{ Events }

var staged = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func id(digit string) string { return strings.Repeat(digit, 64) }

func (stage) All(context.Context) ([]Image, error) {
	layers := []Layer{
		{ChainID: digest.Digest("sha256:" + id("1")), DiffID: digest.Digest("sha256:" + id("2")), Size: 2048, Blob: 1024},
		{ChainID: digest.Digest("sha256:" + id("3")), DiffID: digest.Digest("sha256:" + id("4")), Size: 512, Blob: 256},
	}
	named := Image{
		ID: digest.Digest("sha256:" + id("a")), Refs: []string{"lab:1"}, Layers: layers, Created: staged, Stored: staged,
		Config:   []byte(`{"architecture":"amd64","os":"linux","created":"2026-01-02T03:04:05.000000006Z","config":{"Cmd":["sh"]},"history":[{"created_by":"COPY"},{"created_by":"RUN","comment":"made"}]}`),
		Manifest: v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.Digest("sha256:" + id("b")), Size: 400},
	}
	dangling := Image{
		ID: digest.Digest("sha256:" + id("c")), Layers: layers[:1], Stored: staged, Config: []byte(`{"architecture":"amd64","os":"linux"}`),
		Manifest: v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.Digest("sha256:" + id("d")), Size: 300},
	}
	return []Image{named, dangling}, nil
}

func (s stage) Find(ctx context.Context, ref string) (Image, error) {
	list, err := s.All(ctx)
	for _, img := range list {
		if ref == img.ID.String() || len(img.Refs) > 0 && ref == img.Refs[0] || ref == "dangling" && len(img.Refs) == 0 {
			return img, err
		}
	}
	return Image{}, imagecore.NewError(imagecore.ErrNotFound, "image-not-found", "no image "+ref)
}

func (stage) List(context.Context) ([]wire.Container, error) {
	return []wire.Container{{
		ID: id("e"), Name: "box", Image: "sha256:" + id("a"), ImageRef: "lab:1", Command: []string{"sh", "-c", "sleep 9"},
		State: wire.StateRunning, Pid: 42, CreatedAt: staged, StartedAt: &staged, Labels: map[string]string{"k": "v"},
	}}, nil
}

func (s stage) Detail(ctx context.Context, _ string) (Container, error) {
	list, err := s.List(ctx)
	place := func(name, address string) wire.Endpoint {
		return wire.Endpoint{
			ID: id("9"), Network: id("8"), NetworkName: name, Container: id("e"), ContainerName: "box", Address: address,
			Gateway: "10.1.0.1", MAC: "02:42:0a:01:00:02", Names: []string{"box", id("e")[:12]}, Aliases: []string{"web"},
			Ports: []wire.PublishedPort{{Proto: "tcp", Port: 80, Host: "127.0.0.1", HostPort: 8080}},
		}
	}
	front := place("front", "10.1.0.2/16")
	front.Ports = nil
	return Container{
		Container: list[0], CreateRequest: CreateRequest{Labels: list[0].Labels, Client: []byte(`{"Image":"lab:1","HostConfig":{"NetworkMode":"default"}}`)},
		StopSignal: "SIGTERM", Hostname: "box", Env: []string{"PATH=/bin"}, WorkingDir: "/", Folder: "/data/containers/box", Layer: "/data/containers/box",
		Mounts:    []Mount{{MountSpec: wire.MountSpec{Type: "volume", Source: "/data/volumes/vol", Target: "/v"}, Volume: "vol"}},
		Endpoints: []wire.Endpoint{place("bridge", "172.17.0.2/16"), front},
	}, err
}

func (stage) Normalize(ref string) (string, error) { return withTag(ref), nil }

func (stage) AllChanges(context.Context, string) (wire.Changes, error) {
	return wire.Changes{Bytes: 77}, nil
}

func (stage) Volumes(context.Context) ([]wire.Volume, error) {
	return []wire.Volume{{Name: "vol", Path: "/data/volumes/vol", CreatedAt: staged, UsedBy: []string{id("e")}}}, nil
}

func (s stage) Volume(ctx context.Context, _ string) (wire.Volume, error) {
	list, err := s.Volumes(ctx)
	return list[0], err
}

func (stage) VolumeSize(context.Context, string) (int64, error) { return 99, nil }

func (stagedEvents) Subscribe(time.Time) (func(context.Context) (wire.Event, error), func(), error) {
	list, _ := stage{}.List(context.Background())
	data, err := json.Marshal(list[0])
	events := []wire.Event{
		{Seq: 1, Time: staged, Kind: wire.EventContainerStarted, ID: id("e"), Data: data},
		{Seq: 2, Time: staged, Kind: wire.EventVolumeCreated, ID: "vol", Data: []byte("null")},
	}
	return func(context.Context) (wire.Event, error) {
		if len(events) == 0 {
			return wire.Event{}, context.Canceled
		}
		e := events[0]
		events = events[1:]
		return e, nil
	}, func() {}, err
}

// hidden is what differs between hosts and moments.
var hidden = regexp.MustCompile(`"(GoVersion|Architecture|Arch|MemTotal|NCPU|SystemTime|NGoroutines|CgroupVersion|KernelVersion|SwapLimit)": ("[^"]*"|\d+|true|false)|Up [^"]*`)

// golden is one answer, indented, one line for each value.
func (s stage) golden(t *testing.T, of shape.Version, path string) string {
	t.Helper()
	h := New(Deps{
		Images: s, Containers: s, Networks: &oneNetwork{}, Events: stagedEvents{}, Log: slog.New(slog.DiscardHandler),
		Facts: Facts{Runtimes: map[string]string{"layerlab": "layerlab-runtime"}, DefaultRuntime: "layerlab", Version: "test", Kernel: "6.1", Data: "/data", Rootfs: "lowerdir+", Name: "host", Started: staged},
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/v"+of.String()+path, nil))
	if w.Code != 200 {
		t.Fatalf("%s of %s: %d %s", path, of, w.Code, w.Body)
	}
	var b bytes.Buffer
	d := json.NewDecoder(w.Body)
	for d.UseNumber(); d.More(); {
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s of %s: %v", path, of, err)
		}
		text, err := json.MarshalIndent(v, "", "  ") // with sorted keys
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(text, '\n'))
	}
	text := hidden.ReplaceAllString(strings.ReplaceAll(b.String(), runtime.GOARCH, "ARCH"), `"$1": HIDDEN`)
	return strings.ReplaceAll(text, `"": HIDDEN`, "Up AGO")
}

// TestEachVersionIsAnsweredInItsOwnShape holds the answers of all versions. A
// file has the first version's answer whole and then, for each later one, the
// lines that went and came: what moby's history of the API says of it.
func TestEachVersionIsAnsweredInItsOwnShape(t *testing.T) {
	answers := 0
	for name, path := range map[string]string{
		"images": "/images/json?all=1&manifests=1", "image": "/images/lab:1/json?manifests=1", "image-bare": "/images/dangling/json",
		"containers": "/containers/json?size=1", "container": "/containers/box/json?size=1", "networks": "/networks", "network": "/networks/front",
		"volumes": "/volumes", "volume": "/volumes/vol", "info": "/info", "version": "/version", "events": "/events", "df": "/system/df",
		"df-verbose": "/system/df?verbose=1", "df-images": "/system/df?type=image",
	} {
		var b strings.Builder
		before := ""
		for _, of := range goldenVersions {
			answer := stage{}.golden(t, of, path)
			answers++
			if before == "" {
				fmt.Fprintf(&b, "== %s\n%s", of, answer)
			} else if lines := changed(before, answer); lines != "" {
				fmt.Fprintf(&b, "== %s\n%s", of, lines)
			}
			before = answer
		}
		file := filepath.Join("testdata", "versions", name+".golden")
		if *update {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); d != "" {
			t.Errorf("%s (-want +got); -update writes it anew:\n%s", name, d)
		}
	}
	t.Logf("%d answers", answers)
}

// changed lists the lines that went (-) and came (+), by the longest common
// sequence of lines.
func changed(before, after string) string {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var out strings.Builder
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && length[i+1][j] >= length[i][j+1]:
			out.WriteString("-" + a[i] + "\n")
			i++
		default:
			out.WriteString("+" + b[j] + "\n")
			j++
		}
	}
	return out.String()
}

func TestPlatformsThatAnImageHasNotAreRefused(t *testing.T) {
	h := New(Deps{Images: stage{}, Containers: stage{}, Log: slog.New(slog.DiscardHandler)})
	for _, c := range []struct {
		path   string
		status int
		words  string
	}{
		{`/v1.49/images/lab:1/json?platform={"os":"linux","architecture":"amd64"}`, 200, ""},
		{`/v1.49/images/lab:1/json?platform={"os":"linux","architecture":"arm64"}`, 404, "image with reference lab:1 was found but its platform (linux/amd64) does not match the specified platform (linux/arm64)"},
		{`/v1.48/images/lab:1/json?platform={"os":"linux","architecture":"arm64"}`, 200, ""}, // had no such thing yet
		{`/v1.48/images/lab:1/history?platform={"os":"linux","architecture":"arm64"}`, 404, "does not match"},
		{`/v1.48/images/get?names=lab:1&platform={"os":"linux","architecture":"arm64"}`, 404, "does not match"},
		{`/v1.48/images/lab:1/history?platform=linux/arm64`, 400, "failed to parse platform"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", c.path, nil))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.words) {
			t.Errorf("%s: %d %s, want %d %s", c.path, w.Code, w.Body, c.status, c.words)
		}
	}
}

func TestEventsComeInTheFormThatIsAccepted(t *testing.T) {
	h := New(Deps{Events: stagedEvents{}, Log: slog.New(slog.DiscardHandler)})
	for _, c := range []struct{ version, accept, form, begins string }{
		{"1.51", "application/json-seq", "application/json", "{"},
		{"1.52", "", "application/json", "{"},
		{"1.52", "text/html, application/json-seq;q=0.9", "application/json-seq", "\x1e{"},
		{"1.52", "application/jsonl, application/x-ndjson", "application/x-ndjson", "{"},
		{"1.53", "application/jsonl, application/x-ndjson", "application/jsonl", "{"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/v"+c.version+"/events", nil)
		r.Header.Set("Accept", c.accept)
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Type"); got != c.form {
			t.Errorf("%s %q: %s", c.version, c.accept, got)
		}
		for line := range strings.Lines(w.Body.String()) {
			if !strings.HasPrefix(line, c.begins) {
				t.Errorf("%s %q: %q", c.version, c.accept, line)
			}
		}
	}
}
