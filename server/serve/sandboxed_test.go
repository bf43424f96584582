//go:build linux

package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/sealed"
	"github.com/layerlab/layerlab/sandbox"
	"github.com/layerlab/layerlab/server/store"
)

// programs are what the server runs beside itself, built once.
type programs struct {
	helper *os.File
	dir    string // of the sandbox's child and its module
}

var build = sync.OnceValues(func() (*programs, error) {
	dir, err := os.MkdirTemp("", "layerlab-serve-")
	if err != nil {
		return nil, err
	}
	for _, b := range []struct {
		out, pkg string
		args     []string
		env      []string
	}{
		{"helper", "../../cmd/layerlab-helper", nil, []string{"CGO_ENABLED=0"}},
		{"child", "../../sandbox/testdata/child", nil, []string{"CGO_ENABLED=0"}},
		{"imagecore.wasm", "../../cmd/imagecore-wasm", []string{"-buildmode=c-shared"}, []string{"GOOS=wasip1", "GOARCH=wasm"}},
	} {
		args := append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, b.out)}, b.args...)
		cmd := exec.Command("go", append(args, b.pkg)...)
		cmd.Env = append(os.Environ(), b.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w: %s", b.pkg, err, out)
		}
	}
	f, err := os.Open(filepath.Join(dir, "helper"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	helper, err := sealed.Copy("layerlab-helper", f)
	return &programs{helper, dir}, err
})

