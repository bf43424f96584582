package archive

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// estargzFooter is one as stargz-snapshotter writes it.
func estargzFooter(offset int64) string {
	return "\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff" + "\x1a\x00SG\x16\x00" + fmt.Sprintf("%016xSTARGZ", offset) + "\x01\x00\x00\xff\xff" + strings.Repeat("\x00", 8)
}

// zstdChunkedFooter is one as containers/storage writes it.
func zstdChunkedFooter() string {
	b := binary.LittleEndian.AppendUint32(nil, 0x184D2A50)
	b = binary.LittleEndian.AppendUint32(b, 64)
	return string(append(append(b, make([]byte, 56)...), "GNUlInUx"...))
}

func TestFormsByTheirFooters(t *testing.T) {
	chunked := zstdChunkedFooter()
	for _, c := range []struct {
		name, tail string
		size       int64
		want       string
	}{
		{"estargz", strings.Repeat("x", 21) + estargzFooter(4152), 4496, EStargz},
		{"estargz, nothing before", estargzFooter(0), 51, EStargz},
		{"a table beyond the blob", estargzFooter(4496), 4496, ""},
		{"a negative offset", strings.Replace(estargzFooter(0), "00000000000000", "-0000000000001", 1), 51, ""},
		{"zstd:chunked", chunked, 1000, ZstdChunked},
		{"another skippable frame", chunked[:64] + "anything", 1000, ""},
		{"short", "STARGZ", 6, ""},
		{"nothing", "", 0, ""},
	} {
		if got := formOfFooter([]byte(c.tail), c.size); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
