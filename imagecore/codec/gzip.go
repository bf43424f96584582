package codec

import (
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/codec/inflate"
)

// early turns an end of the stream within a header into what it is.
func early(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// NewMarking is NewReader, and tells mark where a gzip stream can begin anew, as
// inflate.NewReader does; of other compressions it is told nothing.
func NewMarking(r io.Reader, l imagecore.Limits, mark func(inflate.Point) (next int64)) (io.ReadCloser, string, error) {
	return open(r, l, mark)
}

// Resume unpacks a gzip stream from a point on: r gives the stored bytes from
// p.Byte on. Limits count what stands before as well. The checksum of the member
// that p is in is not verified.
func Resume(r io.Reader, p inflate.Point, l imagecore.Limits) io.ReadCloser {
	src := &source{r: r, n: p.Byte()}
	z := inflate.Resume(src, p)
	return &reader{name: Gzip, src: src, buffered: z.Buffered, r: z, limits: l, n: p.Out}
}
