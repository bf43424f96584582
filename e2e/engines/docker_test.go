//go:build linux && engines

package engines

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/tree"
)

// docker is a daemon of its own, spoken to by its API.
type docker struct {
	t    *testing.T
	http http.Client
}

func startDocker(t *testing.T, dir string) docker {
	t.Helper()
	socket, config := dir+"/d.sock", filepath.Join(dir, "docker.json")
	if err := os.WriteFile(config, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, dir+"/dockerd.log", socket, "dockerd", "--host", "unix://"+socket, "--containerd", startContainerd(t, dir),
		"--data-root", dir+"/d-root", "--exec-root", dir+"/d-run", "--pidfile", dir+"/d.pid", "--config-file", config,
		"--storage-driver", "overlay2", "--iptables=false", "--ip6tables=false", "--bridge=none")
	d := docker{t: t}
	d.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	return d
}

// call returns the status and the body of an answer.
func (d docker) call(method, path string, body []byte) (int, []byte) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, "http://docker"+path, bytes.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := d.http.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return res.StatusCode, b
}

// load loads an archive and returns what went wrong, "" for nothing.
func (d docker) load(b []byte) string {
	d.t.Helper()
	status, out := d.call("POST", "/images/load?quiet=1", b)
	if status != http.StatusOK {
		return string(out)
	}
	for line := range strings.Lines(string(out)) {
		var m struct{ Error string }
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			d.t.Fatalf("%q: %v", line, err)
		}
		if m.Error != "" {
			return m.Error
		}
	}
	return ""
}

// lowers returns the folders of an image's layers, the uppermost first.
func (d docker) lowers(name string) (folders string, there bool) {
	d.t.Helper()
	status, out := d.call("GET", "/images/"+name+"/json", nil)
	if status == http.StatusNotFound {
		return "", false
	}
	var m struct {
		GraphDriver struct {
			Name string
			Data struct{ UpperDir, LowerDir string }
		}
	}
	if err := json.Unmarshal(out, &m); err != nil || m.GraphDriver.Name != "overlay2" {
		d.t.Fatalf("%s: %v: %s", name, err, out)
	}
	folders = m.GraphDriver.Data.UpperDir
	if below := m.GraphDriver.Data.LowerDir; below != "" {
		folders += ":" + below
	}
	return folders, true
}

// TestDocker mounts what docker load left as Docker mounts it for a container:
// the layers' folders beneath an empty one.
func TestDocker(t *testing.T) {
	dir := folder(t)
	d := startDocker(t, dir)
	c := tally{engine: "Docker"}
	root, upper, work := filepath.Join(dir, "m"), filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	for _, f := range []string{root, upper, work} {
		if err := os.Mkdir(f, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	check := func(s *stack) bool {
		lowers, there := d.lowers(s.name)
		if !there {
			return false
		}
		options := fmt.Sprintf("index=off,lowerdir=%s,upperdir=%s,workdir=%s", lowers, upper, work)
		if err := unix.Mount("overlay", root, "overlay", unix.MS_RDONLY, options); err != nil {
			t.Fatalf("seed %d: mount: %v", s.seed, err)
		}
		c.shown(t, s, root)
		if err := unix.Unmount(root, unix.MNT_DETACH); err != nil {
			t.Fatalf("seed %d: unmount: %v", s.seed, err)
		}
		return true
	}
	var good []*stack
	for _, s := range stacks(t, tree.DockerOverlay2) {
		if len(s.layers) == 0 {
			continue
		}
		if s.refused == "" {
			good = append(good, s)
			continue
		}
		if message := d.load(archive([]*stack{s})); message != "" {
			c.refuses(t, s, message)
		} else if !check(s) {
			t.Fatalf("seed %d: neither loaded nor refused", s.seed)
		}
	}
	// Docker stops at the first image that it refuses.
	for len(good) > 0 {
		some := good[:min(batch, len(good))]
		message := d.load(archive(some))
		for _, s := range some {
			good = good[1:]
			if check(s) {
				continue
			}
			c.refuses(t, s, message)
			break
		}
	}
	c.print(t)
}
