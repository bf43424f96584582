package tarscan

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

const blockSize = 512

// Type flags, pax(1) "ustar Interchange Format" and GNU tar's header.
const (
	flagRegA     = 0
	flagReg      = '0'
	flagLink     = '1'
	flagSymlink  = '2'
	flagChar     = '3'
	flagBlock    = '4'
	flagDir      = '5'
	flagFifo     = '6'
	flagCont     = '7'
	flagGlobal   = 'g'
	flagExtended = 'x'
	flagDumpDir  = 'D' // GNU: a folder of an incremental archive, with a list of names as content
	flagLongName = 'L'
	flagLongLink = 'K'
	flagSparse   = 'S'
)

type dialect uint8

const (
	dialectV7 dialect = iota
	dialectUSTAR
	dialectStar
	dialectGNU
)

// header is one block, parsed. Its byte slices point into the block or into
// the scanner's scratch space.
type header struct {
	dialect      dialect
	flag         byte
	name, link   []byte
	size         int64
	mode         int64
	uid, gid     int64
	mtime        int64
	major, minor int64
}

// headerOnly reports whether records of this type have no content whatever
// size they claim.
func headerOnly(flag byte) bool {
	switch flag {
	case flagLink, flagSymlink, flagChar, flagBlock, flagDir, flagFifo:
		return true
	}
	return false
}

// parse reads a block. join is scratch space for a name made of prefix and
// name; it is returned, as it may have grown.
func (h *header) parse(b []byte, join []byte) (_ []byte, ok bool) {
	_ = b[blockSize-1]
	if !checksum(b) {
		return join, false
	}
	ok = true
	number := func(from, to int) int64 {
		n, good := numeric(b[from:to])
		ok = ok && good
		return n
	}
	*h = header{
		flag:  b[156],
		name:  cString(b[0:100]),
		link:  cString(b[157:257]),
		size:  number(124, 136),
		mode:  number(100, 108),
		uid:   number(108, 116),
		gid:   number(116, 124),
		mtime: number(136, 148),
	}
	switch {
	case string(b[257:263]) == "ustar\x00" && string(b[508:512]) == "tar\x00":
		h.dialect = dialectStar
	case string(b[257:263]) == "ustar\x00":
		h.dialect = dialectUSTAR
	case string(b[257:265]) == "ustar  \x00":
		h.dialect = dialectGNU
	default:
		return join, ok
	}
	h.major, h.minor = number(329, 337), number(337, 345)
	var prefix []byte
	switch h.dialect {
	case dialectUSTAR:
		prefix = cString(b[345:500])
	case dialectStar:
		prefix = cString(b[345:476])
		number(476, 488) // access and change time are checked, and not kept
		number(488, 500)
	case dialectGNU:
		// GNU has its access and change time where USTAR has the prefix. Go
		// before 1.8 wrote names there nevertheless, and archive/tar goes on
		// reading them when the times do not parse.
		_, a := optional(b[345:357])
		_, c := optional(b[357:369])
		if p := cString(b[345:500]); (!a || !c) && isASCII(p) {
			prefix = p
		}
	}
	if len(prefix) > 0 {
		join = append(append(append(join[:0], prefix...), '/'), h.name...)
		h.name = join
	}
	return join, ok
}

// optional is numeric for a field that may be unset.
func optional(b []byte) (int64, bool) {
	if b[0] == 0 {
		return 0, true
	}
	return numeric(b)
}

// checksum holds the block against its checksum, which sums all bytes with the
// field itself taken as spaces; old Sun tars summed signed bytes.
func checksum(b []byte) bool {
	want, ok := octal(b[148:156])
	if !ok {
		return false
	}
	// Eight bytes at a time, in two sets of four 16-bit lanes: 64 additions of
	// at most 255 do not overflow them.
	const lanes = 0x00ff00ff00ff00ff
	var even, odd uint64
	for i := 0; i < blockSize; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		if i == 144 { // bytes 148 to 151
			x = x&0xffffffff | 0x20202020<<32
		} else if i == 152 { // bytes 152 to 155
			x = x&^0xffffffff | 0x20202020
		}
		even += x & lanes
		odd += x >> 8 & lanes
	}
	var sum int64
	for s := 0; s < 64; s += 16 {
		sum += int64(even>>s&0xffff) + int64(odd>>s&0xffff)
	}
	if sum == want {
		return true
	}
	var signed int64
	for i, c := range b[:blockSize] {
		if i >= 148 && i < 156 {
			c = ' '
		}
		signed += int64(int8(c))
	}
	return signed == want
}

// numeric parses a field in base 256 (GNU, star: the first bit is set, the
// rest is big endian, two's complement) or in octal.
func numeric(b []byte) (int64, bool) {
	if b[0]&0x80 == 0 {
		return octal(b)
	}
	var inv byte
	if b[0]&0x40 != 0 {
		inv = 0xff
	}
	var x uint64
	for i, c := range b {
		c ^= inv
		if i == 0 {
			c &= 0x7f
		}
		if x>>56 > 0 {
			return 0, false
		}
		x = x<<8 | uint64(c)
	}
	if x>>63 > 0 {
		return 0, false
	}
	if inv != 0 {
		return ^int64(x), true
	}
	return int64(x), true
}

// octal parses digits that may stand between NULs and spaces; nothing is 0.
func octal(b []byte) (int64, bool) {
	var x int64
	for i, c := range b { // the common form: digits, then NUL or space to the end
		if c >= '0' && c <= '7' && i < 20 {
			x = x<<3 | int64(c-'0')
			continue
		}
		if i > 0 && (c == 0 || c == ' ' && i == len(b)-1) {
			return x, true
		}
		return octalSlow(b)
	}
	return x, true
}

func octalSlow(b []byte) (int64, bool) {
	b = bytes.Trim(b, " \x00")
	if len(b) == 0 {
		return 0, true
	}
	x, err := strconv.ParseUint(string(cString(b)), 8, 64)
	return int64(x), err == nil
}

// cString cuts b at its first NUL.
func cString(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 || c == 0 {
			return false
		}
	}
	return true
}

// isZero reports whether b is all zeros.
func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// IsHeader reports whether b begins with a block that is a tar header, by its
// checksum.
func IsHeader(b []byte) bool { return len(b) >= blockSize && checksum(b) }
