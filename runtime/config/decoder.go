package config

import (
	"math"
	"strings"
	"unicode/utf8"
)

// decoder reads JSON text (RFC 8259) from left to right. Once it meets what it
// does not understand it is bad and at its end, so that every loop stops.
type decoder struct {
	s     string
	i     int // next byte
	depth int // of skip
	bad   bool
}

// maxDepth is how deep a value that nobody asks for may nest.
const maxDepth = 200

func (d *decoder) fail() {
	d.bad, d.i = true, len(d.s)
}

// peek returns the next byte that is not white space; 0 at the end.
func (d *decoder) peek() byte {
	for d.i < len(d.s) {
		switch c := d.s[d.i]; c {
		case ' ', '\t', '\n', '\r':
			d.i++
		case 0:
			d.fail()
		default:
			return c
		}
	}
	return 0
}

// take consumes a byte.
func (d *decoder) take(c byte) bool {
	if d.peek() != c {
		return false
	}
	d.i++
	return true
}

// word consumes a literal.
func (d *decoder) word(w string) bool {
	d.peek()
	if !strings.HasPrefix(d.s[d.i:], w) {
		return false
	}
	d.i += len(w)
	return true
}

// null consumes a null, which leaves a value as it is.
func (d *decoder) null() bool { return d.peek() == 'n' && d.word("null") }

// open begins an object or an array.
func (d *decoder) open(c byte) {
	if !d.take(c) {
		d.fail()
	}
}

// more reports whether another element follows before the closing byte, which
// it consumes.
func (d *decoder) more(closing byte, first bool) bool {
	if d.bad || d.take(closing) {
		return false
	}
	if !first && !d.take(',') {
		d.fail()
		return false
	}
	if !first && d.peek() == closing { // a comma too many
		d.fail()
		return false
	}
	if d.peek() == 0 {
		d.fail()
		return false
	}
	return true
}

// key returns the next key of an object, and false at its end.
func (d *decoder) key(first bool) (string, bool) {
	if !d.more('}', first) {
		return "", false
	}
	k := d.str()
	if !d.take(':') {
		d.fail()
	}
	return k, !d.bad
}

// once notes that a key was met; what comes twice is merged by rules that
// encoding/json knows.
func (d *decoder) once(seen *uint64, key int) {
	if *seen&(1<<key) != 0 {
		d.fail()
	}
	*seen |= 1 << key
}

// other skips the value of a key that is none of the names, and gives up where
// it is one of them in other letters.
func (d *decoder) other(key string, names ...string) {
	for _, n := range names {
		if len(n) == len(key) && strings.EqualFold(n, key) {
			d.fail()
			return
		}
	}
	for i := range len(key) {
		if key[i] >= utf8.RuneSelf { // K and ſ fold into ASCII
			d.fail()
			return
		}
	}
	d.skip()
}

// skip consumes any value.
func (d *decoder) skip() {
	if d.depth++; d.depth > maxDepth {
		d.fail()
	}
	switch c := d.peek(); c {
	case '{':
		d.i++
		for first := true; ; first = false {
			if _, ok := d.key(first); !ok {
				break
			}
			d.skip()
		}
	case '[':
		d.i++
		for first := true; d.more(']', first); first = false {
			d.skip()
		}
	case '"':
		d.str()
	case 't', 'f':
		d.boolean()
	case 'n':
		if !d.null() {
			d.fail()
		}
	default:
		d.integer()
	}
	d.depth--
}

// str reads a string; it is a part of the text unless something is escaped.
func (d *decoder) str() string {
	if !d.take('"') {
		d.fail()
		return ""
	}
	start, ascii := d.i, true
	for ; d.i < len(d.s); d.i++ {
		switch c := d.s[d.i]; {
		case c == '"':
			v := d.s[start:d.i]
			if !ascii && !utf8.ValidString(v) {
				d.fail()
				return ""
			}
			d.i++
			return v
		case c == '\\':
			return d.escaped(start)
		case c < ' ':
			d.fail()
			return ""
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	d.fail()
	return ""
}

// escaped reads the rest of a string from its first backslash on.
func (d *decoder) escaped(start int) string {
	var b strings.Builder
	b.WriteString(d.s[start:d.i])
	for d.i < len(d.s) {
		c := d.s[d.i]
		d.i++
		switch {
		case c == '"':
			if v := b.String(); utf8.ValidString(v) {
				return v
			}
			d.fail()
			return ""
		case c < ' ':
			d.fail()
			return ""
		case c != '\\':
			b.WriteByte(c)
			continue
		}
		if d.i >= len(d.s) {
			break
		}
		c = d.s[d.i]
		d.i++
		if c == 'u' {
			r, ok := hex4(d.s[d.i:])
			if !ok || r >= 0xd800 && r < 0xe000 { // one of a pair
				d.fail()
				return ""
			}
			d.i += 4
			b.WriteRune(r)
			continue
		}
		n := strings.IndexByte(`"\/bfnrt`, c)
		if n < 0 {
			d.fail()
			return ""
		}
		b.WriteByte("\"\\/\b\f\n\r\t"[n])
	}
	d.fail()
	return ""
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for i := range 4 {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func (d *decoder) boolean() bool {
	if d.word("true") {
		return true
	}
	if !d.word("false") {
		d.fail()
	}
	return false
}

// integer reads a number without fraction and exponent: its sign and its value.
func (d *decoder) integer() (negative bool, n uint64) {
	negative = d.take('-')
	start := d.i
	for ; d.i < len(d.s) && d.s[d.i] >= '0' && d.s[d.i] <= '9'; d.i++ {
		c := uint64(d.s[d.i] - '0')
		if n > (math.MaxUint64-c)/10 {
			d.fail()
			return false, 0
		}
		n = n*10 + c
	}
	digits := d.i - start
	if digits == 0 || digits > 1 && d.s[start] == '0' {
		d.fail()
		return false, 0
	}
	if d.i < len(d.s) && (d.s[d.i] == '.' || d.s[d.i]|0x20 == 'e') {
		d.fail()
		return false, 0
	}
	return negative, n
}

// unsigned reads a number of at most so many bits.
func (d *decoder) unsigned(bits int) uint64 {
	negative, n := d.integer()
	if negative || bits < 64 && n>>bits != 0 {
		d.fail()
		return 0
	}
	return n
}

// signed is the same with a sign.
func (d *decoder) signed(bits int) int64 {
	negative, n := d.integer()
	limit := uint64(1) << (bits - 1)
	switch {
	case negative && n <= limit:
		return -int64(n)
	case !negative && n < limit:
		return int64(n)
	}
	d.fail()
	return 0
}
