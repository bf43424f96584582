package tarscan

import (
	"fmt"
	"io"
	"strconv"

	"github.com/layerlab/layerlab/imagecore"
)

// maxWarnings bounds what one tar may have to be said about it, where nobody says otherwise.
const maxWarnings = 1000

// tickRecords and tickBytes are how far a scan goes between two ticks.
const (
	tickRecords = 512
	tickBytes   = 1 << 20
)

// Scanner reads a tar record by record. It is not safe for concurrent use.
type Scanner struct {
	src      source
	o        Options
	err      error // what ended the scan, io.EOF included
	stopped  error // what Tick returned
	warnings []imagecore.Warning
	dropped  int // warnings beyond maxWarnings

	names   arena
	xattrs  []imagecore.Xattr // of the last record that had some: neighbours often have the same
	pax     pax
	long    []byte // GNU long name for the next record
	longTo  []byte // GNU long link
	join    []byte // scratch: prefix and name
	scratch []byte // scratch: map of a sparse file
	block   [blockSize]byte

	pos      int64 // where the next header begins
	content  int64 // where the content of the record just returned begins
	end      int64 // and ends
	last     string
	lastOff  int64
	records  int
	unpacked int64 // bytes of all contents with their holes
	text     int64 // bytes of names, targets and attributes, those read elsewhere included

	marked        bool  // the end of the tar is marked
	ticked        int64 // offset at the last tick
	tickedRecords int
}

func newScanner(o Options) *Scanner {
	if o.Warnings <= 0 {
		o.Warnings = maxWarnings
	}
	return &Scanner{o: o, records: o.Counted, tickedRecords: o.Counted, text: o.Text}
}

// NewReaderAt scans the tar that src holds in its first size bytes.
func NewReaderAt(src io.ReaderAt, size int64, o Options) *Scanner {
	s := newScanner(o)
	s.src = &window{src: src, size: size, access: o.Access.orNative(), filled: s.tick}
	return s
}

// NewReader scans the tar that r streams. Contents are read and dropped unless
// they are asked for by Content.
func NewReader(r io.Reader, o Options) *Scanner {
	s := newScanner(o)
	s.src = &stream{r: r, store: make([]byte, o.Access.orNative().streamBuffer()), filled: s.tick}
	return s
}

// streamBuffer is how much of a stream is asked for at once: a decompressor
// gives no more than some ten kilobytes.
func (a Access) streamBuffer() int { return min(a.Window, 64<<10) }

// Warnings returns what is odd about the records read so far. Their Layer is
// -1: the scanner knows of none.
func (s *Scanner) Warnings() []imagecore.Warning {
	if s.dropped == 0 {
		return s.warnings
	}
	n := strconv.Itoa(s.dropped)
	return append(s.warnings[:len(s.warnings):len(s.warnings)], imagecore.Warning{
		Code: "more-warnings", Args: imagecore.Args("count", n), Layer: -1,
		Message: n + " more warnings are left out",
	})
}

// Offset returns how many bytes of the tar are behind the scanner: after
// io.EOF, where the tar ends, its closing blocks of zeros included.
func (s *Scanner) Offset() int64 { return s.pos }

// Text returns how many bytes the names, targets and attributes read so far
// take, Options.Text included.
func (s *Scanner) Text() int64 { return s.text }

// EndMarked reports, after io.EOF, whether blocks of zeros mark the end of the
// tar. Engines do without; where they are missing the tar may be cut short.
func (s *Scanner) EndMarked() bool { return s.marked }

// Next reads the next record into e, whose old value is overwritten. It
// returns io.EOF after the last one; an *imagecore.Error of kind ErrInvalid
// where the tar is malformed or ends early, of kind ErrTooLarge where a limit
// is crossed; what Tick returned; or the error of the source. Errors are final.
//
// Records that are not entries, such as global headers and those of types that
// nobody knows, are passed over with a warning.
func (s *Scanner) Next(e *imagecore.Entry) error {
	if s.err == nil {
		s.err = s.next(e)
	}
	return s.err
}

func (s *Scanner) next(e *imagecore.Entry) error {
	s.pax.reset()
	s.long, s.longTo = s.long[:0], s.longTo[:0]
	begin := int64(-1) // of the record, its extension headers included
	for {
		blk, err := s.header()
		if err != nil {
			return err
		}
		at := s.pos
		if begin < 0 {
			begin = at
		}
		var h header
		var ok bool
		if s.join, ok = h.parse(blk, s.join); !ok {
			return s.notHeader(blk, at)
		}
		stored := h.size
		if headerOnly(h.flag) {
			stored = 0
		}
		if stored < 0 {
			return bad("the size is negative").At(short(h.name), at)
		}
		switch h.flag {
		case flagExtended, flagGlobal, flagLongName, flagLongLink:
			if err := s.extension(&h, at); err != nil {
				return err
			}
			if h.flag == flagGlobal {
				begin = -1 // what stood before it belongs to nothing now
			}
			continue
		}
		nsec, ok := s.pax.merge(&h)
		if !ok {
			return bad("extended header holds something else than numbers").At(short(h.name), at)
		}
		if len(s.long) > 0 {
			h.name = s.long
		}
		if len(s.longTo) > 0 {
			h.link = s.longTo
		}
		known, err := s.record(e, &h, blk, begin, at, nsec)
		if err != nil {
			return err
		}
		if known {
			return nil
		}
		s.pax.reset()
		s.long, s.longTo = s.long[:0], s.longTo[:0]
		begin = -1
	}
}

