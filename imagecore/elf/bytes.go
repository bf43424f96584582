package elf

import (
	"encoding/binary"
	"io"
)

// How much is read at most.
const (
	maxPrograms = 256      // program headers
	maxSections = 8192     // section headers; a linker makes a few dozen
	maxNames    = 1 << 20  // bytes of the table of section names
	maxDynamic  = 64 << 10 // bytes of the dynamic section
	maxStrings  = 4 << 20  // bytes of a table of symbol names
	maxString   = 4096     // bytes of one name
	maxNeeded   = 512      // libraries
	maxNotes    = 64 << 10 // bytes of notes
	maxGo       = 1 << 20  // bytes of what Go tells of its modules
	maxModules  = 5000
	shownParts  = 200 // sections that are told, the largest
)

// file is what is read from.
type file struct {
	r     io.ReaderAt
	size  int64
	order binary.ByteOrder
	wide  bool // 64 bit
}

// at returns n bytes from offset on; nil where the file does not have them.
func (f *file) at(offset, n uint64) []byte {
	if n == 0 || n > maxStrings || offset > uint64(f.size) || n > uint64(f.size)-offset {
		return nil
	}
	b := make([]byte, n)
	if got, err := f.r.ReadAt(b, int64(offset)); got < len(b) && err != nil {
		return nil
	}
	return b
}

// word reads a number of the file's own width at the beginning of b.
func (f *file) word(b []byte) uint64 {
	if f.wide {
		return f.order.Uint64(b)
	}
	return uint64(f.order.Uint32(b))
}

// text returns the string that begins at a byte of a table and ends with a NUL;
// "" where there is none, or one that is too long.
func text(table []byte, at uint64) string {
	if at >= uint64(len(table)) {
		return ""
	}
	for i, c := range table[at:min(uint64(len(table)), at+maxString)] {
		if c == 0 {
			return string(table[at : at+uint64(i)])
		}
	}
	return ""
}
