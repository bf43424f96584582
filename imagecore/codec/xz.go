package codec

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/ulikunitz/xz/lzma"
)

// xzReader reads the container of xz files (file format 1.2.0) and has LZMA2
// decoded by ulikunitz/xz. That library has a reader for the container too,
// but it takes the size of the dictionary from the block's header as it is: a
// file of 60 bytes makes it allocate 4 GiB.
//
//	stream = header  block …  index  footer  [zeros]  stream …
//	block  = header  LZMA2  padding  check
type xzReader struct {
	in    *xzInput
	check func() hash.Hash // of the stream, nil for none
	flags [2]byte

	block     io.Reader // nil between blocks
	sum       hash.Hash
	header    int64 // bytes of the block's header
	begin     int64 // where its LZMA2 began
	out       int64 // bytes unpacked of it
	wantIn    int64 // what the header says, -1 for nothing
	wantOut   int64
	blocks    uint64
	sizes     hash.Hash32 // of the sizes of all blocks, to compare with the index
	streaming bool
}

// xzInput counts what is consumed.
type xzInput struct {
	r *bufio.Reader
	n int64
}

func (x *xzInput) Read(p []byte) (int, error) {
	n, err := x.r.Read(p)
	x.n += int64(n)
	return n, err
}

func (x *xzInput) ReadByte() (byte, error) {
	c, err := x.r.ReadByte()
	if err == nil {
		x.n++
	}
	return c, early(err)
}

func (x *xzInput) full(p []byte) error {
	_, err := io.ReadFull(x, p)
	return early(err)
}

func newXZ(in *bufio.Reader) *xzReader { return &xzReader{in: &xzInput{r: in}} }

func (z *xzReader) Read(p []byte) (int, error) {
	for {
		if z.block == nil {
			if err := z.next(); err != nil {
				return 0, err
			}
		}
		n, err := z.block.Read(p)
		z.out += int64(n)
		if z.sum != nil {
			z.sum.Write(p[:n])
		}
		if err == io.EOF {
			err = z.endBlock()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next begins the next block, over the ends and beginnings of streams.
func (z *xzReader) next() error {
	for {
		if !z.streaming {
			if err := z.beginStream(); err != nil {
				return err
			}
		}
		size, err := z.in.ReadByte()
		if err != nil {
			return err
		}
		if size != 0 {
			return z.beginBlock(size)
		}
		if err := z.endStream(); err != nil {
			return err
		}
		more, err := z.padding()
		if err != nil {
			return err
		}
		if !more {
			return io.EOF
		}
	}
}

func (z *xzReader) beginStream() error {
	var h [12]byte
	if err := z.in.full(h[:]); err != nil {
		return err
	}
	if string(h[:6]) != "\xfd7zXZ\x00" || h[6] != 0 || binary.LittleEndian.Uint32(h[8:]) != crc32.ChecksumIEEE(h[6:8]) {
		return errors.New("malformed header of a stream")
	}
	z.flags = [2]byte(h[6:8])
	switch h[7] {
	case 0:
		z.check = nil
	case 1:
		z.check = func() hash.Hash { return crc32.NewIEEE() }
	case 4:
		z.check = func() hash.Hash { return crc64.New(crc64.MakeTable(crc64.ECMA)) }
	case 10:
		z.check = sha256.New
	default:
		return errors.New("unknown kind of checksum")
	}
	z.blocks, z.sizes, z.streaming = 0, crc32.NewIEEE(), true
	return nil
}

func (z *xzReader) beginBlock(size byte) error {
	h := make([]byte, (int(size)+1)*4)
	h[0] = size
	if err := z.in.full(h[1:]); err != nil {
		return err
	}
	body, crc := h[:len(h)-4], h[len(h)-4:]
	if binary.LittleEndian.Uint32(crc) != crc32.ChecksumIEEE(body) {
		return errors.New("checksum of a block's header is wrong")
	}
	flags := body[1]
	r := bytes.NewReader(body[2:])
	z.wantIn, z.wantOut = -1, -1
	for _, f := range []struct {
		flag byte
		to   *int64
	}{{0x40, &z.wantIn}, {0x80, &z.wantOut}} {
		if flags&f.flag != 0 {
			n, err := xzNumber(r)
			if err != nil {
				return err
			}
			*f.to = n
		}
	}
	var filter [3]byte // LZMA2's id, the size of its properties, the dictionary's size
	if _, err := io.ReadFull(r, filter[:]); err != nil || flags&0x3f != 0 || filter[0] != 0x21 || filter[1] != 1 {
		return imagecore.NewError(imagecore.ErrUnsupported, "unsupported-format",
			"xz with filters other than LZMA2 is not read: pack the bytes by xz without a filter for programs", "format", "xz-filter")
	}
	bits := filter[2]
	if bits > 40 {
		return errors.New("malformed size of a dictionary")
	}
	dict := int64(2|bits&1) << (bits/2 + 11)
	if dict > MaxWindow {
		return large("window-too-large", "the xz block needs more memory than the limit", dict, MaxWindow)
	}
	rest := body[len(body)-r.Len():]
	if len(bytes.Trim(rest, "\x00")) > 0 {
		return errors.New("malformed padding of a block's header")
	}
	z.header, z.begin, z.out, z.sum = int64(len(h)), z.in.n, 0, nil
	if z.check != nil {
		z.sum = z.check()
	}
	b, err := lzma.Reader2Config{DictCap: int(max(dict, lzma.MinDictCap))}.NewReader2(z.in)
	if err != nil {
		return err
	}
	z.block = b
	return nil
}

func (z *xzReader) endBlock() error {
	z.block = nil
	in := z.in.n - z.begin
	if z.wantIn >= 0 && in != z.wantIn || z.wantOut >= 0 && z.out != z.wantOut {
		return errors.New("a block has another size than its header says")
	}
	if err := z.zeros(in); err != nil {
		return err
	}
	unpadded := z.header + in
	if z.sum != nil {
		want := z.sum.Sum(nil)
		if z.flags[1] != 10 { // CRCs are little endian here, hash sums are big endian
			for i, j := 0, len(want)-1; i < j; i, j = i+1, j-1 {
				want[i], want[j] = want[j], want[i]
			}
		}
		got := make([]byte, len(want))
		if err := z.in.full(got); err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return errors.New("checksum of a block is wrong")
		}
		unpadded += int64(len(want))
	}
	z.blocks++
	z.size(unpadded, z.out)
	return nil
}

// size takes down the sizes of a block.
func (z *xzReader) size(unpadded, out int64) {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], uint64(unpadded))
	binary.LittleEndian.PutUint64(b[8:], uint64(out))
	z.sizes.Write(b[:])
}

