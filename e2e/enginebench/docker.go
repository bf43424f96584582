//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/layerlab/layerlab/imagecore/imagetest"
)

// dockerRows lists what the docker command line and the Docker API are asked
// for; their names begin with docker.
func (e *engines) dockerRows() []row {
	list := []row{
		{
			work: "docker run --rm of true", prepare: e.begin, subjects: e.pair(runTrue),
			goal: "≤ 1/3 dockerd", met: func(f []float64) bool { return f[0] <= f[1]/3 },
		},
		{
			work: "docker exec of true", prepare: e.begin, subjects: e.pair(execByCommand),
			goal: "≤ 1/2 dockerd", met: func(f []float64) bool { return f[0] <= f[1]/2 },
		},
		{
			work: "docker exec of true, by the API alone", prepare: e.begin, subjects: e.pair(execTrue),
			goal: "≤ 10 ms", met: func(f []float64) bool { return f[0] <= 10 },
		},
		{
			work: "docker diff of 2,000 changes", prepare: e.begin, subjects: e.pair(diff),
			goal: "≤ dockerd", met: func(f []float64) bool { return f[0] <= f[1] },
		},
		{
			work: "docker commit of 100 MB", prepare: e.begin, subjects: e.pair(commit),
			goal: "≤ dockerd", met: func(f []float64) bool { return f[0] <= f[1] },
		},
	}
	for _, big := range []struct {
		name string
		imagetest.Big
	}{
		{"1.4 GB, 12,000 files", imagetest.Big{Files: 12_000, FileSize: 110_000, Layers: 5, Whiteouts: 10}},
		{"334 MB, 100,000 files", imagetest.Big{Files: 100_000, FileSize: 2_500, Layers: 5, Whiteouts: 50}},
	} {
		f := files{big.Big, filepath.Join(e.o.cache, fmt.Sprintf("engine-%d-of-%d-layers-%d", big.Files, big.FileSize, big.Layers))}
		prepare := func(ctx context.Context) error { return errors.Join(f.prepare(ctx, e.o.layerlab), e.begin(ctx)) }
		timed := func(before, work, after func(ctx context.Context, one *engine) error) []subject {
			return e.pair(func(ctx context.Context, one *engine, _ string) (float64, error) {
				if err := before(ctx, one); err != nil {
					return 0, err
				}
				begin := time.Now()
				err := work(ctx, one)
				d := time.Since(begin)
				return milliseconds(d), errors.Join(err, after(ctx, one))
			})
		}
		nothing := func(context.Context, *engine) error { return nil }
		load := func(ctx context.Context, one *engine) error { return one.load(ctx, f.archive()) }
		forget := func(ctx context.Context, one *engine) error { return one.call(ctx, "DELETE", "/images/big", nil, nil) }
		half := func(f []float64) bool { return f[0] <= f[1]/2 }
		var box string
		list = append(list,
			row{work: "docker load, " + big.name, prepare: prepare, subjects: timed(nothing, load, forget), goal: "≤ 1/2 dockerd", met: half},
			row{
				work: "docker load again, " + big.name, prepare: prepare,
				subjects: append(timed(load, load, forget), subject{name: "sent to a sink, and one SHA-256 pass", figure: func(ctx context.Context, _ string) (float64, error) {
					return sunk(ctx, f.archive())
				}}),
				goal: "≤ 1.3 × a sink and a pass", met: func(f []float64) bool { return f[0] <= 1.3*f[2] },
			},
			row{work: "docker save, " + big.name, prepare: prepare, subjects: timed(load, func(ctx context.Context, one *engine) error {
				return one.drain(ctx, "/images/get?names=big")
			}, forget), goal: "≤ 1/2 dockerd", met: half},
			row{work: "docker export, " + big.name, prepare: prepare, subjects: timed(func(ctx context.Context, one *engine) (err error) {
				if err = load(ctx, one); err == nil {
					box, err = one.create(ctx, settings{Image: "big", Cmd: []string{"/none"}})
				}
				return err
			}, func(ctx context.Context, one *engine) error {
				return one.drain(ctx, "/containers/"+box+"/export")
			}, func(ctx context.Context, one *engine) error {
				return errors.Join(one.remove(ctx, box), forget(ctx, one))
			}), goal: "≤ dockerd", met: func(f []float64) bool { return f[0] <= f[1] }},
		)
	}
	return list
}

// drain reads an answer to its end.
func (e *engine) drain(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://d/v1.41"+path, nil)
	if err != nil {
		return err
	}
	resp, err := e.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: status %d", e.name, path, resp.StatusCode)
	}
	return err
}

// sunk sends a file over a Unix socket to a reader that keeps nothing, and then
// hashes it once: the least that a load of what is there already can take.
func sunk(ctx context.Context, name string) (float64, error) {
	dir, err := os.MkdirTemp("", "sink-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		return 0, err
	}
	sink := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the sender sees what fails
	})}
	go func() { _ = sink.Serve(l) }() // ends with Close
	defer sink.Close()
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	begin := time.Now()
	one := dial("sink", l.Addr().String())
	if err := one.call(ctx, "POST", "/", io.Reader(f), nil); err != nil {
		return 0, err
	}
	h := sha256.New()
	again, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer again.Close()
	_, err = io.Copy(h, again)
	return milliseconds(time.Since(begin)), err
}

// docker runs the command line against an engine.
func (e *engine) docker(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+e.socket)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: docker %v: %w\n%s", e.name, args, err, out)
	}
	return nil
}

// medianOf is the median of several runs of something small.
func medianOf(work func() error) (float64, error) {
	var took []float64
	for range several {
		begin := time.Now()
		if err := work(); err != nil {
			return 0, err
		}
		took = append(took, milliseconds(time.Since(begin)))
	}
	return median(took), nil
}

func runTrue(ctx context.Context, e *engine, _ string) (float64, error) {
	return medianOf(func() error { return e.docker(ctx, "run", "--rm", sample, "/bin/true") })
}

func execByCommand(ctx context.Context, e *engine, _ string) (float64, error) {
	id, err := e.up(ctx, sleeper())
	if err != nil {
		return 0, err
	}
	d, err := medianOf(func() error { return e.docker(ctx, "exec", id, "true") })
	return d, errors.Join(err, e.remove(ctx, id))
}

func diff(ctx context.Context, e *engine, _ string) (float64, error) {
	id, err := e.up(ctx, sleeper())
	if err != nil {
		return 0, err
	}
	if err := e.exec(ctx, id, "sh", "-c", "mkdir /many && cd /many && seq 2000 | xargs touch"); err != nil {
		return 0, err
	}
	d, err := medianOf(func() error { return e.drain(ctx, "/containers/"+id+"/changes") })
	return d, errors.Join(err, e.remove(ctx, id))
}
