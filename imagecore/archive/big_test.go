package archive

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// holes is an archive whose contents are holes: it counts what is read.
type holes struct {
	pieces map[int64]string // by 512-byte block
	size   int64
	calls  int
	bytes  int64
}

func (h *holes) add(b string) {
	for ; len(b) > 0; b = b[min(512, len(b)):] {
		h.pieces[h.size] = b[:min(512, len(b))]
		h.size += 512
	}
}

func (h *holes) ReadAt(p []byte, off int64) (int, error) {
	h.calls++
	n := 0
	for ; n < len(p) && off+int64(n) < h.size; n++ {
		at := off + int64(n)
		if i := at % 512; int(i) < len(h.pieces[at-i]) {
			p[n] = h.pieces[at-i][i]
		} else {
			p[n] = 0
		}
	}
	h.bytes += int64(n)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func header(name string, size int64) string {
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644, Format: tar.FormatGNU}); err != nil {
		panic(err)
	}
	return b.String()
}

// big is an archive of 5 layers with the given number of files of the given
// size each.
func big(files int, size int64) *holes {
	h := &holes{pieces: map[int64]string{}}
	names, ids := make([]string, 5), make([]string, 5)
	for l := range names {
		names[l], ids[l] = fmt.Sprintf("%q", fmt.Sprintf("%d/layer.tar", l)), fmt.Sprintf("%q", sha(fmt.Sprint(l)))
		h.add(header(fmt.Sprintf("%d/layer.tar", l), int64(files)*(512+size)))
		for i := range files {
			h.add(header(fmt.Sprintf("usr/lib/%d/%d", l, i), size))
			h.size += size
		}
	}
	h.add(tarOf(
		member{name: "c.json", content: `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[` + strings.Join(ids, ",") + `]}}`},
		member{name: "manifest.json", content: `[{"Config":"c.json","Layers":[` + strings.Join(names, ",") + `]}]`}))
	return h
}

func TestContentsOfABareArchiveAreNotRead(t *testing.T) {
	h := big(140, 2<<20) // 1.4 GB
	a, err := Open(h, h.size, Options{})
	if err != nil {
		t.Fatal(err)
	}
	entries := 0
	for _, l := range a.Report().Images[0].Layers {
		entries += l.EntryCount
	}
	t.Logf("%d MB, %d entries: %d reads of %d kB together", h.size>>20, entries, h.calls, h.bytes>>10)
	if entries != 700 || h.calls > entries+100 || h.bytes > 8<<20 {
		t.Errorf("%d entries: %d reads, %d bytes", entries, h.calls, h.bytes)
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, c := range []struct {
		name  string
		files int // a layer, of five
		size  int64
	}{{"100k_files_1kB", 20_000, 1024}, {"700_files_2MB", 140, 2 << 20}} {
		h := big(c.files, c.size)
		f, err := os.Create(filepath.Join(b.TempDir(), "big.tar"))
		if err != nil {
			b.Fatal(err)
		}
		for off, piece := range h.pieces {
			f.WriteAt([]byte(piece), off)
		}
		f.Truncate(h.size)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a, err := Open(f, h.size, Options{})
				if err != nil {
					b.Fatal(err)
				}
				a.Close()
			}
		})
		f.Close()
	}
}