// TestMain removes what was built.
func TestMain(m *testing.M) {
	code := m.Run()
	if old, err := filepath.Glob(filepath.Join(os.TempDir(), "layerlab-serve-*")); err == nil {
		for _, dir := range old {
			os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

func (p *programs) sandbox() sandbox.Options {
	return sandbox.Options{
		Command: func() *exec.Cmd {
			return exec.Command(filepath.Join(p.dir, "child"), filepath.Join(p.dir, "imagecore.wasm"))
		},
		Cache: filepath.Join(p.dir, "cache"),
	}
}

// stores are two of them: one reads and unpacks in this process, one in others.
func stores(t testing.TB) (native, confined *store.Store, dirs [2]string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: layers are unpacked with devices and trusted attributes")
	}
	p, err := build()
	if err != nil {
		t.Fatal(err)
	}
	limits := imagecore.GuestLimits()
	var list [2]*store.Store
	for i := range list {
		dirs[i] = filepath.Join(t.TempDir(), "data")
		o := store.Options{
			Dir: dirs[i], Limits: limits, Read: store.Native(limits, dirs[i]), Unpack: here, Log: slog.New(slog.DiscardHandler),
			Now: func() time.Time { return time.Unix(1e9, 0) },
		}
		if i == 1 {
			o.Read, o.Unpack = Sandboxed(p.sandbox(), dirs[i]), (&server{}).unpack(p.helper)
		}
		if list[i], err = store.Open(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { list[i].Close() })
	}
	return list[0], list[1], dirs
}

// contents describes all that a data folder holds, meta.db but for its bytes.
func contents(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, name)
		if err != nil || rel == "meta.db" || rel == "." || strings.HasPrefix(rel, "trash/") {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		line := fmt.Sprintf("%q %o %d:%d %x", rel, st.Mode, st.Uid, st.Gid, st.Rdev)
		if strings.HasPrefix(rel, "layers/") && strings.Count(rel, "/") > 1 && (st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0) {
			line += fmt.Sprintf(" %d.%d", st.Mtim.Sec, st.Mtim.Nsec)
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			sum, err := sparseSum(name, st.Size)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %s", st.Size, sum)
		case unix.S_IFLNK:
			to, err := os.Readlink(name)
			if err != nil {
				return err
			}
			line += " -> " + to
		}
		buf := make([]byte, 64<<10)
		n, _ := unix.Llistxattr(name, buf)
		names := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
		slices.Sort(names)
		for _, x := range names {
			if x != "" {
				n, err := unix.Lgetxattr(name, x, buf)
				if err != nil {
					return err
				}
				line += fmt.Sprintf(" %s=%x", x, buf[:n])
			}
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sparseSum is a digest of all blocks that are not zero, with their places: an
// archive of the corpus holds a file of 12 GB that is a hole but for its end.
func sparseSum(name string, size int64) (digest.Digest, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := digest.SHA256.Digester()
	buf, zero := make([]byte, 4096), make([]byte, 4096)
	for at := int64(0); at < size; {
		if at, err = unix.Seek(int(f.Fd()), at, unix.SEEK_DATA); err == unix.ENXIO {
			break
		} else if err != nil {
			return "", err
		}
		at -= at % int64(len(buf))
		n, err := f.ReadAt(buf, at)
		if err != nil && err != io.EOF {
			return "", err
		}
		if !bytes.Equal(buf[:n], zero[:n]) {
			fmt.Fprint(sum.Hash(), at, " ")
			sum.Hash().Write(buf[:n])
		}
		at += int64(n)
	}
	return sum.Digest(), nil
}

// TestUploadsAreStoredAlikeBothWays uploads hostile archives and the corpus to
// both stores: the same images, the same bytes on the disk, the same errors.
func TestUploadsAreStoredAlikeBothWays(t *testing.T) {
	native, confined, dirs := stores(t)
	stored, refused := 0, 0
	both := func(t *testing.T, b []byte) {
		here, errHere := native.Import(t.Context(), bytes.NewReader(b), int64(len(b)), nil)
		there, errThere := confined.Import(t.Context(), bytes.NewReader(b), int64(len(b)), nil)
		if errHere != nil || errThere != nil {
			refused++
			var want, got *imagecore.Error
			if !errors.As(errHere, &want) || !errors.As(errThere, &got) || want.Code != got.Code || errHere.Error() != errThere.Error() {
				t.Errorf("native: %v\nsandbox: %v", errHere, errThere)
			}
			return
		}
		stored++
		if diff := cmp.Diff(here, there); diff != "" {
			t.Errorf("another answer: %s", diff)
		}
		for _, img := range here {
			for _, s := range []*store.Store{native, confined} {
				if err := s.Unpack(t.Context(), digest.Digest(img.ID)); err != nil {
					t.Errorf("what was stored can't be unpacked: %v", err)
				}
			}
		}
		if diff := cmp.Diff(contents(t, dirs[0]), contents(t, dirs[1])); diff != "" {
			t.Errorf("other bytes: %s", diff)
		}
		for _, img := range here {
			for name, get := range map[string]func(s *store.Store) ([]byte, error){
				"report": func(s *store.Store) ([]byte, error) { return s.Report(t.Context(), img.ID) },
				"index":  func(s *store.Store) ([]byte, error) { return s.Index(t.Context(), img.ID, tree.Spec) },
			} {
				want, err := get(native)
				got, errGot := get(confined)
				if err != nil || errGot != nil || !bytes.Equal(want, got) {
					t.Errorf("another %s: %v %v\n%.2000s\nnatively\n%.2000s", name, err, errGot, got, want)
				}
			}
			for _, s := range []*store.Store{native, confined} {
				if err := s.Remove(t.Context(), img.ID); err != nil {
					t.Error(err)
				}
			}
		}
	}
	for _, h := range imagetest.HostileArchives() {
		t.Run(h.Name, func(t *testing.T) { both(t, h.Bytes) })
	}
	dir := os.Getenv("LAYERLAB_CORPUS")
	if dir == "" {
		dir = filepath.FromSlash("../../../shared/images")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus: set LAYERLAB_CORPUS (%v)", err)
	}
	all := os.Getenv("LAYERLAB_CORPUS_ALL") != ""
	files, tested := 0, 0
	if err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(name, ".tar") {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if files++; !all && (files%16 != 0 || info.Size() > 1<<20) {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		tested++
		t.Run(rel, func(t *testing.T) { both(t, b) })
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d archives of the corpus and the hostile ones: %d stored, %d refused, alike both ways (every 16th up to 1 MiB; all with LAYERLAB_CORPUS_ALL=1)", tested, stored, refused)
}

// BenchmarkImport shows what the walls cost: an upload in all.
func BenchmarkImport(b *testing.B) {
	native, confined, _ := stores(b)
	for _, c := range []struct {
		name string
		imagetest.Big
	}{
		{"100k_files_1GB", imagetest.Big{Files: 100_000, FileSize: 10_000, Layers: 5, Whiteouts: 50}},
		{"30k_files_80MB", imagetest.Big{Files: 30_000, FileSize: 2500, Layers: 3, Whiteouts: 50}},
		{"500_files_250MB", imagetest.Big{Files: 500, FileSize: 500_000, Layers: 1}},
	} {
		var archive bytes.Buffer
		if _, err := c.WriteTo(&archive); err != nil {
			b.Fatal(err)
		}
		for name, s := range map[string]*store.Store{"native": native, "sandbox": confined} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(archive.Len()))
				for b.Loop() {
					list, err := s.Import(b.Context(), bytes.NewReader(archive.Bytes()), int64(archive.Len()), nil)
					if err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					if err := s.Remove(b.Context(), list[0].ID); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			})
		}
	}
}

// TestWhatIsReadWaitsUntilItIsPrepared holds the preparation back until an
// upload waits for it.
func TestWhatIsReadWaitsUntilItIsPrepared(t *testing.T) {
	asked, reading := make(chan struct{}), make(chan struct{})
	s := &server{log: slog.New(slog.DiscardHandler), o: Options{Prepare: func(ctx context.Context) error {
		close(asked)
		<-ctx.Done() // ends with the server
		return ctx.Err()
	}}}
	read := s.prepared(t.Context(), func(context.Context, io.ReaderAt, int64, func(done, total int64)) (store.Archive, error) {
		close(reading)
		return nil, nil
	})
	<-asked
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := read(gone, nil, 0, nil); !errors.Is(err, imagecore.ErrCanceled) {
		t.Errorf("who leaves before is told %v", err)
	}
	select {
	case <-reading:
		t.Error("read before it was prepared")
	default:
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t.Context(), nil, 0, nil); err != nil {
		t.Error(err)
	}
	<-reading
}
