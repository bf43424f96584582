//go:build linux

package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/survey"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/sandbox"
)

// built is the folder of child and imagecore.wasm, and of compiled modules.
var built string

func TestMain(m *testing.M) {
	if os.Getenv("LAYERLAB_TEST_LOCKED") != "" { // TestLockedProcessReachesNothing's child needs nothing built, and could not remove it
		os.Exit(m.Run())
	}
	os.Exit(run(m))
}

// run builds what the tests need once, then runs them; with the Makefile's flags,
// so that what it compiled serves here.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "layerlab-sandbox-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	for _, b := range []struct {
		out, pkg string
		args     []string
		env      []string
	}{
		{"child", "./testdata/child", nil, []string{"CGO_ENABLED=0"}},
		{"imagecore.wasm", "../cmd/imagecore-wasm", []string{"-buildmode=c-shared"}, []string{"GOOS=wasip1", "GOARCH=wasm"}},
	} {
		args := append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, b.out)}, b.args...)
		cmd := exec.Command("go", append(args, b.pkg)...)
		cmd.Env = append(os.Environ(), b.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", b.pkg, err, out)
			return 1
		}
	}
	return m.Run()
}

// options runs the module in a file of that name.
func options(module string) sandbox.Options {
	return sandbox.Options{
		Command: func() *exec.Cmd { return exec.Command(filepath.Join(built, "child"), module) },
		Cache:   filepath.Join(built, "cache"),
	}
}

// imagecoreOptions runs imagecore-wasm.
func imagecoreOptions() sandbox.Options { return options(filepath.Join(built, "imagecore.wasm")) }

// results are what a survey gave.
type results struct {
	report  []byte
	indexes [][]byte
}

func (r *results) Report(b []byte) error {
	r.report = bytes.Clone(b)
	return nil
}

func (r *results) Index(image int, b []byte) error {
	if image != len(r.indexes) {
		return errors.New("indexes out of order")
	}
	r.indexes = append(r.indexes, bytes.Clone(b))
	return nil
}

