//go:build linux

package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
)

// halted is a store whose unpacking waits before each of its steps.
func halted(t *testing.T) (b *bench, goOn func()) {
	t.Helper()
	gate := make(chan struct{})
	b = setUp(t, nil)
	b.unpack.step = func() error { <-gate; return nil }
	opened := false
	goOn = func() {
		if !opened {
			opened = true
			close(gate)
		}
	}
	t.Cleanup(goOn) // before the store is closed
	return b, goOn
}

// loads stores images and does not wait for their layers.
func (b *bench) loads(t *testing.T, images ...saved) {
	t.Helper()
	if _, err := b.Import(t.Context(), strings.NewReader(string(dockerSave(t, "", images...))), -1, nil); err != nil {
		t.Fatal(err)
	}
}

// unpacked lists the layers that are unpacked.
func (b *bench) unpacked(t *testing.T) (list []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(b.dir, "layers", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if filepath.Ext(name) == "" {
			list = append(list, name)
		}
	}
	return list
}

func TestAnImageIsThereBeforeItsLayersAreUnpacked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, goOn := halted(t)
		img := saved{stack: changed, refs: []string{"a:1"}}
		b.loads(t, img)
		if got := b.unpacked(t); len(got) != 0 {
			t.Errorf("already there: %v", got)
		}
		if _, err := b.Report(t.Context(), "a:1"); err != nil {
			t.Error(err)
		}
		var done atomic.Bool
		go func() {
			if err := b.Unpack(t.Context(), img.id(t)); err != nil {
				t.Error(err)
			}
			done.Store(true)
		}()
		gone, cancel := context.WithCancel(t.Context())
		go func() {
			if err := b.Unpack(gone, img.id(t)); !errors.Is(err, imagecore.ErrCanceled) {
				t.Errorf("who went away was told %v", err)
			}
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if done.Load() {
			t.Error("nobody waited for the layers")
		}
		goOn()
		synctest.Wait()
		if got := b.unpacked(t); !done.Load() || len(got) != 2 || len(b.unpack.made) != 2 {
			t.Errorf("done %v, there %v, made %v", done.Load(), got, b.unpack.made)
		}
		b.Close()
		check(t, b.dir)
	})
}

func TestImagesThatShareLayersHaveThemUnpackedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, goOn := halted(t)
		one, two := saved{stack: changed, refs: []string{"a:1"}}, saved{stack: other, env: "x", refs: []string{"b:1"}}
		b.loads(t, one)
		b.loads(t, two)
		for _, img := range []saved{one, two} {
			go func() {
				if err := b.Unpack(t.Context(), img.id(t)); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		goOn()
		synctest.Wait()
		if len(b.unpack.made) != 3 {
			t.Errorf("made %v", b.unpack.made)
		}
	})
}

// TestRemovingEndsTheUnpacking removes an image whose layers are half unpacked:
// what another image shares with it can still be made.
func TestRemovingEndsTheUnpacking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, goOn := halted(t)
		clean := files(t, b.dir)
		b.loads(t, saved{stack: changed, refs: []string{"a:1"}})
		b.loads(t, saved{stack: other, refs: []string{"b:1"}})
		removed := make(chan error, 1)
		go func() { removed <- b.Remove(t.Context(), "a:1") }()
		synctest.Wait()
		select {
		case err := <-removed:
			t.Fatalf("removed while its layers are being written: %v", err)
		default:
		}
		goOn()
		if err := <-removed; err != nil {
			t.Fatal(err)
		}
		b.folders.Wait()
		b.sweeper.Wait()
		if got := b.unpacked(t); len(got) != 2 {
			t.Errorf("of the other image there is %v", got)
		}
		if err := b.Remove(t.Context(), "b:1"); err != nil {
			t.Fatal(err)
		}
		b.sweeper.Wait()
		if diff := cmp.Diff(clean, files(t, b.dir)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNobodyRemovesWhatAStartWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, goOn := halted(t)
		img := saved{stack: base, refs: []string{"a:1"}}
		b.loads(t, img)
		go func() {
			if err := b.Unpack(t.Context(), img.id(t)); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if err := b.Remove(t.Context(), "a:1"); kindOf(err) != "image-busy" {
			t.Error(err)
		}
		goOn()
		synctest.Wait()
		if err := b.Remove(t.Context(), "a:1"); err != nil {
			t.Error(err)
		}
	})
}

// TestAFullDiskBehindIsToldToWhoeverAsks has space again in the end.
func TestAFullDiskBehindIsToldToWhoeverAsks(t *testing.T) {
	b := setUp(t, nil)
	full := true
	b.unpack.step = func() error {
		if full {
			return &os.PathError{Op: "write", Path: "x", Err: unix.ENOSPC}
		}
		return nil
	}
	img := saved{stack: changed, refs: []string{"a:1"}}
	b.load(t, dockerSave(t, "", img))
	if said := b.log.String(); !strings.Contains(said, "not unpacked") || !strings.Contains(said, string(img.id(t))) {
		t.Errorf("the log says %q", said)
	}
	if err := b.Unpack(t.Context(), img.id(t)); kindOf(err) != "disk-full" {
		t.Error(err)
	}
	full = false
	if err := b.Unpack(t.Context(), img.id(t)); err != nil {
		t.Error(err)
	}
	b.Close()
	check(t, b.dir)
}

// TestALostFolderIsMadeAgain takes away what can be derived.
func TestALostFolderIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	b := openBench(t, dir, nil)
	id := digest.Digest(b.load(t, dockerSave(t, "", saved{stack: changed, refs: []string{"a:1"}}))[0])
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for i, name := range b.unpacked(t) {
		if i > 0 {
			continue
		}
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "layers", ".unpack-half"), 0o700); err != nil {
		t.Fatal(err)
	}
	b = openBench(t, dir, nil)
	if said := b.log.String(); strings.Contains(said, "lacks") || !strings.Contains(said, "layers/.unpack-half") {
		t.Errorf("the log says %q", said)
	}
	if err := b.Unpack(t.Context(), id); err != nil || len(b.unpack.made) != 1 {
		t.Errorf("made %v: %v", b.unpack.made, err)
	}
	b.Close()
	check(t, dir)
}

// TestWhatNobodyWaitsForGivesWay lets an archive come in slowly behind another.
func TestWhatNobodyWaitsForGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, func(o *Options) { o.Calm = time.Second })
		one, two := saved{stack: changed, refs: []string{"a:1"}}, saved{stack: other, refs: []string{"b:1"}}
		b.loads(t, one)
		archive := dockerSave(t, "", two)
		r, w := io.Pipe()
		loaded := make(chan error)
		go func() {
			_, err := b.Import(t.Context(), r, -1, nil)
			loaded <- err
		}()
		time.Sleep(10 * time.Second)
		if got := b.unpacked(t); len(got) != 0 {
			t.Errorf("unpacked while an archive comes: %v", got)
		}
		if err := b.Unpack(t.Context(), one.id(t)); err != nil || len(b.unpacked(t)) != 2 {
			t.Errorf("whoever asks has %v: %v", b.unpacked(t), err)
		}
		if _, err := w.Write(archive); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if err := <-loaded; err != nil {
			t.Fatal(err)
		}
		b.folders.Wait()
		if got := b.unpacked(t); len(got) != 3 {
			t.Errorf("in the end there is %v", got)
		}
	})
}
