//go:build linux

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// faulty is a Disk on which one step goes wrong.
//
//	full     the step fails with ENOSPC, later ones work
//	killed   the process dies before the step: it and all later ones fail
//	cut      the power fails before the step: what was not synced is gone too
type faulty struct {
	disk
	mode string
	at   int // the step, counted from 1; 0 for none

	mu    sync.Mutex
	steps int
	dead  bool
	undo  []undo          // what a power cut takes back, oldest first
	dirty map[string]bool // files whose content was not synced
}

type undo struct {
	dir string // whose sync makes it durable
	do  func() error
}

var errDead = errors.New("the process is dead")

func (d *faulty) step() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.steps++
	switch {
	case d.dead:
		return errDead
	case d.steps != d.at:
		return nil
	case d.mode == "full":
		return &os.PathError{Op: "write", Path: "x", Err: unix.ENOSPC}
	}
	d.dead = true
	if d.mode == "cut" {
		d.powerCut()
	}
	return errDead
}

// powerCut leaves of what was not synced what hurts most: the names without
// the contents, or neither.
func (d *faulty) powerCut() {
	for name := range d.dirty {
		if f, err := d.root.OpenFile(name, os.O_WRONLY, 0); err == nil {
			if info, err := f.Stat(); err == nil {
				_ = f.Truncate(info.Size() / 2)
			}
			f.Close()
		}
	}
	for _, u := range slices.Backward(d.undo) {
		_ = u.do() // its target may be gone by a later step
	}
}

func (d *faulty) Spool() (File, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	f, err := d.disk.Spool()
	return &faultyFile{File: f, d: d}, err
}

func (d *faulty) Create(name string) (File, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	f, err := d.disk.Create(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dirty[name] = true
	d.undo = append(d.undo, undo{path.Dir(name), func() error { return d.root.Remove(name) }})
	return &faultyFile{File: f, d: d, name: name}, err
}

func (d *faulty) Mkdir(name string) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.disk.Mkdir(name)
}

func (d *faulty) Rename(old, name string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dirty[old] {
		return fmt.Errorf("%s gets its name %s before its content is durable", old, name)
	}
	before, readErr := d.root.ReadFile(name)
	err := d.disk.Rename(old, name)
	d.undo = append(d.undo, undo{path.Dir(name), func() error {
		if err := d.root.Rename(name, old); err != nil || readErr != nil {
			return err
		}
		return d.root.WriteFile(name, before, 0o644)
	}})
	return err
}

func (d *faulty) SyncDir(name string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.undo = slices.DeleteFunc(d.undo, func(u undo) bool { return u.dir == name })
	return d.disk.SyncDir(name)
}

func (d *faulty) RemoveAll(name string) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.disk.RemoveAll(name)
}

func (d *faulty) Commit() error { return d.step() }

type faultyFile struct {
	File
	d    *faulty
	name string
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if err := f.d.step(); err != nil {
		n, _ := f.File.Write(p[:len(p)/2]) // half of it arrives
		return n, err
	}
	return f.File.Write(p)
}

