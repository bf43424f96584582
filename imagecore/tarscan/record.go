package tarscan

import (
	"fmt"
	"math"

	"github.com/layerlab/layerlab/imagecore"
)

// record makes an entry of a header. known is false for a type that nobody
// knows; its content is passed over all the same.
func (s *Scanner) record(e *imagecore.Entry, h *header, blk []byte, begin, at, nsec int64) (known bool, _ error) {
	if h.flag == flagRegA { // V7 has no type for folders, but a slash
		h.flag = flagReg
		if n := len(h.name); n > 0 && h.name[n-1] == '/' {
			h.flag = flagDir
		}
	}
	stored := h.size
	if headerOnly(h.flag) {
		stored = 0
	}
	if stored < 0 {
		return false, bad("the size is negative").At(short(h.name), at)
	}
	data := at + blockSize
	link := s.names.add(h.link)
	name := h.name
	if len(s.pax.sparseName) > 0 && s.isPAXSparse() {
		name = s.pax.sparseName
	}
	*e = imagecore.Entry{
		Name:    s.names.add(name),
		Mode:    uint32(h.mode) & 0o7777,
		ModTime: h.mtime,
		ModNano: int32(nsec),
		Offset:  begin,
	}
	if h.flag == flagSparse || len(s.pax.sparseMajor)+len(s.pax.sparseMin)+len(s.pax.sparseMap) > 0 {
		copy(s.block[:], blk) // reading on may overwrite it
		frags, is, err := s.sparse(h, s.block[:], &data, &stored)
		if err != nil {
			if ie, ok := err.(*imagecore.Error); ok {
				return false, ie.At(short(e.Name), begin)
			}
			return false, s.trail(err)
		}
		if is {
			e.Sparse = frags
			if h.flag == flagSparse {
				h.flag = flagReg
			}
		}
	}
	e.DataOffset, e.Stored = data, stored
	if stored > math.MaxInt64-blockSize-data {
		return false, bad("the size is beyond all bounds").At(short(e.Name), begin)
	}
	s.pos, s.content, s.end = data, data, data+stored
	s.src.skipped(stored, data-begin)
	s.last, s.lastOff = e.Name, begin
	if s.records++; s.records > s.o.Limits.Entries {
		return false, tooLarge("too-many-entries", "more entries than the limit", s.records, s.o.Limits.Entries).At(short(e.Name), begin)
	}
	if err := s.remember(e, link); err != nil {
		return false, err.At(short(e.Name), begin)
	}
	if s.records-s.tickedRecords >= tickRecords {
		if err := s.doTick(s.content); err != nil {
			return false, err
		}
	}
	switch h.flag {
	case flagReg, flagCont:
		e.Kind, e.Size = imagecore.File, h.size
	case flagDir, flagDumpDir:
		e.Kind, e.Stored = imagecore.Dir, 0
	case flagSymlink:
		e.Kind, e.Link = imagecore.Symlink, link
	case flagLink:
		e.Kind = imagecore.Hardlink
	case flagChar:
		e.Kind = imagecore.Char
	case flagBlock:
		e.Kind = imagecore.Block
	case flagFifo:
		e.Kind = imagecore.Fifo
	default:
		s.warn("unknown-type", fmt.Sprintf("a record of the unknown type %q is left out", h.flag), e.Name, begin, "type", string(rune(h.flag)))
		return false, nil
	}
	return true, s.finish(e, h, link)
}

// remember counts what an entry holds beyond its fixed size, before its
// attributes are made of the extended header.
func (s *Scanner) remember(e *imagecore.Entry, link string) *imagecore.Error {
	s.text += int64(len(e.Name)+len(link)+s.pax.xattrBytes) + xattrSize*int64(len(s.pax.xattrs)) + fragmentSize*int64(len(e.Sparse))
	if limit := s.o.Limits.Text + imagecore.TextEach*int64(s.records); s.text > limit {
		return tooLarge("names-too-large", "the names, link targets and attributes of all entries are larger than the limit", s.text, limit)
	}
	return nil
}

// What an attribute and a fragment take beside their bytes.
const (
	xattrSize    = 32
	fragmentSize = 16
)

// isPAXSparse reports whether the records name a version of sparse files that
// is known, which is when their name takes precedence.
func (s *Scanner) isPAXSparse() bool {
	p := &s.pax
	switch string(p.sparseMajor) + "." + string(p.sparseMin) {
	case "0.0", "0.1", "1.0":
		return true
	case ".":
		return len(p.sparseMap) > 0
	}
	return false
}

// finish checks the entry against the limits and gives it its path and ids.
func (s *Scanner) finish(e *imagecore.Entry, h *header, link string) error {
	place := func(err *imagecore.Error) error { return err.At(short(e.Name), e.Offset) }
	l := &s.o.Limits
	if err := checkName(e.Name, l); err != nil {
		return place(err)
	}
	if len(link) > l.Path {
		return place(tooLarge("path-too-long", "the link's target is longer than the limit", len(link), l.Path))
	}
	if e.Size > l.Layer-s.unpacked {
		return place(tooLarge("layer-too-large", "the contents are larger than the limit", e.Size, l.Layer-s.unpacked))
	}
	s.unpacked += e.Size
	var ok [4]bool
	e.UID, ok[0] = id32(h.uid)
	e.GID, ok[1] = id32(h.gid)
	ok[2], ok[3] = true, true
	if e.Kind == imagecore.Char || e.Kind == imagecore.Block {
		e.Major, ok[2] = id32(h.major)
		e.Minor, ok[3] = id32(h.minor)
	}
	if ok != [4]bool{true, true, true, true} {
		return place(imagecore.NewError(imagecore.ErrInvalid, "id-too-large", "an owner or device number does not fit into 32 bits"))
	}
	if len(s.pax.xattrs) > 0 && !s.pax.sameXattrs(s.xattrs) {
		var xerr *imagecore.Error
		if s.xattrs, xerr = s.pax.sortedXattrs(&s.names); xerr != nil {
			return place(xerr)
		}
	}
	if len(s.pax.xattrs) > 0 {
		e.Xattrs = s.xattrs
	}
	kind := e.Kind
	code := classify(e, s.o.Whiteouts)
	if e.Kind != kind {
		e.Header = kind
	}
	if kind == imagecore.Hardlink {
		target, inside := Clean(link)
		if !inside {
			target = link
		}
		e.Link = target
		if !inside && e.Kind == imagecore.Hardlink && !e.Escapes {
			e.Escapes, code = true, "escapes-root"
		}
	}
	if code != "" {
		s.warn(code, warningWords(code), e.Name, e.Offset)
	}
	return nil
}

func id32(n int64) (uint32, bool) { return uint32(n), n >= 0 && n <= math.MaxUint32 }

// warningWords are the English sentences of classify's codes.
func warningWords(code string) string {
	switch code {
	case "escapes-root":
		return "the name or the hard link's target leaves the root; the entry is left out"
	case "no-name":
		return "the entry has no name and is not a folder; it is left out"
	case "bad-whiteout":
		return "the whiteout names its own folder or the one above; it is left out"
	case "whiteout-in-rootfs":
		return "the name looks like a whiteout, which has a meaning in layers only; it is a file like any other here"
	}
	return code
}
