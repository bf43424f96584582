// Package restart keeps where compressed streams can begin anew, within a bound
// of memory for all of them together:
//
//	inflate.Reader ─ Point ─▶ Stream.Mark ─┐
//	                                        Book: thins all streams when it is full
//	byte to be read ─▶ Stream.Before ─ Point ─▶ codec.Resume
//
// Points begin Every apart. When they are more than the book may hold, the
// distance doubles, for those that are there as well: what is read later costs
// twice as much, and never more memory.
package restart

import "github.com/layerlab/layerlab/imagecore/codec/inflate"

// Every is how far apart points are at first, in unpacked bytes: unpacking half
// as much takes two milliseconds.
const Every = 1 << 20

// overhead is what a point costs beside its window, in bytes, about.
const overhead = 64

// Book holds the points of several streams. It is not safe for concurrent use
// while streams are marked; afterwards it does not change.
type Book struct {
	limit, held int64 // bytes
	every       int64
	streams     []*Stream
}

// NewBook returns one that holds at most limit bytes; none with a limit of 0.
func NewBook(limit int64) *Book { return &Book{limit: limit, every: Every} }

// Held is how many bytes the points take.
func (b *Book) Held() int64 { return b.held }

// Stream begins the points of one more stream.
func (b *Book) Stream() *Stream {
	s := &Stream{book: b}
	b.streams = append(b.streams, s)
	return s
}

// Drop forgets a stream's points: of one that proved to be nothing.
func (b *Book) Drop(s *Stream) {
	for i, has := range b.streams {
		if has == s {
			b.streams = append(b.streams[:i], b.streams[i+1:]...)
			b.held -= s.size()
			s.points = nil
			return
		}
	}
}

// Stream are the points of one stream, in order. Nil is one without any.
type Stream struct {
	book   *Book
	points []inflate.Point
}

// never is behind every byte.
const never = 1<<63 - 1

// Mark takes a point down and says from which byte on the next one is wanted,
// as inflate.NewReader asks for it.
func (s *Stream) Mark(p inflate.Point) int64 {
	b := s.book
	if b.limit <= 0 {
		return never
	}
	if p.Out > 0 { // the start needs none
		s.points = append(s.points, p)
		b.held += size(p)
	}
	for b.held > b.limit {
		b.every *= 2
		b.held = 0
		for _, s := range b.streams {
			s.thin(b.every)
			b.held += s.size()
		}
	}
	return p.Out + b.every
}

// Before returns the last point at or before an unpacked byte; false where that
// is the start.
func (s *Stream) Before(off int64) (inflate.Point, bool) {
	if s == nil {
		return inflate.Point{}, false
	}
	low, high := 0, len(s.points)
	for low < high {
		if mid := (low + high) / 2; s.points[mid].Out <= off {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == 0 {
		return inflate.Point{}, false
	}
	return s.points[low-1], true
}

// thin keeps points that are so far apart.
func (s *Stream) thin(every int64) {
	kept, last := s.points[:0], int64(0)
	for _, p := range s.points {
		if p.Out-last >= every {
			kept, last = append(kept, p), p.Out
		}
	}
	clear(s.points[len(kept):])
	s.points = kept
}

func size(p inflate.Point) int64 { return int64(len(p.Window)) + overhead }

func (s *Stream) size() int64 {
	n := int64(0)
	for _, p := range s.points {
		n += size(p)
	}
	return n
}
