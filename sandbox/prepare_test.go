//go:build linux

package sandbox_test

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/layerlab/layerlab/sandbox"
)

// kept lists the files of a cache.
func kept(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

func TestPrepareKeepsWhatASurveyNeeds(t *testing.T) {
	o := imagecoreOptions()
	o.Cache = filepath.Join(t.TempDir(), "cache")
	if err := sandbox.Prepare(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	prepared := kept(t, o.Cache)
	if len(prepared) != 1 {
		t.Fatalf("the cache holds %q, want the module", prepared)
	}
	var r results
	_ = sandbox.Survey(t.Context(), file(t, []byte("x")), 1, o, &r) // no archive
	if after := kept(t, o.Cache); len(after) != 1 || after[0] != prepared[0] {
		t.Errorf("a survey translated the module again: %q", after)
	}
}

func TestPrepareEndsWhenNobodyWaits(t *testing.T) {
	o := imagecoreOptions()
	o.Cache = filepath.Join(t.TempDir(), "cache")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begin := time.Now()
	if err := sandbox.Prepare(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after %s", err, time.Since(begin))
	}
	if left := kept(t, o.Cache); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}
