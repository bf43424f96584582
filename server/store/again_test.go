//go:build linux

package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestWhatComesAgainIsNotRead loads one archive several times, and others that
// begin like it.
func TestWhatComesAgainIsNotRead(t *testing.T) {
	large := saved{stack: "-- layer --\nf a \"" + strings.Repeat("a", 100_000) + "\"\n-- layer --\nf b \"" + strings.Repeat("b", 300_000) + "\"\n", refs: []string{"large:1", "large:2"}}
	archive := dockerSave(t, "", large, saved{stack: other, refs: []string{"small:1"}})
	reads := 0
	b := setUp(t, func(o *Options) {
		read := o.Read
		o.Read = func(ctx context.Context, f io.ReaderAt, size int64, progress func(done, total int64)) (Archive, error) {
			reads++
			return read(ctx, f, size, progress)
		}
	})
	load := func(archive []byte, platforms ...string) (list []string, err error) {
		// In pieces, so that hashing overtakes what is received.
		loaded, err := b.Load(t.Context(), pieces{bytes.NewReader(archive)}, -1, platforms, nil)
		for _, l := range loaded {
			list = append(list, fmt.Sprint(l.Image.ID, l.Names))
		}
		return list, err
	}
	first, err := load(archive)
	if err != nil || reads != 1 || len(first) != 2 {
		t.Fatalf("%d reads, %q, %v", reads, first, err)
	}
	same := func(what string, want int) {
		t.Helper()
		reads = 0
		if again, err := load(archive); err != nil || reads != want || !reflect.DeepEqual(again, first) {
			t.Errorf("%s: %d reads, want %d: %q, %v", what, reads, want, again, err)
		}
	}
	same("again", 0)

	// Names come back, those that went elsewhere too.
	if _, err := b.Untag(t.Context(), "large:2"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Tag(t.Context(), "small:1", "large:1"); err != nil {
		t.Fatal(err)
	}
	same("without its names", 0)
	for _, name := range []string{"large:1", "large:2"} {
		if img, err := b.Get(t.Context(), name); err != nil || img.ID != large.id(t).String() {
			t.Errorf("%s: %v, %v", name, img.ID, err)
		}
	}

	// One byte differs: within a layer, between two, behind all; or it is cut.
	for _, at := range []int{bytes.Index(archive, []byte("bbbb")) + 200_000, bytes.Index(archive, []byte(`"RepoTags"`)) + 1, len(archive) - 1} {
		reads = 0
		odd := slices.Clone(archive)
		odd[at] ^= 1
		if _, err := load(odd); reads != 1 {
			t.Errorf("byte %d differs: %d reads, %v", at, reads, err)
		}
	}
	for _, odd := range [][]byte{archive[:len(archive)-512], append(slices.Clone(archive), make([]byte, 512)...)} {
		reads = 0
		if _, err := load(odd); reads != 1 {
			t.Errorf("%d of %d bytes: %d reads, %v", len(odd), len(archive), reads, err)
		}
	}
	same("after others that begin like it", 0)
	reads = 0
	if _, err := load(archive, "linux/s390x"); reads != 1 || err == nil {
		t.Errorf("for another platform: %d reads, %v", reads, err)
	}

	if err := b.Remove(t.Context(), "small:1"); err != nil {
		t.Fatal(err)
	}
	same("without one of its images", 1)
	same("with it", 0)
}

// pieces reads a little at a time.
type pieces struct{ r io.Reader }

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), 10_000)]) }
