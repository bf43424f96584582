package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/layerlab/layerlab/imagecore"
)

// manyWords are bytes that gzip makes about a third of.
var manyWords = sync.OnceValue(func() string {
	r := rand.New(rand.NewPCG(1, 7))
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = "etaoin shrdlu.,\n"[r.IntN(16)&(r.IntN(16)|8)]
	}
	return string(b)
})

// words is n of them; another seed gives others.
func words(n int, seed int) string {
	all := manyWords()
	all = all[seed*7919%len(all):] + all[:seed*7919%len(all)]
	return strings.Repeat(all, n/len(all)+1)[:n]
}

// fast is gzip at its fastest.
func fast(s string) string {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

// metered counts what is read of an archive.
type metered struct {
	r io.ReaderAt
	n atomic.Int64
}

func (m *metered) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.r.ReadAt(p, off)
	m.n.Add(int64(n))
	return n, err
}

// spools counts the spools that are made, in memory.
type spools struct{ n int }

type spool struct{ bytes.Buffer }

func (s *spool) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(s.Bytes()).ReadAt(p, off)
}
func (s *spool) Close() error { return nil }

func (s *spools) make() (Spool, error) {
	s.n++
	return &spool{}, nil
}

// TestReadsOfACompressedLayerUnpackAPieceOfIt reads a layer backwards, in all
// ways in which it may be compressed.
func TestReadsOfACompressedLayerUnpackAPieceOfIt(t *testing.T) {
	var files []member
	for i := range 40 {
		files = append(files, member{name: fmt.Sprintf("f%02d", i), content: words(300_000, i)})
	}
	layer := tarOf(files...)
	half := len(layer) / 2
	save := func(stored string) string {
		return tarOf(
			member{name: "before", content: words(2<<20, 99)}, member{name: "l/layer.tar", content: stored}, member{name: "after", content: words(2<<20, 98)},
			member{name: "c.json", content: configOf(layer)}, member{name: "manifest.json", content: `[{"Config":"c.json","Layers":["l/layer.tar"]}]`})
	}
	for name, s := range map[string]string{
		"gzip":          save(fast(layer)),
		"gzip members":  save(fast(layer[:half]) + fast(layer[half:])),
		"within gzip":   fast(save(layer)),
		"gzip in gzip":  fast(save(fast(layer))),
		"a root within": fast(layer),
	} {
		src := &metered{r: strings.NewReader(s)}
		all := &spools{}
		a, err := Open(src, int64(len(s)), Options{Spool: all.make})
		if err != nil {
			t.Fatal(name, err)
		}
		at, size, err := a.LayerAt(0, 0)
		if err != nil || size != int64(len(layer)) {
			t.Fatal(name, size, err)
		}
		src.n.Store(0)
		got := make([]byte, 1000)
		const reads = 8
		for i := range int64(reads) {
			off := size - 1000 - i*1_400_000
			if _, err := at.ReadAt(got, off); err != nil || string(got) != layer[off:off+1000] {
				t.Fatalf("%s: at %d: %v", name, off, err)
			}
		}
		// From the start, the reads would cost half the archive each; a point is a
		// megabyte away at most, whether in one stream or in two.
		t.Logf("%s: %d kB of %d read for %d reads, %d spools", name, src.n.Load()>>10, len(s)>>10, reads, all.n)
		if src.n.Load() > reads*3/2<<20 || all.n > 0 {
			t.Errorf("%s: %d reads cost %d bytes of %d, and %d spools", name, reads, src.n.Load(), len(s), all.n)
		}
		// All of it, in pieces in any order and at the same time.
		var readers sync.WaitGroup
		for w := range 4 {
			readers.Go(func() {
				r := rand.New(rand.NewPCG(uint64(w), 1))
				got := make([]byte, 50_000)
				for range 12 {
					off := r.Int64N(size)
					n, err := at.ReadAt(got, off)
					if err != nil && err != io.EOF || string(got[:n]) != layer[off:off+int64(n)] || n < len(got) && off+int64(n) != size {
						t.Errorf("%s: %d bytes at %d: %v", name, n, off, err)
						return
					}
				}
			})
		}
		readers.Wait()
		if all.n > 1 {
			t.Errorf("%s: %d spools for one layer", name, all.n)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestALayerIsSpooledOnceItPays: without restart points, at the first read that
// goes back; after many reads with them.
func TestALayerIsSpooledOnceItPays(t *testing.T) {
	layer := tarOf(member{name: "f", content: words(9<<20, 1)})
	save := func(stored string) string {
		return tarOf(member{name: "l/layer.tar", content: stored},
			member{name: "c.json", content: configOf(layer)}, member{name: "manifest.json", content: `[{"Config":"c.json","Layers":["l/layer.tar"]}]`})
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{"zstd": save(string(z.EncodeAll([]byte(layer), nil))), "gzip": save(fast(layer))} {
		all := &spools{}
		a := open(t, s, Options{Spool: all.make})
		at, size, err := a.LayerAt(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		var b [100]byte
		spooled := []int{}
		for i := range int64(60) {
			off := (8 - i*5%9) << 20
			if _, err := at.ReadAt(b[:], off); err != nil || string(b[:]) != layer[off:off+100] {
				t.Fatal(name, off, size, err)
			}
			spooled = append(spooled, all.n)
		}
		if last := spooled[len(spooled)-1]; last != 1 || name == "gzip" && spooled[9] != 0 || name == "zstd" && spooled[2] != 1 {
			t.Errorf("%s: spools after each read: %v", name, spooled)
		}
	}
}

// TestManyCompressedLayersAreNotAllHeld reads in turns from more layers than
// are unpacked at a time.
func TestManyCompressedLayersAreNotAllHeld(t *testing.T) {
	var tars, paths []string
	var all []member
	for i := range 3 * maxReplays {
		tars = append(tars, tarOf(member{name: "f", content: words(200_000, i)}))
		paths = append(paths, fmt.Sprintf("%q", fmt.Sprintf("%d/layer.tar", i)))
		all = append(all, member{name: fmt.Sprintf("%d/layer.tar", i), content: fast(tars[i])})
	}
	a := open(t, tarOf(append(all, member{name: "c.json", content: configOf(tars...)},
		member{name: "manifest.json", content: `[{"Config":"c.json","Layers":[` + strings.Join(paths, ",") + `]}]`})...), Options{})
	var b [5000]byte
	for turn := range int64(3) {
		for i := range tars {
			at, _, err := a.LayerAt(0, i)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := at.ReadAt(b[:], turn*50_000); err != nil || string(b[:]) != tars[i][turn*50_000:][:5000] {
				t.Fatal(i, err)
			}
			if len(a.replays) > maxReplays {
				t.Fatalf("%d layers are being unpacked", len(a.replays))
			}
		}
	}
}

// BenchmarkContent opens an image whose one layer is 400 MB within gzip, and
// reads 100 files of it, wherever they stand.
func BenchmarkContent(b *testing.B) {
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	w := tar.NewWriter(z)
	var offsets []int64
	some := words(4<<20, 1)
	at := int64(0)
	for i := range 20_000 {
		content := some[i*197%(len(some)-20_000):][:20_000]
		w.WriteHeader(&tar.Header{Name: fmt.Sprintf("usr/share/%05d", i), Size: int64(len(content)), Mode: 0o644})
		io.WriteString(w, content)
		at += 512
		offsets = append(offsets, at)
		at += 20_000 + 480
	}
	w.Close()
	z.Close()
	s := tarOf(member{name: "l/layer.tar", content: packed.String()}, member{name: "c.json", content: configOf("")},
		member{name: "manifest.json", content: `[{"Config":"c.json","Layers":["l/layer.tar"]}]`})
	for _, c := range []struct {
		name   string
		points int64
		spool  bool
	}{{"restart_points", imagecore.DefaultLimits().Restarts, false}, {"restart_points_4MiB", imagecore.GuestLimits().Restarts, false}, {"spool", 0, true}, {"replay", 0, false}} {
		o := Options{Limits: imagecore.DefaultLimits()}
		o.Limits.Restarts = c.points
		if c.spool {
			o.Spool = func() (Spool, error) { return os.Create(filepath.Join(b.TempDir(), "spool")) }
		}
		b.Run("open/"+c.name, func(b *testing.B) {
			for b.Loop() {
				a := open(b, s, o)
				a.Close()
			}
		})
		for _, files := range []int{1, 100} {
			if c.name == "replay" && files > 1 {
				continue // minutes
			}
			b.Run(fmt.Sprintf("%d_files_of_400MB/%s", files, c.name), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 2))
				content := make([]byte, 20_000)
				for b.Loop() {
					b.StopTimer()
					a := open(b, s, o)
					b.StartTimer()
					at, _, err := a.LayerAt(0, 0)
					for range files {
						if err == nil {
							_, err = at.ReadAt(content, offsets[r.IntN(len(offsets))])
						}
						if err != nil {
							b.Fatal(err)
						}
					}
					a.Close()
				}
			})
		}
	}
}
