//go:build linux

package receive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// lab is a folder that archives are received into.
type lab struct {
	t       *testing.T
	dir     string
	known   []Known
	blobs   map[digest.Digest][]byte
	written int64 // bytes, of files of their own
	full    bool
}

func newLab(t *testing.T) *lab {
	return &lab{t: t, dir: t.TempDir(), blobs: map[digest.Digest][]byte{}}
}

// counted counts what is written; an os.File would take copies past Write.
type counted struct {
	f *os.File
	l *lab
}

func (c counted) ReadAt(p []byte, off int64) (int, error) { return c.f.ReadAt(p, off) }
func (c counted) Sync() error                             { return c.f.Sync() }
func (c counted) Close() error                            { return c.f.Close() }

var errFull = errors.New("full") // never changed

func (c counted) Write(p []byte) (int, error) {
	if c.l.full {
		return 0, errFull
	}
	c.l.written += int64(len(p))
	return c.f.Write(p)
}

type bytesFile struct{ *bytes.Reader }

func (bytesFile) Close() error { return nil }

func (l *lab) options() Options {
	n := 0
	return Options{
		Spool: func() (Target, error) {
			f, err := os.CreateTemp(l.dir, "")
			return f, errors.Join(err, os.Remove(f.Name()))
		},
		Name: func() string { n++; return fmt.Sprint("file-", n) },
		Create: func(name string) (Target, error) {
			f, err := os.Create(filepath.Join(l.dir, name))
			return counted{f, l}, err
		},
		Open:   func(name string) (ReadFile, error) { return os.Open(filepath.Join(l.dir, name)) },
		Remove: func(name string) error { return os.Remove(filepath.Join(l.dir, name)) },
		Blob: func(d digest.Digest) (ReadFile, error) {
			if b, ok := l.blobs[d]; ok {
				return bytesFile{bytes.NewReader(b)}, nil
			}
			return nil, os.ErrNotExist
		},
		Known: l.known, Progress: func(int64) {},
	}
}

// receives takes bytes in, holds them against what is read, and hands them to use.
func (l *lab) receives(b []byte, body io.Reader, use func(a *Archive)) {
	l.t.Helper()
	a, drop, err := Receive(l.t.Context(), body, l.options())
	if err != nil {
		l.t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(a, 0, a.Size()))
	if err != nil || !bytes.Equal(got, b) || a.Size() != int64(len(b)) {
		l.t.Errorf("%d bytes became %d (%v), equal: %v", len(b), len(got), err, bytes.Equal(got, b))
	}
	for _, f := range a.files {
		part := b[f.Offset : f.Offset+f.Size]
		if f.Digest != digest.FromBytes(part) || !bytes.HasPrefix(part, f.Head) || len(f.Head) == 0 {
			l.t.Errorf("file at %d: %s, head %q", f.Offset, f.Digest, f.Head)
		}
	}
	use(a)
	if err := drop(); err != nil {
		l.t.Error(err)
	}
	if left, err := os.ReadDir(l.dir); err != nil || len(left) > 0 {
		l.t.Errorf("left: %v %v", left, err)
	}
}

func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return b
}

