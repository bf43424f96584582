//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/layerlab/layerlab/imagecore/imagetest"
)

// sample is the image of the small containers.
const sample = "layerlab/sample"

// engines are the servers of a run, started when the first row needs them.
type engines struct {
	o            options
	ours, theirs *engine
	absent       string // why there is no dockerd
}

// begin starts the servers and gives both the sample image.
func (e *engines) begin(ctx context.Context) error {
	if e.ours != nil {
		return nil
	}
	dir, err := os.MkdirTemp(e.o.cache, "ours-")
	if err != nil {
		return err
	}
	if e.ours, err = serve(e.o, dir); err != nil {
		return err
	}
	if dir, err = os.MkdirTemp(e.o.cache, "theirs-"); err != nil {
		return err
	}
	if e.theirs, err = dockerd(dir); errors.Is(err, exec.ErrNotFound) {
		e.absent = "dockerd is not installed"
	} else if err != nil {
		return err
	}
	for _, one := range e.both() {
		if err := one.load(ctx, filepath.Join(e.o.samples, "sample.tar")); err != nil {
			return err
		}
	}
	return nil
}

func (e *engines) both() []*engine {
	if e.theirs == nil {
		return []*engine{e.ours}
	}
	return []*engine{e.ours, e.theirs}
}

func (e *engines) stop() {
	for _, one := range []*engine{e.ours, e.theirs} {
		if one == nil {
			continue
		}
		one.clear()
		if err := one.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "enginebench:", err)
		}
	}
}

// pair is a row's subjects: both engines do the same.
func (e *engines) pair(do func(ctx context.Context, e *engine, dir string) (float64, error)) []subject {
	return []subject{
		{name: "layerlab", figure: func(ctx context.Context, dir string) (float64, error) { return do(ctx, e.ours, dir) }},
		{name: "dockerd", figure: func(ctx context.Context, dir string) (float64, error) {
			if e.theirs == nil {
				return 0, errors.New(e.absent)
			}
			return do(ctx, e.theirs, dir)
		}},
	}
}

// rows lists what containers do.
func (e *engines) rows() []row {
	list := []row{
		e.loading("load 1.4 GB, 12,000 files, until a container of it has started", imagetest.Big{Files: 12_000, FileSize: 110_000, Layers: 5, Whiteouts: 10}),
		e.loading("load 334 MB, 100,000 files, until a container of it has started", imagetest.Big{Files: 100_000, FileSize: 2_500, Layers: 5, Whiteouts: 50}),
		{
			work: "commit of 100 MB", prepare: e.begin, subjects: e.pair(commit),
			goal: "≤ dockerd", met: func(f []float64) bool { return f[0] <= f[1] },
		},
		{
			work: "create and start", prepare: e.begin,
			subjects: append(e.pair(createAndStart), subject{name: "layerlab-runtime alone", figure: e.alone}),
			goal:     "≤ 15 ms more than the runtime alone", met: func(f []float64) bool { return f[0] <= f[2]+15 },
		},
		{
			work: "exec of true", prepare: e.begin, subjects: e.pair(execTrue),
			goal: "≤ 10 ms", met: func(f []float64) bool { return f[0] <= 10 },
		},
		{
			work: "100 containers created and started by 8 callers", prepare: e.begin, subjects: e.pair(hundred),
			goal: "≤ dockerd", met: func(f []float64) bool { return f[0] <= f[1] },
		},
		{
			work: "memory of an idle container's shim (resident)", unit: "MB", prepare: e.begin, subjects: e.pair(memory),
			goal: "≤ 5 MB", met: func(f []float64) bool { return f[0] <= 5 },
		},
	}
	return append(list, e.throughput()...)
}

// loading measures from the first byte of the archive to the container's start.
func (e *engines) loading(work string, big imagetest.Big) row {
	f := files{big, filepath.Join(e.o.cache, fmt.Sprintf("engine-%d-of-%d-layers-%d", big.Files, big.FileSize, big.Layers))}
	return row{
		work: work,
		prepare: func(ctx context.Context) error {
			return errors.Join(f.prepare(ctx, e.o.layerlab), e.begin(ctx))
		},
		goal: "≤ 1/2 dockerd", met: func(f []float64) bool { return f[0] <= f[1]/2 },
		subjects: e.pair(func(ctx context.Context, one *engine, _ string) (float64, error) {
			begin := time.Now()
			if err := one.load(ctx, f.archive()); err != nil {
				return 0, err
			}
			// The image has no program: the container that starts is of its files
			// all the same, with one bound in.
			id, err := one.up(ctx, settings{Image: "big", Cmd: []string{"/userland", "sleep", "1000"}, HostConfig: map[string]any{
				"Binds": []string{userland(e.o) + ":/userland:ro"},
			}})
			d := time.Since(begin)
			if err != nil {
				return 0, err
			}
			return milliseconds(d), errors.Join(one.remove(ctx, id), one.call(ctx, "DELETE", "/images/big", nil, nil))
		}),
	}
}

// userland is a static program beside the samples.
func userland(o options) string {
	path, err := filepath.Abs(filepath.Join(filepath.Dir(filepath.Clean(o.samples)), "layerlab-userland"))
	if err != nil {
		return o.samples
	}
	return path
}

