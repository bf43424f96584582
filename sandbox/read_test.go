//go:build linux

package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/splice"
	"github.com/layerlab/layerlab/imagecore/survey"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/sandbox"
)

// spool makes an empty file without a name.
func spool(t testing.TB) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "spool")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// whole is an archive that is all of a file.
func whole(f *os.File, size int64) *splice.Reader {
	return splice.New([]splice.Run{{From: f, Size: size}})
}

// torn is an archive that lies in two files, in no order.
func torn(t *testing.T, b []byte) *splice.Reader {
	t.Helper()
	third := int64(len(b) / 3)
	one, two := file(t, append(slices.Clone(b[2*third:]), b[:third]...)), file(t, append([]byte("before"), b[third:2*third]...))
	tail := int64(len(b)) - 2*third
	return splice.New([]splice.Run{{From: one, At: tail, Size: third}, {From: two, At: 6, Size: third}, {From: one, At: 0, Size: tail}})
}

// compareReading reads an archive natively and in the sandbox, to store it.
func compareReading(t *testing.T, o sandbox.Options, b []byte) {
	t.Helper()
	var native results
	a, nativeErr := survey.Run(bytes.NewReader(b), int64(len(b)), archive.Options{Limits: imagecore.GuestLimits()}, tree.Spec, &native)
	r, err := sandbox.Read(t.Context(), torn(t, b), spool(t), o)
	if nativeErr != nil {
		want, _ := errors.AsType[*imagecore.Error](nativeErr)
		got, ok := errors.AsType[*imagecore.Error](err)
		if !ok || got.Kind != want.Kind || got.Code != want.Code || got.Error() != want.Error() {
			t.Errorf("native %v, sandbox %v", nativeErr, err)
		}
		return
	}
	defer a.Close()
	if err != nil {
		t.Fatal(err)
	}
	for i, img := range a.Report().Images {
		got := r.Report().Images[i]
		if got.Config != img.Config || got.Manifest != img.Manifest || !reflect.DeepEqual(got.V1, img.V1) {
			t.Errorf("image %d: other documents", i)
		}
		if index, err := r.Index(i); err != nil || !bytes.Equal(index, native.indexes[i]) {
			t.Errorf("image %d: another index: %v", i, err)
		}
		for l := range img.Layers {
			if want := img.Layers[l].Entries; len(want) > 0 && !reflect.DeepEqual(got.Layers[l].Entries, want) {
				t.Errorf("image %d layer %d: other entries", i, l)
			}
			if !img.Layers[l].Present {
				if _, err := r.OpenBlob(i, l); !errors.Is(err, imagecore.ErrNotFound) {
					t.Errorf("image %d layer %d is absent: %v", i, l, err)
				}
				continue
			}
			compareBytes(t, a, r, i, l)
		}
	}
}

func compareBytes(t *testing.T, a *archive.Archive, r *sandbox.Reading, image, layer int) {
	t.Helper()
	read := func(f io.ReadCloser, err error) []byte {
		if err != nil {
			t.Fatalf("image %d layer %d: %v", image, layer, err)
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatalf("image %d layer %d: %v", image, layer, err)
		}
		return b
	}
	if !bytes.Equal(read(a.OpenBlob(image, layer)), read(r.OpenBlob(image, layer))) {
		t.Errorf("image %d layer %d: another blob", image, layer)
	}
	at, size, err := r.LayerAt(image, layer)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(a.OpenLayer(image, layer)), read(io.NopCloser(io.NewSectionReader(at, 0, size)), nil)) {
		t.Errorf("image %d layer %d: another tar", image, layer)
	}
}

func TestReadingGivesTheSameAsNatively(t *testing.T) {
	o := imagecoreOptions()
	for _, h := range imagetest.HostileArchives() {
		t.Run(h.Name, func(t *testing.T) { compareReading(t, o, h.Bytes) })
	}
	dir := os.Getenv("LAYERLAB_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "images")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus of real archives: set LAYERLAB_CORPUS (%v)", err)
	}
	tested := 0
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".tar") {
			return err
		}
		// A few: server/serve compares what is stored of all of them.
		if info, err := d.Info(); err != nil || info.Size() > 16<<10 {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		tested++
		name, _ := filepath.Rel(dir, path)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compareReading(t, o, b)
		})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d archives of the corpus", tested)
}

// TestReadingThatIsKilledFailsWhole ends the child in the middle, and lets one
// overstay.
func TestReadingThatIsKilledFailsWhole(t *testing.T) {
	var big bytes.Buffer
	if _, err := (imagetest.Big{Files: 20000, FileSize: 10, Layers: 2}).WriteTo(&big); err != nil {
		t.Fatal(err)
	}
	o := imagecoreOptions()
	command := o.Command
	var killed atomic.Bool
	cmd := command()
	o.Command = func() *exec.Cmd { return cmd }
	o.Progress = func(int64, int64) {
		if killed.CompareAndSwap(false, true) {
			_ = cmd.Process.Kill()
		}
	}
	_, err := sandbox.Read(t.Context(), whole(file(t, big.Bytes()), int64(big.Len())), spool(t), o)
	if !errors.Is(err, imagecore.ErrHost) {
		t.Errorf("killed: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o = imagecoreOptions()
	o.Progress = func(int64, int64) { cancel() }
	if _, err := sandbox.Read(ctx, whole(file(t, big.Bytes()), int64(big.Len())), spool(t), o); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	o = options(file(t, looping()).Name())
	o.Time = time.Second
	_, err = sandbox.Read(t.Context(), whole(file(t, nil), 0), spool(t), o)
	if e, ok := errors.AsType[*imagecore.Error](err); !ok || e.Code != "sandbox-time" {
		t.Errorf("overstayed: %v", err)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name string
		imagetest.Big
	}{{"100k_files_50MB", imagetest.Big{Files: 100_000, FileSize: 100, Layers: 2}}, {"1000_files_500MB", imagetest.Big{Files: 1000, FileSize: 500_000, Layers: 1}}} {
		f, err := os.CreateTemp(b.TempDir(), "big")
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		size, err := c.WriteTo(f)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name+"/sandbox", func(b *testing.B) {
			for b.Loop() {
				if _, err := sandbox.Read(b.Context(), whole(f, size), spool(b), imagecoreOptions()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/native", func(b *testing.B) {
			for b.Loop() {
				a, err := survey.Run(f, size, archive.Options{}, tree.Spec, &results{})
				if err != nil {
					b.Fatal(err)
				}
				a.Close()
			}
		})
	}
}
