package tarscan

import (
	"bytes"
	"math"
	"strconv"

	"github.com/layerlab/layerlab/imagecore"
)

// maxSpecial bounds what is read for one header: an extended header, a long
// name, the map of a sparse file. archive/tar and libarchive have the same.
const maxSpecial = 1 << 20 // bytes

// sparse finds out whether the record is a sparse file, and if so reads its
// map and sets h.size to the size with holes. first is the header's block.
// data and stored, the place and length of the content, move behind the map.
func (s *Scanner) sparse(h *header, first []byte, data, stored *int64) (frags []imagecore.Fragment, is bool, err error) {
	p := &s.pax
	switch {
	case h.flag == flagSparse:
		if h.dialect != dialectGNU { // star has the flag with another layout
			return nil, true, bad("sparse file in a header that is not GNU's")
		}
		frags, err = s.oldGNU(h, first, data)
	default:
		major, minor := string(p.sparseMajor), string(p.sparseMin)
		one := false
		switch {
		case major == "0" && (minor == "0" || minor == "1"):
		case major == "1" && minor == "0":
			one = true
		case major != "" || minor != "":
			return nil, false, nil // of a version nobody knows: archive/tar takes it as it is stored
		case len(p.sparseMap) > 0: // 0.0 and 0.1 may leave their version out
		default:
			return nil, false, nil
		}
		size := p.sparseSize
		if len(size) == 0 {
			size = p.sparseReal
		}
		if len(size) > 0 {
			n, perr := strconv.ParseInt(string(size), 10, 64)
			if perr != nil {
				return nil, true, badSparse("size of the sparse file is not a number")
			}
			h.size = n
		}
		if one {
			frags, err = s.sparse10(data, stored)
		} else {
			frags, err = sparse01(p)
		}
	}
	if err != nil {
		return nil, true, err
	}
	if headerOnly(h.flag) {
		return nil, true, badSparse("sparse map of something that has no content")
	}
	frags, ok := validFragments(frags, h.size, *stored)
	if !ok {
		return nil, true, badSparse("sparse map contradicts the size of the file or of its stored content")
	}
	return frags, true, nil
}

// validFragments checks order, overlap and bounds, and drops empty fragments.
func validFragments(frags []imagecore.Fragment, size, stored int64) ([]imagecore.Fragment, bool) {
	if size < 0 {
		return nil, false
	}
	kept := frags[:0]
	var end, sum int64
	for _, f := range frags {
		if f.Offset < 0 || f.Length < 0 || f.Offset > math.MaxInt64-f.Length || f.Offset+f.Length > size || end > f.Offset {
			return nil, false
		}
		end = f.Offset + f.Length
		sum += f.Length
		if f.Length > 0 {
			kept = append(kept, f)
		}
	}
	return kept, sum == stored
}

// oldGNU reads the map of GNU's own format: four fragments in the header and
// 21 in each of the blocks that may follow it (GNU tar manual, "Old GNU Format").
func (s *Scanner) oldGNU(h *header, first []byte, data *int64) ([]imagecore.Fragment, error) {
	size, ok := numeric(first[483:495])
	if !ok {
		return nil, badSparse("size of the sparse file is not a number")
	}
	h.size = size
	frags := make([]imagecore.Fragment, 0, 4)
	table, extended := first[386:482], first[482] > 0
	for read := len(table) + 1; ; {
		for ; len(table) >= 24 && table[0] != 0; table = table[24:] {
			offset, ok1 := numeric(table[:12])
			length, ok2 := numeric(table[12:24])
			if !ok1 || !ok2 {
				return nil, badSparse("sparse map holds something else than numbers")
			}
			frags = append(frags, imagecore.Fragment{Offset: offset, Length: length})
		}
		if !extended {
			return frags, nil
		}
		blk, err := s.src.at(*data, blockSize)
		if err != nil {
			return nil, err
		}
		if len(blk) < blockSize {
			return nil, truncated("the tar ends within the map of a sparse file", blockSize, int64(len(blk)))
		}
		*data += blockSize
		table, extended = blk[:504], blk[504] > 0
		if read += blockSize; read >= maxSpecial {
			return nil, tooLarge("header-too-large", "the map of a sparse file is larger than the limit", read, maxSpecial)
		}
	}
}

// sparse01 reads the map of GNU's PAX format 0.1: numbers between commas.
func sparse01(p *pax) ([]imagecore.Fragment, error) {
	n, err := strconv.ParseInt(string(p.sparseBlocks), 10, 0)
	fields := 0
	if len(p.sparseMap) > 0 {
		fields = bytes.Count(p.sparseMap, []byte(",")) + 1
	}
	if err != nil || n < 0 || fields%2 != 0 || int64(fields/2) != n {
		return nil, badSparse("sparse map has another number of fragments than it says")
	}
	frags := make([]imagecore.Fragment, 0, n)
	rest := p.sparseMap
	next := func() (v int64, ok bool) {
		var field []byte
		field, rest, _ = bytes.Cut(rest, []byte(","))
		v, err := strconv.ParseInt(string(field), 10, 64)
		return v, err == nil
	}
	for range n {
		offset, ok1 := next()
		length, ok2 := next()
		if !ok1 || !ok2 {
			return nil, badSparse("sparse map holds something else than numbers")
		}
		frags = append(frags, imagecore.Fragment{Offset: offset, Length: length})
	}
	return frags, nil
}

// sparse10 reads the map of GNU's PAX format 1.0, which stands before the
// content: decimal numbers, one a line, filled up to a block.
func (s *Scanner) sparse10(data, stored *int64) ([]imagecore.Fragment, error) {
	s.scratch = s.scratch[:0]
	lines := int64(0)
	need := func(n int64) error {
		for lines < n {
			if len(s.scratch)+blockSize > maxSpecial {
				return tooLarge("header-too-large", "the map of a sparse file is larger than the limit", len(s.scratch)+blockSize, maxSpecial)
			}
			if *stored < blockSize {
				return truncated("the content ends within the map of a sparse file", blockSize, *stored)
			}
			blk, err := s.src.at(*data, blockSize)
			if err != nil {
				return err
			}
			if len(blk) < blockSize {
				return truncated("the tar ends within the map of a sparse file", blockSize, int64(len(blk)))
			}
			s.scratch = append(s.scratch, blk...)
			lines += int64(bytes.Count(blk, []byte("\n")))
			*data, *stored = *data+blockSize, *stored-blockSize
		}
		return nil
	}
	from := 0
	next := func() (int64, bool) {
		end := from + bytes.IndexByte(s.scratch[from:], '\n')
		v, err := strconv.ParseInt(string(s.scratch[from:end]), 10, 64)
		from = end + 1
		return v, err == nil
	}
	if err := need(1); err != nil {
		return nil, err
	}
	n, ok := next()
	if !ok || n < 0 || n > maxSpecial {
		return nil, badSparse("sparse map does not say how many fragments it has")
	}
	if err := need(1 + 2*n); err != nil {
		return nil, err
	}
	frags := make([]imagecore.Fragment, 0, n)
	for range n {
		offset, ok1 := next()
		length, ok2 := next()
		if !ok1 || !ok2 {
			return nil, badSparse("sparse map holds something else than numbers")
		}
		frags = append(frags, imagecore.Fragment{Offset: offset, Length: length})
	}
	return frags, nil
}