func commit(ctx context.Context, e *engine, _ string) (float64, error) {
	id, err := e.up(ctx, settings{Image: sample, Cmd: []string{"sh", "-c", "head -c 104857600 /dev/urandom >/big && sleep 1000"}})
	if err != nil {
		return 0, err
	}
	for { // until all of it is there
		if err := e.exec(ctx, id, "sh", "-c", `test "$(wc -c </big)" -eq 104857600`); err == nil {
			break
		} else if ctx.Err() != nil {
			return 0, err
		}
	}
	begin := time.Now()
	var made struct{ ID string }
	err = e.call(ctx, "POST", "/commit?repo=committed&container="+id, map[string]any{}, &made)
	d := time.Since(begin)
	return milliseconds(d), errors.Join(err, e.remove(ctx, id), e.call(ctx, "DELETE", "/images/committed", nil, nil))
}

// sleeper does nothing for long enough.
func sleeper() settings {
	return settings{Image: sample, Cmd: []string{"sleep", "1000"}, HostConfig: map[string]any{"NetworkMode": "none"}}
}

// several is how often a thing of milliseconds is done for one figure, the
// median.
const several = 15

func createAndStart(ctx context.Context, e *engine, _ string) (float64, error) {
	var took []float64
	for range several {
		begin := time.Now()
		id, err := e.up(ctx, sleeper())
		took = append(took, milliseconds(time.Since(begin)))
		if err = errors.Join(err, e.remove(ctx, id)); err != nil {
			return 0, err
		}
	}
	return median(took), nil
}

// alone creates and starts the same program with the command line of the
// runtime.
func (e *engines) alone(ctx context.Context, dir string) (float64, error) {
	bin := filepath.Join(dir, "rootfs", "bin")
	for _, folder := range []string{bin, filepath.Join(dir, "rootfs", "proc"), filepath.Join(dir, "rootfs", "dev")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return 0, err
		}
	}
	if err := command(ctx, "cp", userland(e.o), filepath.Join(bin, "sleep")); err != nil {
		return 0, err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(bundle), 0o600); err != nil {
		return 0, err
	}
	var took []float64
	for i := range several {
		name := "bench" + strconv.Itoa(i)
		root := []string{"--root", filepath.Join(dir, "state")}
		begin := time.Now()
		for _, args := range [][]string{{"create", "--bundle", dir, name}, {"start", name}} {
			cmd := exec.CommandContext(ctx, e.o.runtime, append(root, args...)...)
			if err := cmd.Run(); err != nil {
				return 0, fmt.Errorf("%s: %w", args[0], err)
			}
		}
		took = append(took, milliseconds(time.Since(begin)))
		if err := command(ctx, e.o.runtime, append(root, "delete", "--force", name)...); err != nil {
			return 0, err
		}
	}
	return median(took), nil
}

// bundle is a container with a process, a root and the namespaces that the
// server's have.
const bundle = `{"ociVersion":"1.2.0","hostname":"bench","root":{"path":"rootfs","readonly":true},
"process":{"cwd":"/","args":["/bin/sleep","1000"],"user":{"uid":0,"gid":0},"env":["PATH=/bin"]},
"mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","mode=755"]}],
"linux":{"uidMappings":[{"containerID":0,"hostID":0,"size":65536}],"gidMappings":[{"containerID":0,"hostID":0,"size":65536}],
"namespaces":[{"type":"user"},{"type":"pid"},{"type":"mount"},{"type":"ipc"},{"type":"uts"},{"type":"network"}]}}`

func execTrue(ctx context.Context, e *engine, _ string) (float64, error) {
	id, err := e.up(ctx, sleeper())
	if err != nil {
		return 0, err
	}
	var took []float64
	for range several {
		begin := time.Now()
		if err := e.exec(ctx, id, "true"); err != nil {
			return 0, err
		}
		took = append(took, milliseconds(time.Since(begin)))
	}
	return median(took), e.remove(ctx, id)
}

func hundred(ctx context.Context, e *engine, _ string) (float64, error) {
	ids := make([]string, 100)
	each := func(do func(i int) error) error {
		var work errgroup.Group
		work.SetLimit(8)
		for i := range ids {
			work.Go(func() error { return do(i) })
		}
		return work.Wait()
	}
	begin := time.Now()
	err := each(func(i int) (err error) {
		ids[i], err = e.up(ctx, sleeper())
		return err
	})
	d := time.Since(begin)
	return milliseconds(d), errors.Join(err, each(func(i int) error { return e.remove(ctx, ids[i]) }))
}

// idle is after how long a container that nobody asks anything is idle: within
// five seconds a shim gives back what its start took.
const idle = 7 * time.Second

// memory is the resident set of the process that stands over a container, once
// that is idle.
func memory(ctx context.Context, e *engine, _ string) (float64, error) {
	id, err := e.up(ctx, sleeper())
	if err != nil {
		return 0, err
	}
	pid, err := e.pid(ctx, id)
	if err != nil {
		return 0, err
	}
	above, err := field(pid, "PPid:")
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(idle):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	kB, err := field(above, "VmRSS:")
	return float64(kB) * 1024 / 1e6, errors.Join(err, e.remove(ctx, id))
}

// field reads a number of /proc/PID/status.
func field(pid int, name string) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, after, ok := strings.Cut(string(text), "\n"+name)
	words := strings.Fields(after)
	if !ok || len(words) == 0 {
		return 0, fmt.Errorf("no %s in the status of process %d", name, pid)
	}
	return strconv.Atoi(words[0])
}
