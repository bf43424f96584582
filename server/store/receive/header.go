//go:build linux

package receive

import (
	"bytes"
	"strconv"
)

// blockSize is a tar's.
const blockSize = 512

// fileSize says how many bytes follow a header of a tar, and whether they are a
// file's. ok is false for what is no header.
func fileSize(block []byte) (size int64, file, ok bool) {
	sum, ok := number(block[148:156])
	if !ok {
		return 0, false, false
	}
	got := int64(8 * ' ')
	for i, b := range block {
		if i < 148 || i >= 156 {
			got += int64(b)
		}
	}
	if got != sum {
		return 0, false, false
	}
	size, ok = number(block[124:136])
	if !ok {
		return 0, false, false // of more than 8 GiB
	}
	switch block[156] {
	case '0', 0, '7':
		return size, true, true
	case '1', '2', '3', '4', '5', '6':
		return 0, false, true
	}
	return size, false, true
}

// number reads an octal field.
func number(field []byte) (int64, bool) {
	text := bytes.Trim(field, " \x00")
	n, err := strconv.ParseInt(string(text), 8, 64)
	return n, err == nil && n >= 0
}
