package tarscan

import (
	"io"

	"github.com/layerlab/layerlab/imagecore"
)

// Content returns the bytes of the content of the record that Next returned
// last, as they are stored: a sparse file without its holes. It is to be read,
// as far as it is wanted, before Next is called again. A tar that ends early
// gives an *imagecore.Error with the code "truncated".
func (s *Scanner) Content() io.Reader { return &stored{s: s, off: s.content, end: s.end} }

type stored struct {
	s        *Scanner
	off, end int64
}

func (c *stored) Read(p []byte) (int, error) {
	if c.off >= c.end {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	// Pieces no larger than the buffers of the sources, so that they need not grow.
	b, err := c.s.src.at(c.off, int(min(int64(len(p)), c.end-c.off, 32<<10)))
	if err != nil {
		return 0, c.s.trail(err)
	}
	if len(b) == 0 {
		s := c.s
		return 0, truncated("the tar ends within the content", c.end-s.content, c.off-s.content).At(s.last, s.lastOff)
	}
	n := copy(p, b)
	c.off += int64(n)
	return n, nil
}

// Content returns the e.Size bytes of a file's content from its layer's
// uncompressed tar; holes of a sparse file read as zeros. Fragments are read
// in ascending order. If the layer ends early, reading returns
// io.ErrUnexpectedEOF.
func Content(layer io.ReaderAt, e *imagecore.Entry) io.Reader {
	if e.Sparse == nil {
		return &exact{r: io.NewSectionReader(layer, e.DataOffset, e.Size), left: e.Size}
	}
	return &holed{layer: layer, e: e, data: e.DataOffset}
}

// exact turns an early end into an error.
type exact struct {
	r    io.Reader
	left int64
}

func (x *exact) Read(p []byte) (int, error) {
	n, err := x.r.Read(p)
	x.left -= int64(n)
	if err == io.EOF && x.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// holed reads a sparse file.
type holed struct {
	layer io.ReaderAt
	e     *imagecore.Entry
	pos   int64 // in the file
	next  int   // fragment that pos is in or before
	data  int64 // in the tar, where fragment next begins
}

func (h *holed) Read(p []byte) (int, error) {
	for h.next < len(h.e.Sparse) {
		f := h.e.Sparse[h.next]
		if h.pos < f.Offset+f.Length {
			break
		}
		h.next, h.data = h.next+1, h.data+f.Length
	}
	if h.pos >= h.e.Size {
		return 0, io.EOF
	}
	hole := h.e.Size
	if h.next < len(h.e.Sparse) {
		f := h.e.Sparse[h.next]
		if h.pos >= f.Offset {
			in := h.pos - f.Offset
			n, err := h.layer.ReadAt(p[:min(int64(len(p)), f.Length-in)], h.data+in)
			h.pos += int64(n)
			if n > 0 {
				return n, nil
			}
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		hole = f.Offset
	}
	n := int(min(int64(len(p)), hole-h.pos))
	clear(p[:n])
	h.pos += int64(n)
	return n, nil
}
