package inflate

// A table decodes a Huffman code: it is indexed by the next bits of the stream.
// Codes that are longer than its primary part lead to a second one.
//
//	bits 0–3    length of the code; of a link, nothing
//	bits 4–7    extra bits that follow; of a link, bits of the second index
//	bits 8–11   what it is: literal, link, end, invalid
//	bits 16–31  the literal, the base that extra bits add to, where a link leads
type table struct {
	entries [tableSize]uint32
	bits    uint // of the primary index
}

const (
	isLiteral = 1 << 8
	isLink    = 1 << 9
	isEnd     = 1 << 10
	isInvalid = 1 << 11

	// tableSize is a power of two above what any code needs: 1,334 entries for
	// 288 symbols behind 10 bits.
	tableSize = 2048
	maxCode   = 15
)

// build makes the table of a code from the lengths of its symbols. It refuses
// codes that are over-subscribed or incomplete, but for those that
// compress/flate takes too: none at all, and a single one of one bit.
func (t *table) build(lengths []uint8, bits uint, entry func(symbol int) uint32) bool {
	var count [maxCode + 1]int
	longest := uint(0)
	for _, n := range lengths {
		if n != 0 {
			count[n]++
			longest = max(longest, uint(n))
		}
	}
	t.bits = min(bits, max(longest, 1))
	size := 1 << t.bits
	if longest == 0 {
		for i := range size {
			t.entries[i] = isInvalid
		}
		return true
	}
	var next [maxCode + 1]int
	code := 0
	for n := uint(1); n <= longest; n++ {
		code <<= 1
		next[n] = code
		code += count[n]
	}
	if code != 1<<longest && !(code == 1 && longest == 1) {
		return false
	}
	if code == 1 && longest == 1 {
		for i := range size {
			t.entries[i] = isInvalid
		}
	}
	// Codes of one prefix stand together when symbols are taken by length, so
	// that the second table of a prefix is made when its first code comes. It is
	// as wide as the longest code of that prefix, which is found by counting.
	for i := range size {
		if longest > t.bits {
			t.entries[i] = isInvalid
		}
	}
	free := size
	var order [288]uint16
	var at [maxCode + 2]int
	for n := 1; n <= int(longest); n++ {
		at[n+1] = at[n] + count[n]
	}
	for s, n := range lengths {
		if n != 0 {
			order[at[n]] = uint16(s)
			at[n]++
		}
	}
	total := at[longest]
	for i := 0; i < total; i++ {
		s := int(order[i])
		n := uint(lengths[s])
		code := next[n]
		next[n]++
		e := entry(s) | uint32(n)
		back := reverse(code, n)
		if n <= t.bits {
			for j := back; j < size; j += 1 << n {
				t.entries[j] = e
			}
			continue
		}
		low := back & (size - 1)
		link := t.entries[low]
		if link&isLink == 0 {
			// How many bits does this prefix still need?
			width := n - t.bits
			left := 1 << width
			left -= count[n] - (code - firstOf(&count, n))
			for left > 0 && t.bits+width < longest {
				width++
				left = left<<1 - count[t.bits+width]
			}
			if free+1<<width > tableSize {
				return false
			}
			link = uint32(free)<<16 | uint32(width)<<4 | isLink
			t.entries[low] = link
			free += 1 << width
		}
		width := uint(link>>4) & 15
		for j := back >> t.bits; j < 1<<width; j += 1 << (n - t.bits) {
			t.entries[int(link>>16)+j] = e
		}
	}
	return true
}

// firstOf is the first code of n bits.
func firstOf(count *[maxCode + 1]int, n uint) int {
	code := 0
	for i := uint(1); i <= n; i++ {
		code = (code + count[i-1]) << 1
	}
	return code
}

// reverse turns a code of n bits around: DEFLATE packs codes from their most
// significant bit on, and everything else from the least.
func reverse(code int, n uint) int {
	back := 0
	for range n {
		back = back<<1 | code&1
		code >>= 1
	}
	return back
}

// lengthEntry and distEntry say what a symbol means (RFC 1951 section 3.2.5).
func lengthEntry(s int) uint32 {
	switch {
	case s < 256:
		return uint32(s)<<16 | isLiteral
	case s == 256:
		return isEnd
	case s < 265:
		return uint32(s-257+3) << 16
	case s < 285:
		extra := uint32(s-261) / 4
		return (4+uint32(s-265)%4)<<extra<<16 + 3<<16 | extra<<4
	case s == 285:
		return 258 << 16
	}
	return isInvalid
}

func distEntry(s int) uint32 {
	switch {
	case s < 4:
		return uint32(s+1) << 16
	case s < 30:
		extra := uint32(s-2) / 2
		return ((2+uint32(s)%2)<<extra+1)<<16 | extra<<4
	}
	return isInvalid
}