// header returns the next header's block and sets pos to where it begins.
func (s *Scanner) header() ([]byte, error) {
	if s.end > s.pos {
		if ok, size, err := s.src.reaches(s.end); err != nil {
			return nil, s.trail(err)
		} else if !ok {
			return nil, truncated("the tar ends within the content", s.end-s.content, max(size-s.content, 0)).At(short(s.last), s.lastOff)
		}
		s.pos = s.end + padding(s.end)
	}
	blk, err := s.src.at(s.pos, blockSize)
	if err != nil {
		return nil, s.trail(err)
	}
	if len(blk) == 0 {
		return nil, io.EOF // without the closing blocks of zeros: common, and fine
	}
	if len(blk) < blockSize {
		return nil, truncated("the tar ends within a header", blockSize, int64(len(blk))).At("", s.pos)
	}
	if blk[0] != 0 || !isZero(blk) {
		return blk, nil
	}
	s.marked = true
	blk, err = s.src.at(s.pos+blockSize, blockSize)
	if err != nil {
		return nil, s.trail(err)
	}
	if len(blk) > 0 && len(blk) < blockSize {
		return nil, truncated("the tar ends within a header", blockSize, int64(len(blk))).At("", s.pos+blockSize)
	}
	if !isZero(blk) {
		return nil, bad("one block of zeros and then something else").At("", s.pos+blockSize)
	}
	s.pos += blockSize + int64(len(blk))
	if blk, err = s.src.at(s.pos, blockSize); err != nil {
		return nil, s.trail(err)
	} else if !isZero(blk) {
		s.warn("data-after-end", "something follows the end of the tar; no engine reads it", "", s.pos)
	}
	return nil, io.EOF
}

// notHeader says what is wrong with a block.
func (s *Scanner) notHeader(blk []byte, at int64) error {
	if !checksum(blk) {
		return bad("not a tar header: its checksum is wrong").At("", at)
	}
	return bad("header holds something else than numbers").At(short(cString(blk[:100])), at)
}

// extension reads a header that says something about the next record.
func (s *Scanner) extension(h *header, at int64) error {
	name := short(h.name)
	if h.size > maxSpecial {
		return tooLarge("header-too-large", "an extension header is larger than the limit", h.size, maxSpecial).At(name, at)
	}
	data, err := s.src.at(at+blockSize, int(h.size))
	if err != nil {
		return s.trail(err)
	}
	if int64(len(data)) < h.size {
		return truncated("the tar ends within an extension header", h.size, int64(len(data))).At(name, at)
	}
	s.content, s.end = at+blockSize, at+blockSize+h.size
	s.last, s.lastOff = name, at
	s.pos = s.end + padding(s.end)
	switch h.flag {
	case flagExtended, flagGlobal:
		if err := s.pax.parse(data, &s.o.Limits); err != nil {
			return err.At(name, at)
		}
	case flagLongName:
		s.long = append(s.long[:0], cString(data)...)
	case flagLongLink:
		s.longTo = append(s.longTo[:0], cString(data)...)
	}
	if h.flag == flagGlobal {
		s.warn("global-header", "a global PAX header is ignored, as engines do", name, at)
		s.pax.reset()
		s.long, s.longTo = s.long[:0], s.longTo[:0]
	}
	return nil
}

// short is a name as errors give it: those that are refused for their length
// would fill pages.
func short[N string | []byte](name N) string {
	const most = 200
	if len(name) > most {
		return string(name[:most]) + "…"
	}
	return string(name)
}

// padding returns the bytes from n to the next full block.
func padding(n int64) int64 { return -n & (blockSize - 1) }

func (s *Scanner) warn(code, message, entry string, offset int64, args ...string) {
	if len(s.warnings) >= s.o.Warnings {
		s.dropped++
		return
	}
	s.warnings = append(s.warnings, imagecore.Warning{
		Code: code, Args: imagecore.Args(args...), Message: message, Layer: -1, Entry: entry, Offset: offset,
	})
}

// trail says where the source failed; what Tick returned stays as it is.
func (s *Scanner) trail(err error) error {
	if err == s.stopped {
		return err
	}
	if ie, ok := err.(*imagecore.Error); ok {
		return ie // has its own place
	}
	return fmt.Errorf("tar at byte %d: %w", s.pos, err)
}

// tick is called whenever the source has read up to off.
func (s *Scanner) tick(off int64) error {
	if off-s.ticked < tickBytes {
		return nil
	}
	return s.doTick(off)
}

func (s *Scanner) doTick(off int64) error {
	s.ticked, s.tickedRecords = off, s.records
	if s.o.Progress != nil {
		s.o.Progress(off)
	}
	if s.o.Tick != nil {
		s.stopped = s.o.Tick()
	}
	return s.stopped
}
