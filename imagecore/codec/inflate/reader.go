package inflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// Errors of a stream that is damaged; one that ends early is io.ErrUnexpectedEOF.
var (
	ErrHeader   = errors.New("not a gzip header")
	ErrCorrupt  = errors.New("the compressed data make no sense")
	ErrChecksum = errors.New("the checksum or the size is another than the stream says")
	ErrTrailing = errors.New("something that is not gzip follows the stream")
)

const (
	inSize  = 64 << 10
	outSize = 128 << 10
	// slack is what a step may touch beyond what it writes: the longest match,
	// and the sixteen bytes that are copied at once.
	slack = 258 + 32
	// pad is how many zeros stand behind the last stored byte: what a refill may
	// take beyond it. Taking one of their bits is an early end.
	pad = 24
)

// Reader unpacks a stream of gzip members, one after the other, and the zeros
// that may pad it. It is not safe for concurrent use.
type Reader struct {
	src  io.Reader
	in   []byte // stored bytes in[pos:end] are to come
	pos  int
	end  int
	base int64 // stored offset of in[0]
	last bool  // src has ended: pad zeros stand behind end
	hold uint64
	bits uint // of hold

	out   []byte
	wrote int   // out[:wrote] is unpacked
	gave  int   // out[:gave] is handed out
	since int   // out[since:wrote] is what this member may refer to
	start int64 // offset of out[0] in what is unpacked

	state   func(*Reader) error
	err     error
	final   bool // the block is the member's last
	left    int  // bytes of a stored block
	lit     table
	dist    table
	crc     uint32
	size    uint32 // of the member, modulo 2^32
	unknown bool   // crc and size are not known, since reading began at a Point

	mark func(Point) (next int64)
	next int64 // where the next point is wanted
}

// NewReader unpacks r, which begins with a gzip header. mark, unless it is nil,
// is told the first block's Point, and then that of the first block at or after
// the unpacked byte that it answered with. The Point is mark's to keep.
func NewReader(r io.Reader, mark func(Point) (next int64)) *Reader {
	return &Reader{src: r, in: make([]byte, inSize+pad), out: make([]byte, outSize), state: (*Reader).header, mark: mark}
}

// Resume unpacks from a point on. r gives the stored bytes from p.Byte on. The
// checksum of the member that p is in is not verified.
func Resume(r io.Reader, p Point) *Reader {
	z := NewReader(r, nil)
	z.base = p.Byte()
	z.wrote = copy(z.out, p.Window)
	z.gave = z.wrote
	z.start = p.Out - int64(z.wrote)
	z.unknown = true
	skip := uint(p.Bit & 7)
	z.state = func(z *Reader) error {
		if _, err := z.take(skip); err != nil {
			return err
		}
		z.state = (*Reader).block
		return nil
	}
	return z
}

// Buffered returns how many stored bytes were read and not yet used.
func (z *Reader) Buffered() int { return max(z.end-z.pos+int(z.bits)/8, 0) }

// Read implements io.Reader.
func (z *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for z.gave == z.wrote {
		if z.err != nil {
			return 0, z.err
		}
		if len(z.out)-z.wrote < slack {
			z.slide()
		}
		from := z.wrote
		z.err = z.state(z)
		if z.wrote > from && !z.unknown {
			z.crc = crc32.Update(z.crc, crc32.IEEETable, z.out[from:z.wrote])
			z.size += uint32(z.wrote - from)
		}
	}
	n := copy(p, z.out[z.gave:z.wrote])
	z.gave += n
	return n, nil
}

// slide makes room behind the window.
func (z *Reader) slide() {
	drop := z.wrote - WindowSize
	copy(z.out, z.out[drop:z.wrote])
	z.wrote, z.gave, z.since = WindowSize, z.gave-drop, max(z.since-drop, 0)
	z.start += int64(drop)
}

// fill reads more stored bytes behind what is left of them.
func (z *Reader) fill() error {
	if z.last {
		return nil
	}
	// Behind pos, so that bits may be given back (see align).
	keep := max(z.pos-8, 0)
	copy(z.in, z.in[keep:z.end])
	z.base += int64(keep)
	z.pos, z.end = z.pos-keep, z.end-keep
	for idle := 0; z.end < inSize/2; {
		n, err := z.src.Read(z.in[z.end:inSize])
		z.end += n
		if err == io.EOF {
			z.last = true
			clear(z.in[z.end : z.end+pad])
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			idle = 0
		} else if idle++; idle > 100 {
			return io.ErrNoProgress
		}
	}
	return nil
}

