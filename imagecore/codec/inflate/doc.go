// Package inflate unpacks gzip (RFC 1952) and remembers where it can begin
// anew, so that a byte in the middle costs a piece of the stream and not all of
// what stands before it:
//
//	stored bytes → NewReader → bytes, and a Point now and then
//	stored bytes from a Point on → Resume → bytes from there on
//
// DEFLATE (RFC 1951) refers back to the last 32 KiB of its output and begins
// its blocks at any bit; a Point is therefore a bit offset at which a block
// begins, and those 32 KiB. Decoders of other packages do not tell the bit,
// which is why there is one here; it also takes half the time of theirs. What
// it takes for valid is what compress/gzip does: a fuzz target holds the two
// against each other.
package inflate

// WindowSize is how far back DEFLATE refers, in bytes.
const WindowSize = 32 << 10

// Point is a place where unpacking can begin.
type Point struct {
	Bit    int64  // of the stored stream, where a block begins
	Out    int64  // bytes unpacked before
	Window []byte // the last of them, at most WindowSize; not to be changed
}

// Byte is the stored byte to read from for Resume.
func (p Point) Byte() int64 { return p.Bit >> 3 }
