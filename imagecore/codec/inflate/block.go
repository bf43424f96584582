package inflate

import "encoding/binary"

// block reads the header of a block (RFC 1951 section 3.2.3).
func (z *Reader) block() error {
	if z.final {
		z.final = false
		z.state = (*Reader).trailer
		return nil
	}
	if at := z.start + int64(z.wrote); z.mark != nil && at >= z.next {
		window := z.out[max(z.since, z.wrote-WindowSize):z.wrote]
		z.next = z.mark(Point{Bit: (z.base+int64(z.pos))*8 - int64(z.bits), Out: at, Window: append([]byte(nil), window...)})
	}
	h, err := z.take(3)
	if err != nil {
		return err
	}
	z.final = h&1 != 0
	switch h >> 1 {
	case 0:
		return z.storedHeader()
	case 1:
		z.fixed()
	case 2:
		if err := z.dynamic(); err != nil {
			return err
		}
	default:
		return ErrCorrupt
	}
	z.state = (*Reader).huffman
	return nil
}

func (z *Reader) storedHeader() error {
	if err := z.align(); err != nil {
		return err
	}
	b, err := z.bytes(4)
	if err != nil {
		return err
	}
	n := binary.LittleEndian.Uint16(b)
	if n != ^binary.LittleEndian.Uint16(b[2:]) {
		return ErrCorrupt
	}
	z.left = int(n)
	z.state = (*Reader).stored
	return nil
}

// stored copies a block that is not compressed.
func (z *Reader) stored() error {
	if z.left == 0 {
		z.state = (*Reader).block
		return nil
	}
	if z.pos == z.end {
		if err := z.fill(); err != nil {
			return err
		}
	}
	n := copy(z.out[z.wrote:min(z.wrote+z.left, len(z.out)-slack/2)], z.in[z.pos:z.end])
	if n == 0 {
		_, err := z.bytes(1) // which is not there
		return err
	}
	z.pos, z.wrote, z.left = z.pos+n, z.wrote+n, z.left-n
	return nil
}

// Bits of the primary tables: larger ones are dearer to make than they save.
const (
	litBits  = 10
	distBits = 8
	codeBits = 7
)

// fixed makes the tables of section 3.2.6.
func (z *Reader) fixed() {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	z.lit.build(lengths[:], litBits, lengthEntry)
	for i := range 32 {
		lengths[i] = 5
	}
	z.dist.build(lengths[:32], distBits, distEntry)
}

