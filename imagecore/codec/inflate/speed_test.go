package inflate

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	other "github.com/klauspost/compress/gzip"
)

// BenchmarkUnpack compares with the decoders that do not tell where their blocks
// begin.
func BenchmarkUnpack(b *testing.B) {
	all := text(32<<20, 1)
	packed := pack(b, all, gzip.DefaultCompression)
	for _, c := range []struct {
		name string
		open func(io.Reader) (io.Reader, error)
	}{
		{"compress_gzip", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		{"klauspost", func(r io.Reader) (io.Reader, error) { return other.NewReader(r) }},
		{"inflate", func(r io.Reader) (io.Reader, error) { return NewReader(r, nil), nil }},
		{"inflate_point_each_MiB", func(r io.Reader) (io.Reader, error) {
			var held []Point
			return NewReader(r, func(p Point) int64 { held = append(held, p); return p.Out + 1<<20 }), nil
		}},
	} {
		b.Run(c.name+"/32MiB", func(b *testing.B) {
			b.SetBytes(int64(len(all)))
			buf := make([]byte, 64<<10)
			for b.Loop() {
				r, err := c.open(bytes.NewReader(packed))
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf)
				if err != nil || n != int64(len(all)) {
					b.Fatal(n, err)
				}
			}
		})
	}
}
