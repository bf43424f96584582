package restart

import (
	"testing"

	"github.com/layerlab/layerlab/imagecore/codec/inflate"
)

// mark marks a stream whose blocks are all of so many bytes, like a reader.
func mark(s *Stream, size, block int64) {
	next := int64(0)
	for at := int64(0); at < size; at += block {
		if at >= next {
			next = s.Mark(inflate.Point{Out: at, Bit: at * 3, Window: make([]byte, min(at, inflate.WindowSize))})
		}
	}
}

func TestPointsStayWithinTheLimit(t *testing.T) {
	b := NewBook(1 << 20) // 31 points
	var all []*Stream
	for i := range 20 {
		s := b.Stream()
		all = append(all, s)
		mark(s, 40<<20, 100_000)
		held := int64(0)
		for _, s := range all {
			held += s.size()
		}
		if held != b.Held() || held > 1<<20 {
			t.Fatalf("after stream %d: %d bytes are held, %d counted", i, held, b.Held())
		}
		if i == 0 && len(s.points) < 15 {
			t.Errorf("one stream has %d points and room for more", len(s.points))
		}
	}
	for i, s := range all {
		for k := 1; k < len(s.points); k++ {
			if s.points[k].Out-s.points[k-1].Out < b.every {
				t.Errorf("stream %d: points %d and %d are closer than %d", i, k-1, k, b.every)
			}
		}
	}
	for _, s := range all {
		b.Drop(s)
	}
	if b.Held() != 0 {
		t.Errorf("%d bytes are held for nothing", b.Held())
	}
}

func TestBeforeFindsTheLastPoint(t *testing.T) {
	b := NewBook(16 << 20)
	s := b.Stream()
	mark(s, 10<<20, 300_000)
	for off := int64(0); off < 10<<20; off += 70_001 {
		p, ok := s.Before(off)
		if !ok {
			if len(s.points) > 0 && s.points[0].Out <= off {
				t.Fatalf("none before %d", off)
			}
			continue
		}
		if p.Out > off || off-p.Out > 2*Every {
			t.Fatalf("before %d there is %d", off, p.Out)
		}
	}
	if p, ok := s.Before(1 << 60); !ok || p.Out != s.points[len(s.points)-1].Out {
		t.Error("the last point is not found from behind")
	}
}

func TestNoPointsWithoutALimit(t *testing.T) {
	s := NewBook(0).Stream()
	mark(s, 10<<20, 300_000)
	if _, ok := s.Before(9 << 20); ok {
		t.Error("there is one")
	}
	var none *Stream
	if _, ok := none.Before(5); ok {
		t.Error("there is one in nothing")
	}
}