// dynamic reads the tables of section 3.2.7.
func (z *Reader) dynamic() error {
	h, err := z.take(14)
	if err != nil {
		return err
	}
	nlit, ndist, ncode := int(h&31)+257, int(h>>5&31)+1, int(h>>10)+4
	if nlit > 286 || ndist > 30 {
		return ErrCorrupt
	}
	order := [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	var codes [19]uint8
	for _, i := range order[:ncode] {
		n, err := z.take(3)
		if err != nil {
			return err
		}
		codes[i] = uint8(n)
	}
	// The distances' table is not in use yet.
	if !z.dist.build(codes[:], codeBits, func(s int) uint32 { return uint32(s)<<16 | isLiteral }) {
		return ErrCorrupt
	}
	var lengths [286 + 30]uint8
	for i := 0; i < nlit+ndist; {
		e, err := z.symbol(&z.dist)
		if err != nil {
			return err
		}
		s := e >> 16
		if s < 16 {
			lengths[i] = uint8(s)
			i++
			continue
		}
		repeat, extra, what := uint32(3), uint(2), uint8(0)
		switch s {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			what = lengths[i-1]
		case 17:
			extra = 3
		case 18:
			repeat, extra = 11, 7
		}
		more, err := z.take(extra)
		if err != nil {
			return err
		}
		repeat += more
		if i+int(repeat) > nlit+ndist {
			return ErrCorrupt
		}
		for range repeat {
			lengths[i] = what
			i++
		}
	}
	if !z.lit.build(lengths[:nlit], litBits, lengthEntry) || !z.dist.build(lengths[nlit:nlit+ndist], distBits, distEntry) {
		return ErrCorrupt
	}
	return nil
}

// symbol reads one of a table; slowly, for headers.
func (z *Reader) symbol(t *table) (uint32, error) {
	if z.bits < maxCode {
		if err := z.ready(); err != nil {
			return 0, err
		}
		z.refill()
	}
	e := t.at(z.hold)
	if e&isInvalid != 0 {
		if err := z.within(); err != nil {
			return 0, err
		}
		return 0, ErrCorrupt
	}
	z.hold >>= e & 15
	z.bits -= uint(e & 15)
	return e, z.within()
}

// at looks up the code that the bits begin with.
func (t *table) at(hold uint64) uint32 {
	e := t.entries[hold&(1<<t.bits-1)&(tableSize-1)]
	if e&isLink != 0 {
		e = t.entries[(uint64(e>>16)+hold>>t.bits&(1<<(e>>4&15)-1))&(tableSize-1)]
	}
	return e
}

// huffman unpacks as far as there is room, a block's end at most.
func (z *Reader) huffman() error {
	if err := z.ready(); err != nil {
		return err
	}
	// What the loop uses again and again is held in variables.
	var (
		in, out    = z.in, z.out
		pos, w     = z.pos, z.wrote
		hold, bits = z.hold, z.bits
		lit, dist  = &z.lit.entries, &z.dist.entries
		litMask    = uint64(1)<<z.lit.bits - 1
		distMask   = uint64(1)<<z.dist.bits - 1
		inStop     = z.end - 16
		outStop    = len(out) - slack
		err        error
	)
	from := w
	if pos > inStop { // the end of the stream, behind which zeros stand: step by step
		inStop, outStop = pos, min(w, outStop)
	}
	for pos <= inStop && w <= outStop {
		hold |= binary.LittleEndian.Uint64(in[pos:]) << bits
		pos += int(63-bits) >> 3
		bits |= 56
		e := lit[hold&litMask&(tableSize-1)]
		if e&isLiteral != 0 { // 15 bits at most
			hold >>= e & 15
			bits -= uint(e & 15)
			out[w] = byte(e >> 16)
			w++
			e = lit[hold&litMask&(tableSize-1)]
			if e&isLiteral != 0 {
				hold >>= e & 15
				bits -= uint(e & 15)
				out[w] = byte(e >> 16)
				w++
				e = lit[hold&litMask&(tableSize-1)]
				if e&isLiteral != 0 {
					hold >>= e & 15
					bits -= uint(e & 15)
					out[w] = byte(e >> 16)
					w++
					continue
				}
			}
			// A match takes up to 48 bits.
			hold |= binary.LittleEndian.Uint64(in[pos:]) << bits
			pos += int(63-bits) >> 3
			bits |= 56
		}
		if e&isLink != 0 {
			e = lit[(uint64(e>>16)+hold>>z.lit.bits&(1<<(e>>4&15)-1))&(tableSize-1)]
			if e&isLiteral != 0 {
				hold >>= e & 15
				bits -= uint(e & 15)
				out[w] = byte(e >> 16)
				w++
				continue
			}
		}
		if e&(isEnd|isInvalid) != 0 {
			if e&isInvalid != 0 {
				err = ErrCorrupt
				break
			}
			hold >>= e & 15
			bits -= uint(e & 15)
			z.state = (*Reader).block
			break
		}
		hold >>= e & 15
		extra := e >> 4 & 15
		n := int(e>>16) + int(hold&(1<<extra-1))
		hold >>= extra
		d := dist[hold&distMask&(tableSize-1)]
		if d&isLink != 0 {
			d = dist[(uint64(d>>16)+hold>>z.dist.bits&(1<<(d>>4&15)-1))&(tableSize-1)]
		}
		if d&isInvalid != 0 {
			bits -= uint(e&15 + extra)
			err = ErrCorrupt
			break
		}
		hold >>= d & 15
		more := d >> 4 & 15
		back := int(d>>16) + int(hold&(1<<more-1))
		hold >>= more
		bits -= uint(e&15 + extra + d&15 + more)
		if back > w-z.since {
			err = ErrCorrupt
			break
		}
		at := w - back
		if back >= 16 { // there is room for more than is asked for
			for k := 0; k < n; k += 16 {
				*(*[16]byte)(out[w+k:]) = *(*[16]byte)(out[at+k:])
			}
			w += n
			continue
		}
		if n <= 16 {
			for k := range n {
				out[w+k] = out[at+k]
			}
			w += n
			continue
		}
		for end := w + n; w < end; { // twice as much each time
			w += copy(out[w:end], out[at:w])
		}
	}
	z.pos, z.wrote, z.hold, z.bits = pos, w, hold, bits
	if early := z.within(); early != nil {
		z.wrote = from // what came of bits that are not there
		return early
	}
	return err
}