// file puts an archive where a descriptor can be had of it.
func file(t testing.TB, b []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// compare surveys an archive natively and in the sandbox.
func compare(t *testing.T, o sandbox.Options, b []byte, lenses ...tree.Lens) {
	t.Helper()
	for _, lens := range lenses {
		o.Lens = lens
		var native, confined results
		a, nativeErr := survey.Run(bytes.NewReader(b), int64(len(b)), archive.Options{Limits: imagecore.GuestLimits()}, lens, &native)
		if nativeErr == nil {
			defer a.Close()
		}
		err := sandbox.Survey(t.Context(), file(t, b), int64(len(b)), o, &confined)
		if nativeErr != nil {
			var want, got *imagecore.Error
			if !errors.As(nativeErr, &want) || !errors.As(err, &got) {
				t.Errorf("lens %s: native %v, sandbox %v", lens, nativeErr, err)
			} else if got.Kind != want.Kind || got.Code != want.Code || got.Error() != want.Error() {
				t.Errorf("lens %s: native %v (%s), sandbox %v (%s)", lens, want, want.Code, got, got.Code)
			}
			continue
		}
		if err != nil {
			t.Errorf("lens %s: %v", lens, err)
			continue
		}
		if !bytes.Equal(native.report, confined.report) {
			t.Errorf("lens %s: another report:\n%s\nnatively:\n%s", lens, confined.report, native.report)
		}
		if len(native.indexes) != len(confined.indexes) {
			t.Fatalf("lens %s: %d indexes, natively %d", lens, len(confined.indexes), len(native.indexes))
		}
		for i := range native.indexes {
			if !bytes.Equal(native.indexes[i], confined.indexes[i]) {
				t.Errorf("lens %s: another index of image %d", lens, i)
			}
		}
	}
}

func TestGeneratedImagesGiveTheSameBytes(t *testing.T) {
	o := imagecoreOptions()
	for seed := range uint64(4) {
		stack := imagetest.Random(seed)
		for _, format := range []imagetest.Format{imagetest.DockerSave, imagetest.DockerHybrid, imagetest.OCI} {
			a := imagetest.One(format, stack)
			a.GzipLayers = seed%2 == 1
			compare(t, o, a.Bytes(), tree.Spec)
		}
	}
	for _, h := range imagetest.HostileArchives() {
		t.Run(h.Name, func(t *testing.T) { compare(t, o, h.Bytes, tree.Spec) })
	}
}

func TestCorpusGivesTheSameBytes(t *testing.T) {
	dir := os.Getenv("LAYERLAB_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "images")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus of real archives: set LAYERLAB_CORPUS (%v)", err)
	}
	o := imagecoreOptions()
	tested, all := 0, os.Getenv("LAYERLAB_CORPUS_ALL") != ""
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".tar") {
			return err
		}
		// Compressed ones take wazero seconds each; the small ones say as much.
		if info, err := d.Info(); err != nil || info.Size() > 3<<20 && !all {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		tested++
		name, _ := filepath.Rel(dir, path)
		lenses := []tree.Lens{tree.Spec}
		if strings.HasPrefix(name, "engines") {
			lenses = append(lenses, tree.DockerOverlay2)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compare(t, o, b, lenses...)
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d archives of the corpus", tested)
}

func TestProgressAndCancel(t *testing.T) {
	o := imagecoreOptions()
	var big bytes.Buffer
	if _, err := (imagetest.Big{Files: 20000, FileSize: 10, Layers: 2}).WriteTo(&big); err != nil {
		t.Fatal(err)
	}
	var last int64
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(done, total int64) {
		if done < last || done > total {
			t.Errorf("progress went from %d to %d of %d", last, done, total)
		}
		last = done
		cancel()
	}
	err := sandbox.Survey(ctx, file(t, big.Bytes()), int64(big.Len()), o, &results{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

// looping is a module whose run never returns and never asks its host:
//
//	(func (export "run") (param i32 i32) (result i32) (loop (br 0)) (i32.const 0))
func looping() []byte {
	return []byte("\x00asm\x01\x00\x00\x00" +
		"\x01\x0f\x03\x60\x00\x00\x60\x01\x7f\x01\x7f\x60\x02\x7f\x7f\x01\x7f" +
		"\x03\x04\x03\x00\x01\x02" +
		"\x05\x03\x01\x00\x01" +
		"\x07\x26\x04\x06memory\x02\x00\x0b_initialize\x00\x00\x05alloc\x00\x01\x03run\x00\x02" +
		"\x0a\x13\x03\x02\x00\x0b\x04\x00\x41\x00\x0b\x09\x00\x03\x40\x0c\x00\x0b\x41\x00\x0b")
}

func TestWhoOverstaysIsKilled(t *testing.T) {
	o := options(file(t, looping()).Name())
	o.Time = time.Second
	err := sandbox.Survey(t.Context(), file(t, nil), 0, o, &results{})
	if e, ok := errors.AsType[*imagecore.Error](err); !ok || e.Code != "sandbox-time" || e.Kind != imagecore.ErrTooLarge {
		t.Errorf("got %v, want sandbox-time", err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	o := imagecoreOptions()
	var big bytes.Buffer
	if _, err := (imagetest.Big{Files: 100_000, Layers: 1}).WriteTo(&big); err != nil {
		t.Fatal(err)
	}
	o.Memory = 16 << 20
	err := sandbox.Survey(t.Context(), file(t, big.Bytes()), int64(big.Len()), o, &results{})
	if e, ok := errors.AsType[*imagecore.Error](err); !ok || e.Code != "sandbox-memory" {
		t.Errorf("got %v, want sandbox-memory", err)
	}
	o.Memory = 0
	if err := sandbox.Survey(t.Context(), file(t, big.Bytes()), int64(big.Len()), o, &results{}); err != nil {
		t.Errorf("with the default: %v", err)
	}
}

func TestBrokenChildIsTheHostsError(t *testing.T) {
	o := options(file(t, []byte("not a module")).Name())
	err := sandbox.Survey(t.Context(), file(t, nil), 0, o, &results{})
	if !errors.Is(err, imagecore.ErrHost) || !strings.Contains(err.Error(), "compile the module") {
		t.Errorf("got %v", err)
	}
}
