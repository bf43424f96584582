package codec

import "bytes"

// Names of compressions, as imagecore.Source has them. Those that Detect knows
// beyond them are named to say what is not read.
const (
	None  = "none"
	Gzip  = "gzip"
	Zstd  = "zstd"
	XZ    = "xz"
	Bzip2 = "bzip2"
)

// HeadSize is how many bytes Detect wants to see.
const HeadSize = 10

// Detect names the compression of a stream that begins with head: one of the
// constants above, or "compress", "lz4", "lzip", "7z" or "zip", which are not
// read. Shorter heads than HeadSize are fine at the end of a stream.
func Detect(head []byte) string {
	has := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case has("\x1f\x8b"): // RFC 1952
		return Gzip
	case has("\x28\xb5\x2f\xfd"): // RFC 8878
		return Zstd
	case len(head) >= 4 && head[0]&0xf0 == 0x50 && has(string(head[0])+"\x2a\x4d\x18"): // skippable frame, RFC 8878
		return Zstd
	case has("\xfd7zXZ\x00"):
		return XZ
	// A file's name may begin with BZh9, so the first block counts in: it
	// begins with the digits of pi, an empty stream ends with those of its root.
	case has("BZh") && len(head) >= 10 && (string(head[4:10]) == "1AY&SY" || string(head[4:10]) == "\x17rE8P\x90"):
		return Bzip2
	case has("\x1f\x9d"):
		return "compress"
	case has("\x04\x22\x4d\x18"):
		return "lz4"
	case has("LZIP\x01"):
		return "lzip"
	case has("7z\xbc\xaf\x27\x1c"):
		return "7z"
	case has("PK\x03\x04"), has("PK\x05\x06"):
		return "zip"
	}
	return None
}