// ready makes sure that bits can be refilled without looking, as far as there
// are any.
func (z *Reader) ready() error {
	if z.end-z.pos < 16 {
		if err := z.fill(); err != nil {
			return err
		}
	}
	return z.within()
}

// within says whether bits were used that are not there.
func (z *Reader) within() error {
	if z.last && z.pos > z.end && z.pos*8-int(z.bits) > z.end*8 {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// take uses n bits, at most 32.
func (z *Reader) take(n uint) (uint32, error) {
	if z.bits < n {
		if err := z.ready(); err != nil {
			return 0, err
		}
		z.refill()
	}
	v := uint32(z.hold & (1<<n - 1))
	z.hold >>= n
	z.bits -= n
	return v, z.within()
}

// refill makes hold have 56 bits or more. ready was called.
func (z *Reader) refill() {
	z.hold |= binary.LittleEndian.Uint64(z.in[z.pos:]) << z.bits
	z.pos += int(63-z.bits) >> 3
	z.bits |= 56
}

// align gives whole bytes of hold back to in and drops the rest of the byte
// that was begun.
func (z *Reader) align() error {
	z.pos -= int(z.bits >> 3)
	z.hold, z.bits = 0, 0
	if z.pos > z.end {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// bytes returns the next n stored bytes, at most some hundred; hold is empty.
func (z *Reader) bytes(n int) ([]byte, error) {
	if z.end-z.pos < n {
		if err := z.fill(); err != nil {
			return nil, err
		}
		if z.end-z.pos < n {
			return nil, io.ErrUnexpectedEOF
		}
	}
	b := z.in[z.pos : z.pos+n]
	z.pos += n
	return b, nil
}

// Flags of a member's header.
const (
	flagHCRC    = 1 << 1
	flagExtra   = 1 << 2
	flagName    = 1 << 3
	flagComment = 1 << 4
)

// header reads that of a member.
func (z *Reader) header() error {
	crc := uint32(0)
	next := func(n int) ([]byte, error) {
		b, err := z.bytes(n)
		crc = crc32.Update(crc, crc32.IEEETable, b)
		return b, err
	}
	h, err := next(10)
	if err != nil {
		return err
	}
	if h[0] != 0x1f || h[1] != 0x8b || h[2] != 8 {
		return ErrHeader
	}
	flags := h[3]
	if flags&flagExtra != 0 {
		n, err := next(2)
		if err != nil {
			return err
		}
		for left := int(binary.LittleEndian.Uint16(n)); left > 0; left -= min(left, 256) {
			if _, err := next(min(left, 256)); err != nil {
				return err
			}
		}
	}
	for _, f := range []byte{flagName, flagComment} {
		if flags&f == 0 {
			continue
		}
		for n := 0; ; n++ {
			c, err := next(1)
			if err != nil {
				return err
			}
			if c[0] == 0 {
				break
			}
			if n >= maxText {
				return ErrHeader
			}
		}
	}
	if flags&flagHCRC != 0 {
		want := uint16(crc)
		b, err := z.bytes(2)
		if err != nil {
			return err
		}
		if binary.LittleEndian.Uint16(b) != want {
			return ErrHeader
		}
	}
	z.since, z.crc, z.size, z.unknown = z.wrote, 0, 0, false
	z.state = (*Reader).block
	return nil
}

// maxText bounds the name and the comment of a header, in bytes, as
// compress/gzip does.
const maxText = 511

// trailer reads a member's end, and finds out what follows.
func (z *Reader) trailer() error {
	if err := z.align(); err != nil {
		return err
	}
	b, err := z.bytes(8)
	if err != nil {
		return err
	}
	if !z.unknown && (binary.LittleEndian.Uint32(b) != z.crc || binary.LittleEndian.Uint32(b[4:]) != z.size) {
		return ErrChecksum
	}
	z.state = (*Reader).follow
	return nil
}

// follow looks at what stands behind a member: another one, or zeros.
func (z *Reader) follow() error {
	if z.end-z.pos < 2 {
		if err := z.fill(); err != nil {
			return err
		}
	}
	rest := z.in[z.pos:z.end]
	if len(rest) >= 2 && rest[0] == 0x1f && rest[1] == 0x8b {
		z.state = (*Reader).header
		return nil
	}
	z.state = (*Reader).padding
	return nil
}

// padding reads zeros to the end.
func (z *Reader) padding() error {
	if len(bytes.Trim(z.in[z.pos:z.end], "\x00")) > 0 {
		return ErrTrailing
	}
	z.pos = z.end
	if z.last {
		return io.EOF
	}
	return z.fill()
}
