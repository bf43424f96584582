package codec

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/klauspost/compress/zstd"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/codec/inflate"
)

// MaxWindow bounds what a frame may have us remember of its own output, in
// bytes: the dictionary of `xz -9`. `zstd --long=27` and above is refused.
const MaxWindow = 64 << 20

// NewReader unpacks r and names the compression. Of the limits, Layer bounds
// the unpacked bytes and Ratio, beyond RatioFree, how many of them one packed
// byte may become. r is not closed; the reader need not be read to its end,
// but is to be closed.
//
// Errors that r returns pass through. Malformed streams are ErrInvalid with the
// code "bad-gzip" (or the like), streams that end early "truncated"; their
// Offset counts packed bytes, some kilobytes read ahead included.
func NewReader(r io.Reader, l imagecore.Limits) (io.ReadCloser, string, error) {
	return open(r, l, nil)
}

// open is NewReader with NewMarking's mark, which may be nil.
func open(r io.Reader, l imagecore.Limits, mark func(inflate.Point) int64) (io.ReadCloser, string, error) {
	src := &source{r: r}
	in := bufio.NewReaderSize(src, 64<<10)
	head, err := in.Peek(HeadSize)
	if err != nil && err != io.EOF {
		return nil, "", err
	}
	c := &reader{name: Detect(head), src: src, buffered: in.Buffered, limits: l}
	switch c.name {
	case None:
		c.r = in
	case Gzip:
		z := inflate.NewReader(in, mark)
		c.r, c.buffered = z, func() int { return z.Buffered() + in.Buffered() }
	case Zstd:
		// One goroutine's worth: the callers scan layers one by one.
		d, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(MaxWindow))
		if err != nil {
			return nil, "", c.explain(err)
		}
		c.r, c.close = d, d.Close
	case XZ:
		c.r = newXZ(in)
	case Bzip2:
		c.r = bzip2.NewReader(in)
	default:
		return nil, c.name, imagecore.NewError(imagecore.ErrUnsupported, "unsupported-format",
			"the bytes are packed by "+c.name+", which is not read: unpack them first, or pack them by gzip, zstd, xz or bzip2", "format", c.name)
	}
	return c, c.name, nil
}

// source counts packed bytes and remembers the error of what it reads.
type source struct {
	r   io.Reader
	n   int64
	err error // other than io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

type reader struct {
	name     string
	src      *source
	buffered func() int // packed bytes that were read and not yet used
	r        io.Reader
	close    func()
	limits   imagecore.Limits
	n        int64 // unpacked bytes handed out
	err      error
}

func (c *reader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	if over := c.over(); over != nil {
		c.err = over
		return 0, over
	}
	if err != nil && err != io.EOF {
		err = c.explain(err)
	}
	c.err = err
	return n, err
}

// over holds what was unpacked against the limits.
func (c *reader) over() error {
	l := &c.limits
	if c.n > l.Layer {
		return large("layer-too-large", "the unpacked bytes are more than the limit", c.n, l.Layer)
	}
	if packed := c.src.n - int64(c.buffered()); c.n > l.RatioFree && c.n/l.Ratio > packed {
		return large("ratio", "the bytes unpacked from one are more than the limit", c.n/max(packed, 1), l.Ratio)
	}
	return nil
}

// Close frees what the decompressor holds.
func (c *reader) Close() error {
	if c.close != nil {
		c.close()
		c.close = nil
	}
	c.err = errors.Join(c.err, io.ErrClosedPipe)
	return nil
}

// explain turns what a decompressor says into what is wrong with the stream.
func (c *reader) explain(err error) error {
	if c.src.err != nil {
		return c.src.err
	}
	var ie *imagecore.Error
	if errors.As(err, &ie) {
		return err
	}
	at := c.src.n - int64(c.buffered())
	switch {
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return large("window-too-large", "the zstd frame needs more memory than the limit", 0, MaxWindow)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return imagecore.NewError(imagecore.ErrInvalid, "truncated", "the "+c.name+" stream ends early", "got", strconv.FormatInt(c.src.n, 10)).At("", at)
	}
	e := imagecore.NewError(imagecore.ErrInvalid, "bad-"+c.name, "the "+c.name+" stream is damaged").At("", at)
	e.Err = err
	return e
}

// large is a limit that was crossed; a value of 0 is not known.
func large(code, message string, value, limit int64) error {
	args := []string{"limit", strconv.FormatInt(limit, 10)}
	if value > 0 {
		args = append(args, "value", strconv.FormatInt(value, 10))
		message += fmt.Sprintf(" (%d > %d)", value, limit)
	} else {
		message += fmt.Sprintf(" (%d)", limit)
	}
	return imagecore.NewError(imagecore.ErrTooLarge, code, message, args...)
}