func (f *faultyFile) Sync() error {
	if err := f.d.step(); err != nil {
		return err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	delete(f.d.dirty, f.name)
	return f.File.Sync()
}

// scenario is an operation on a data folder that already holds something.
type scenario struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

func scenarios(t *testing.T) []scenario {
	present := saved{stack: other, refs: []string{"present:1"}}
	incoming := dockerSave(t, "", saved{stack: changed, refs: []string{"new:1", "present:2"}}, saved{stack: other, env: "x", refs: []string{"new:2"}})
	config, _ := present.config(t)
	layer := imagetest.MustParse("-- layer --\nf new \"content\"\n")[0].Tar()
	// Of a file of its own when it is received, beside one that is there already.
	large := dockerSave(t, "", saved{stack: other + "-- layer --\nf large \"" + strings.Repeat("x", 1<<20) + "\"\n", refs: []string{"large:1"}})
	return []scenario{
		{"import of a large layer", func(ctx context.Context, b *bench) error {
			_, err := b.Import(ctx, bytes.NewReader(large), -1, nil)
			return err
		}},
		{"import", func(ctx context.Context, b *bench) error {
			_, err := b.Import(ctx, bytes.NewReader(incoming), int64(len(incoming)), func(wire.UploadProgress) {})
			return err
		}},
		{"commit", func(ctx context.Context, b *bench) error {
			_, err := b.Commit(ctx, Commit{Parent: present.id(t), Layer: bytes.NewReader(layer), Config: config, Ref: "new:1"})
			return err
		}},
		{"remove", func(ctx context.Context, b *bench) error { return b.Remove(ctx, "gone:1") }},
		{"tag", func(ctx context.Context, b *bench) error { _, err := b.Tag(ctx, "present:1", "new:1"); return err }},
	}
}

// prepare fills a data folder and returns what it holds.
func prepare(t *testing.T, dir string) []string {
	t.Helper()
	b := openBench(t, dir, nil)
	b.load(t, dockerSave(t, "", saved{stack: other, refs: []string{"present:1"}}))
	b.load(t, dockerSave(t, "", saved{stack: changed, env: "gone", refs: []string{"gone:1"}}))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return check(t, dir)
}

// fill copies a prepared data folder.
func fill(t *testing.T, dir, from string) {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// attempt opens the folder on a faulty disk, runs the scenario and closes. It
// returns how many steps there were.
func attempt(t *testing.T, dir, mode string, at int, s scenario) (steps int, err error) {
	t.Helper()
	var d *faulty
	b, err := tryBench(dir, func(o *Options) {
		o.Wrap = func(_ Disk, root *os.Root) Disk {
			d = &faulty{disk: disk{root}, mode: mode, at: at, dirty: map[string]bool{}}
			return d
		}
	})
	if err != nil {
		// The start itself failed; meta.db must be free again.
		return d.steps, err
	}
	b.unpack.step = d.step
	err = s.run(context.Background(), b)
	b.folders.Wait()
	b.sweeper.Wait()
	closeErr := b.Close()
	return d.steps, errors.Join(err, closeErr)
}

// TestAnyStepMayFail lets each step of each operation go wrong in each way. The
// next start must find the state before or after, whole.
func TestAnyStepMayFail(t *testing.T) {
	tried := 0
	for _, s := range scenarios(t) {
		full, clean := inMemory(t), inMemory(t)
		before := prepare(t, full)
		fill(t, clean, full)
		steps, err := attempt(t, clean, "", 0, s)
		if err != nil {
			t.Fatalf("%s without a fault: %v", s.name, err)
		}
		after := check(t, clean)
		if cmp.Equal(before, after) {
			t.Fatalf("%s changes nothing", s.name)
		}
		for _, mode := range []string{"full", "killed", "cut"} {
			for at := 1; at <= steps; at++ {
				tried++
				t.Run(fmt.Sprintf("%s/%s/%d", s.name, mode, at), func(t *testing.T) {
					t.Parallel()
					dir := inMemory(t)
					fill(t, dir, full)
					_, err := attempt(t, dir, mode, at, s)
					got := check(t, dir)
					switch {
					case cmp.Equal(got, after):
					case !cmp.Equal(got, before):
						t.Errorf("neither before nor after: %v", got)
					case err == nil:
						t.Error("nothing happened, and nobody said so")
					}
					if mode == "full" && err != nil && (!errors.Is(err, imagecore.ErrHost) || !strings.Contains(err.Error(), "free some space")) {
						t.Errorf("a full disk is not named: %v", err)
					}
				})
			}
		}
	}
	t.Logf("%d faults", tried)
}

// TestFullDiskLeavesTheRunningServerWhole looks at the folder while the server
// that met the full disk goes on: nothing is left over there either, and the
// same operation works once there is space.
func TestFullDiskLeavesTheRunningServerWhole(t *testing.T) {
	full := inMemory(t)
	prepare(t, full)
	for _, s := range scenarios(t) {
		if s.name == "tag" {
			continue // writes no files of its own
		}
		for at := 1; ; at++ {
			dir := inMemory(t)
			fill(t, dir, full)
			before := files(t, dir)
			var d *faulty
			b := openBench(t, dir, func(o *Options) {
				o.Wrap = func(_ Disk, root *os.Root) Disk {
					d = &faulty{disk: disk{root}, mode: "full", dirty: map[string]bool{}}
					return d
				}
			})
			b.unpack.step = d.step
			d.at = d.steps + at
			err := s.run(t.Context(), b)
			b.folders.Wait()
			b.sweeper.Wait()
			if d.steps < d.at {
				b.Close()
				break
			}
			if err != nil {
				left := slices.DeleteFunc(files(t, dir), func(name string) bool {
					// What could not be deleted waits in trash, or for the next sweep.
					return strings.HasPrefix(name, "trash/") || strings.Contains(name, partial) || strings.Contains(name, ".unpack-")
				})
				if diff := cmp.Diff(before, left); diff != "" {
					t.Errorf("%s, step %d: %v\n%s", s.name, at, err, diff)
				}
				if err := s.run(t.Context(), b); err != nil {
					t.Errorf("%s, step %d, with space again: %v", s.name, at, err)
				}
				b.folders.Wait()
			}
			b.Close()
			check(t, dir)
		}
	}
}

// TestUploadLargerThanTheDiskIsRefusedAtOnce asks before it receives.
func TestUploadLargerThanTheDiskIsRefusedAtOnce(t *testing.T) {
	b := setUp(t, nil)
	free, err := b.disk.Free()
	if err != nil {
		t.Fatal(err)
	}
	b.o.Limits.Archive = free * 4
	body := readerFunc(func([]byte) (int, error) {
		t.Error("the body is read")
		return 0, io.EOF
	})
	if _, err := b.Import(t.Context(), body, free*2, nil); kindOf(err) != "disk-full" {
		t.Error(err)
	}
}