// zeros reads the padding to four bytes that follows n bytes.
func (z *xzReader) zeros(n int64) error {
	for ; n%4 != 0; n++ {
		if c, err := z.in.ReadByte(); err != nil {
			return err
		} else if c != 0 {
			return errors.New("padding is not zero")
		}
	}
	return nil
}

// endStream reads the index, whose indicator was read, and the footer.
func (z *xzReader) endStream() error {
	sum := crc32.NewIEEE()
	sum.Write([]byte{0})
	begin := z.in.n - 1
	in := &summed{z.in, sum}
	n, err := xzNumber(in)
	if err != nil {
		return err
	}
	if uint64(n) != z.blocks {
		return errors.New("the index counts other blocks than there are")
	}
	seen := z.sizes.Sum32()
	z.sizes.Reset()
	for range n {
		unpadded, err1 := xzNumber(in)
		out, err2 := xzNumber(in)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		z.size(unpadded, out)
	}
	if z.sizes.Sum32() != seen {
		return errors.New("the index has other sizes than the blocks")
	}
	for (z.in.n-begin)%4 != 0 {
		if c, err := in.ReadByte(); err != nil {
			return err
		} else if c != 0 {
			return errors.New("padding is not zero")
		}
	}
	size := z.in.n - begin
	var tail [16]byte // the index's checksum and the footer
	if err := z.in.full(tail[:]); err != nil {
		return err
	}
	le := binary.LittleEndian
	if le.Uint32(tail[:]) != sum.Sum32() {
		return errors.New("checksum of the index is wrong")
	}
	f := tail[4:]
	if string(f[10:]) != "YZ" || le.Uint32(f) != crc32.ChecksumIEEE(f[4:10]) || [2]byte(f[8:10]) != z.flags || (int64(le.Uint32(f[4:]))+1)*4 != size+4 {
		return errors.New("malformed footer of a stream")
	}
	z.streaming = false
	return nil
}

// padding passes over zeros and reports whether another stream follows.
func (z *xzReader) padding() (bool, error) {
	for n := 0; ; n++ {
		head, err := z.in.r.Peek(1)
		if len(head) == 0 {
			if err == io.EOF && n%4 == 0 {
				return false, nil
			}
			return false, early(err)
		}
		if head[0] != 0 {
			if n%4 != 0 {
				return false, errors.New("padding between streams is no multiple of four bytes")
			}
			return true, nil
		}
		if _, err := z.in.ReadByte(); err != nil {
			return false, err
		}
	}
}

// summed passes bytes on and sums them.
type summed struct {
	in  *xzInput
	sum hash.Hash
}

func (s *summed) ReadByte() (byte, error) {
	c, err := s.in.ReadByte()
	if err == nil {
		s.sum.Write([]byte{c})
	}
	return c, err
}

// xzNumber reads seven bits a byte, lowest first, up to 63.
func xzNumber(r io.ByteReader) (int64, error) {
	var n int64
	for i := range 9 {
		c, err := r.ReadByte()
		if err != nil {
			return 0, early(err)
		}
		n |= int64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			if c == 0 && i > 0 {
				break
			}
			return n, nil
		}
	}
	return 0, errors.New("malformed number")
}