func archive(t *testing.T, files ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, f := range files {
		h := tar.Header{Name: fmt.Sprint(i), Typeflag: tar.TypeReg, Size: int64(len(f)), Mode: 0o644}
		if i%2 == 1 {
			h.PAXRecords = map[string]string{"comment": "has a header before the header"}
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sizes are about where steps end.
var sizes = []int{0, 1, 511, 512, 100_000, step - 1, step, step + 1, 3*step - 512, 3 * step} // never changed

func TestAnyBytesReadAsTheyCame(t *testing.T) {
	l := newLab(t)
	var files [][]byte
	for i, n := range sizes {
		files = append(files, noise(byte(i), n))
	}
	whole := archive(t, files...)
	cuts := []int{len(whole), len(whole) - 1, len(whole) - 512, len(whole) - 1024, len(whole) - 1025, 0, 1, 512, 513, len(whole) / 2}
	for range 20 {
		cuts = append(cuts, rand.IntN(len(whole)))
	}
	for _, n := range cuts {
		l.receives(whole[:n], bytes.NewReader(whole[:n]), func(a *Archive) {
			if n == len(whole) && len(a.files) != 4 {
				t.Errorf("%d files of their own", len(a.files))
			}
		})
	}
	l.receives(files[9], bytes.NewReader(files[9]), func(a *Archive) {
		if len(a.files) > 0 {
			t.Error("noise has files")
		}
	})
	// A header that lies, in an archive that reads as it came all the same.
	lies := slices.Clone(whole)
	copy(lies[124:], "77777777777\x00")
	l.receives(lies, bytes.NewReader(lies), func(*Archive) {})
}

func TestAFileThatIsHereIsNotWritten(t *testing.T) {
	l := newLab(t)
	one, two := noise(1, 5*step+77), noise(2, 2*step)
	first := archive(t, one, two, []byte("small"))
	var identity digest.Digest
	l.receives(first, bytes.NewReader(first), func(a *Archive) {
		l.known, identity = a.Known(), a.Identity()
		l.blobs[digest.FromBytes(one)], l.blobs[digest.FromBytes(two)] = one, two
	})
	again := func(what string, b []byte, written int, same bool) {
		t.Helper()
		l.written = 0
		l.receives(b, bytes.NewReader(b), func(a *Archive) {
			if l.written != int64(written) || (a.Identity() == identity) != same {
				t.Errorf("%s: %d bytes written, want %d; same: %v", what, l.written, written, a.Identity() == identity)
			}
		})
	}
	again("the same", first, 0, true)
	again("in another order", archive(t, two, one), 0, false)
	again("beside others", archive(t, one, []byte("other"), noise(3, step)), step, false)
	for _, at := range []int{0, step - 1, step, 3 * step, len(one) - 1} {
		odd := slices.Clone(one)
		odd[at] ^= 1
		again(fmt.Sprint("byte ", at), archive(t, odd, two, []byte("small")), len(one), false)
	}
	cut := first[:512+4*step]
	again("cut within a file", cut, 4*step, false)
	again("cut within a step", first[:512+4*step+5], 4*step+5, false)
	again("cut behind the files", first[:len(first)-1024], 0, false)
	again("something small differs", archive(t, one, two, []byte("SMALL")), 0, false)
	delete(l.blobs, digest.FromBytes(one))
	again("one has gone", first, len(one), true)
}

// TestWhoReadsCannotWrite asks the kernel.
func TestWhoReadsCannotWrite(t *testing.T) {
	l := newLab(t)
	b := archive(t, noise(1, step))
	l.receives(b, bytes.NewReader(b), func(a *Archive) {
		for _, run := range a.Runs() {
			f, ok := run.From.(*os.File)
			if !ok {
				t.Fatalf("a %T", run.From)
			}
			if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EBADF) {
				t.Errorf("written: %v", err)
			}
		}
	})
}

func TestAFileIsMovedOnce(t *testing.T) {
	l := newLab(t)
	b := archive(t, noise(1, step), noise(2, step))
	l.receives(b, bytes.NewReader(b), func(a *Archive) {
		part := io.NewSectionReader(io.NewSectionReader(a.Reader, 100, a.Size()-100), 412, step)
		f := a.Find(part)
		if f == nil || f != a.files[0] || a.Find(io.NewSectionReader(a.Reader, 512, step-1)) != nil || a.Find(a.Reader) != nil || a.Find(io.NewSectionReader(bytes.NewReader(b), 512, step)) != nil {
			t.Fatalf("found %+v", f)
		}
		kept := filepath.Join(t.TempDir(), "blob")
		move := func(name string) error { return os.Rename(filepath.Join(l.dir, name), kept) }
		if done, err := f.Move(func(string) error { return errFull }); done || err != errFull {
			t.Errorf("%v, %v", done, err)
		}
		for _, want := range []bool{true, false} {
			if done, err := f.Move(move); done != want || err != nil {
				t.Errorf("%v, %v", done, err)
			}
		}
		if got, err := os.ReadFile(kept); err != nil || !bytes.Equal(got, noise(1, step)) {
			t.Errorf("moved: %v", err)
		}
		if got, err := io.ReadAll(io.NewSectionReader(a, 0, a.Size())); err != nil || !bytes.Equal(got, b) {
			t.Errorf("it reads otherwise now: %v", err)
		}
	})
}

func TestWhatBreaksOffLeavesNothing(t *testing.T) {
	b := archive(t, noise(1, 20*step), noise(2, 20*step))
	for name, begin := range map[string]func(l *lab) (context.Context, io.Reader, error){
		"the body fails": func(*lab) (context.Context, io.Reader, error) {
			return t.Context(), io.MultiReader(bytes.NewReader(b[:7*step]), broken{}), io.ErrUnexpectedEOF
		},
		"the body fails between two files": func(*lab) (context.Context, io.Reader, error) {
			return t.Context(), io.MultiReader(bytes.NewReader(b[:512+20*step]), broken{}), io.ErrUnexpectedEOF
		},
		"the disk is full": func(l *lab) (context.Context, io.Reader, error) {
			l.full = true
			return t.Context(), bytes.NewReader(b), errFull
		},
		"the client goes away": func(*lab) (context.Context, io.Reader, error) {
			ctx, cancel := context.WithCancel(t.Context())
			return ctx, io.MultiReader(bytes.NewReader(b[:9*step]), canceling(cancel), bytes.NewReader(b[9*step:])), context.Canceled
		},
	} {
		l := newLab(t)
		ctx, body, want := begin(l)
		_, drop, err := Receive(ctx, body, l.options())
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err := drop(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(l.dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left: %v %v", name, left, err)
		}
	}
}

// broken fails as a connection does that broke off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// canceling ends a context when it is read.
type canceling context.CancelFunc

func (c canceling) Read([]byte) (int, error) { c(); return 0, io.EOF }
