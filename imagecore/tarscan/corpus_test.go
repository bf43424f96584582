package tarscan

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/imagecore/imagetest/real"
)

// corpus returns the folder of real archives, or skips.
func corpus(t testing.TB) string {
	dir, err := real.Dir()
	if err != nil {
		t.Skip(err)
	}
	return dir
}

// tars yields every tar of the corpus: the files themselves, unpacked, and
// what lies in them, layers and damaged inputs of other fuzzers among it.
func tars(t testing.TB, dir string, yield func(name string, b []byte)) {
	l := imagecore.DefaultLimits()
	l.Layer = 64 << 20
	var walk func(name string, b []byte, depth int)
	walk = func(name string, b []byte, depth int) {
		if r, kind, err := codec.NewReader(bytes.NewReader(b), l); err == nil && kind != codec.None {
			if b, err = io.ReadAll(r); err != nil && len(b) == 0 {
				return
			}
			r.Close()
		}
		yield(name, b)
		if depth == 0 {
			return
		}
		for r := tar.NewReader(bytes.NewReader(b)); ; {
			h, err := r.Next()
			if err != nil {
				return
			}
			if h.Typeflag == tar.TypeReg && (depth > 1 || strings.HasSuffix(h.Name, ".tar")) {
				if inner, err := io.ReadAll(r); err == nil {
					walk(name+" / "+h.Name, inner, depth-1)
				}
			}
		}
	}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		depth := 1
		if strings.Contains(rel, "fuzz-corpus") || strings.HasPrefix(rel, "oci") || strings.HasPrefix(rel, "docker-save") {
			depth = 2
		}
		walk(rel, b, depth)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCorpusAgreesWithArchiveTar holds the scanner against archive/tar on
// every tar of the corpus.
func TestCorpusAgreesWithArchiveTar(t *testing.T) {
	n, entries, refused := 0, 0, 0
	tars(t, corpus(t), func(name string, b []byte) {
		t.Run(strings.ReplaceAll(name, "/", "|"), func(t *testing.T) {
			e, r := compare(t, b)
			n, entries = n+1, entries+e
			if r {
				refused++
			}
		})
	})
	t.Logf("%d tars (and files that are none) with %d entries, %d refused by both", n, entries, refused)
	if n < 300 || entries < 10_000 {
		t.Errorf("the corpus has only %d tars with %d entries", n, entries)
	}
}

// bigTar writes a tar of n files of the given size whose contents are holes of
// the file that it returns.
func bigTar(b *testing.B, n int, size int64) (*os.File, int64) {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "big.tar"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	var off int64
	for i := range n {
		var h bytes.Buffer
		w := tar.NewWriter(&h)
		err := w.WriteHeader(&tar.Header{
			Name: fmt.Sprintf("usr/share/doc/package-%04d/file-%06d.txt", i/100, i), Typeflag: tar.TypeReg, Mode: 0o644, Size: size,
			Format: tar.FormatUSTAR,
		})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.WriteAt(h.Bytes(), off); err != nil {
			b.Fatal(err)
		}
		off += blockSize + size + padding(size)
	}
	if err := f.Truncate(off + 2*blockSize); err != nil {
		b.Fatal(err)
	}
	return f, off + 2*blockSize
}

func BenchmarkScan(b *testing.B) {
	for _, c := range []struct {
		name string
		n    int
		size int64
	}{{"100k_files_10kB", 100_000, 10_240}, {"100k_files_empty", 100_000, 0}, {"100k_files_1kB", 100_000, 1024}, {"500_files_2MB", 500, 2 << 20}} {
		f, size := bigTar(b, c.n, c.size)
		b.Run(c.name+"/tarscan", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s := NewReaderAt(f, size, Options{Limits: imagecore.DefaultLimits(), Whiteouts: true})
				n := 0
				for {
					var e imagecore.Entry
					if err := s.Next(&e); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != c.n {
					b.Fatal(n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.n), "ns/entry")
		})
		b.Run(c.name+"/archive-tar", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Seek(0, io.SeekStart); err != nil {
					b.Fatal(err)
				}
				r, n := tar.NewReader(f), 0
				for {
					if _, err := r.Next(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != c.n {
					b.Fatal(n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.n), "ns/entry")
		})
	}
}
