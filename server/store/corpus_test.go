//go:build linux

package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// corpus is the folder of real images, or the test is skipped.
func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("LAYERLAB_CORPUS")
	if dir == "" {
		dir = filepath.FromSlash("../../../shared/images")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus: set LAYERLAB_CORPUS (%v)", err)
	}
	return dir
}

func realUnpack(ctx context.Context, dir string, t *tree.Tree, layer int, content func(int) (io.ReaderAt, error)) error {
	return snapshot.Unpack(ctx, dir, t, layer, content, snapshot.UnpackOptions{})
}

// TestCorpusIsStoredOrRefused loads every archive of the corpus. What is stored
// has all its bytes, verified, can be saved and loaded again under the same id,
// and is gone without a trace once removed; what is refused says why and leaves
// nothing.
func TestCorpusIsStoredOrRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: layers are unpacked with devices and trusted attributes")
	}
	dir := corpus(t)
	stored, refused := 0, map[string]int{}
	b := openBench(t, inMemory(t), func(o *Options) { o.Unpack = realUnpack })
	defer b.Close()
	clean := files(t, b.dir)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isArchive(name) {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		t.Run(rel, func(t *testing.T) {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			list, err := b.Import(t.Context(), f, -1, nil)
			if err != nil {
				var e *imagecore.Error
				if !errors.As(err, &e) || e.Code == "" || e.Message == "" {
					t.Errorf("refused without kind and code: %v", err)
				} else {
					refused[e.Code]++
				}
			} else {
				stored++
			}
			for _, img := range list {
				verify(t, b, digest.Digest(img.ID))
			}
			for _, img := range list {
				if err := b.Remove(t.Context(), img.ID); err != nil {
					t.Error(err)
				}
			}
			b.sweeper.Wait()
			if diff := cmp.Diff(clean, files(t, b.dir)); diff != "" {
				t.Errorf("left over: %s", diff)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if stored == 0 {
		t.Error("nothing was stored")
	}
	t.Logf("%d archives stored, refused: %v", stored, refused)
}

// filesWithin counts as Docker's overlay2 driver does: what files and symbolic
// links beneath a folder take in bytes, each inode once.
func filesWithin(dir string) (n int64, err error) {
	seen := map[uint64]bool{}
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if ino := info.Sys().(*syscall.Stat_t).Ino; !seen[ino] {
			seen[ino] = true
			n += info.Size()
		}
		return nil
	})
	return n, err
}

// inMemory is a folder on a tmpfs where there is one: waiting for the disk,
// hundreds of times, would prove nothing here.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "layerlab-store-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func isArchive(name string) bool {
	for _, part := range []string{".tar", ".tgz", ".gz", ".xz", ".zst", ".bz2"} {
		if strings.HasSuffix(name, part) {
			return true
		}
	}
	return false
}

// verify reads everything of an image back.
func verify(t *testing.T, b *bench, id digest.Digest) {
	t.Helper()
	img, release, err := b.Hold(t.Context(), id.String())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if digest.FromBytes(img.Config) != id {
		t.Errorf("config of %s", id)
	}
	if err := b.Unpack(t.Context(), id); err != nil {
		t.Errorf("what was stored can't be unpacked: %v", err)
	}
	for i, l := range img.Layers {
		if n, err := filesWithin(l.Dir); err != nil || n != l.Content {
			t.Errorf("layer %d: files of %d bytes on disk, %d told (%v)", i, n, l.Content, err)
		}
		at, err := b.LayerAt(t.Context(), id, i)
		if err != nil {
			t.Fatal(err)
		}
		got, err := digest.FromReader(io.NewSectionReader(at, 0, at.Size()))
		if err != nil || got != l.DiffID || at.Size() != l.TarSize {
			t.Errorf("layer %d: %s %v, want %s", i, got, err, l.DiffID)
		}
		at.Close()
	}
	merged, err := b.Tree(t.Context(), id)
	if err != nil || merged.Layers() != len(img.Layers) {
		t.Errorf("tree: %v", err)
	}
	var out bytes.Buffer
	if err := b.Save(t.Context(), id.String(), func(string) io.Writer { return &out }); err != nil {
		t.Errorf("save: %v", err)
		return
	}
	again := openBench(t, inMemory(t), func(o *Options) { o.Unpack = realUnpack })
	defer again.Close()
	if ids := again.load(t, out.Bytes()); len(ids) != 1 || ids[0] != id.String() {
		t.Errorf("saved and loaded again: %v, want %s", ids, id)
	}
	var total int64
	for n := range merged.Walk(merged.Layers()) {
		total += n.Size()
	}
	if total > 1<<30 {
		return // a sparse file: its zeros would take minutes
	}
	if err := b.Flatten(t.Context(), id.String(), func(string) io.Writer { return io.Discard }); err != nil {
		t.Errorf("flatten: %v", err)
	}
}

// TestOtherToolsReadTheLayout asks skopeo, which knows nothing of meta.db.
func TestOtherToolsReadTheLayout(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("skopeo is not installed")
	}
	b := setUp(t, nil)
	b.load(t, dockerSave(t, "", saved{stack: changed, refs: []string{"a:1"}}))
	out, err := exec.CommandContext(t.Context(), skopeo, "copy", "oci:"+b.dir+":a:1", "dir:"+t.TempDir()).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
