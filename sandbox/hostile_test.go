package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/sandbox/guest"
)

// answer is what a guest says of one image with one compressed layer within a
// compressed archive.
type answer struct {
	report  imagecore.Report
	inside  guest.Inside
	spooled unpacked
	lists   [][]imagecore.Entry
	indexes []uint32 // the numbers that they come under
	// Bytes that take the place of the pieces above.
	rawEntries, rawReport, rawInside []byte
	unknown                          bool // a piece of no kind
}

const archiveSize, spoolSize = 1000, 5000 // bytes

func honest() *answer {
	place := archive.Place{Within: true, Offset: 512, Size: 400, Compression: "gzip"}
	a := &answer{indexes: []uint32{0}, lists: [][]imagecore.Entry{{{Name: "a", Path: "a", Kind: imagecore.File, Size: 10, Stored: 10}}}}
	a.report.Images = []imagecore.Image{{Layers: []imagecore.Layer{{Present: true}}}}
	a.inside = guest.Inside{Lists: 1, Images: []guest.InsideImage{{
		Manifest: []byte("{}"), Config: []byte("{}"), Layers: []guest.InsideLayer{{Entries: 0, Place: &place}},
	}}}
	a.spooled = unpacked{Archive: &piece{0, 2000}, Layers: []layer{{place, piece{2000, 3000}}}}
	return a
}

// read takes the answer as it would come from a child.
func (a *answer) read(t *testing.T) (*Reading, error) {
	t.Helper()
	spool, err := os.Create(filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { spool.Close() })
	if err := spool.Truncate(spoolSize); err != nil {
		t.Fatal(err)
	}
	marshal := func(v any, raw []byte) []byte {
		if raw != nil {
			return raw
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var frames bytes.Buffer
	add := func(kind guest.Kind, p []byte) {
		if err := writeFrame(&frames, kind, p); err != nil {
			t.Fatal(err)
		}
	}
	add(guest.KindReport, marshal(a.report, a.rawReport))
	for _, n := range a.indexes {
		add(guest.KindIndex, []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), 'x'})
	}
	for _, list := range a.lists {
		b := guest.AppendEntries(nil, list)
		if a.rawEntries != nil {
			b = a.rawEntries
		}
		add(guest.KindEntries, b)
	}
	if a.unknown {
		add(77, nil)
	}
	add(guest.KindInside, marshal(a.inside, a.rawInside))
	add(frameUnpacked, marshal(a.spooled, nil))
	add(frameDone, nil)

	o := Options{}.defaults(archiveSize)
	r := &Reading{archive: strings.NewReader(strings.Repeat("x", archiveSize)), size: archiveSize, spool: spool}
	c := &child{output: &frames, stderr: &head{}}
	if err := c.receive(o, func(kind guest.Kind, p []byte) error { return r.take(kind, p, o.Limits) }); err != nil {
		return nil, err
	}
	return r, r.check()
}

// TestHostileAnswersAreRefused lets a guest that was broken into lie about all
// that it hands out.
func TestHostileAnswersAreRefused(t *testing.T) {
	r, err := honest().read(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{-1, 1, 1 << 30} {
		if _, err := r.Index(n); err == nil {
			t.Errorf("there is an index of image %d", n)
		}
		if _, err := r.OpenBlob(n, 0); !errors.Is(err, imagecore.ErrNotFound) {
			t.Errorf("image %d: %v", n, err)
		}
		if _, _, err := r.LayerAt(0, n); !errors.Is(err, imagecore.ErrNotFound) {
			t.Errorf("layer %d: %v", n, err)
		}
	}
	at, size, err := r.LayerAt(0, 0)
	if err != nil || size != 3000 {
		t.Fatal(size, err)
	}
	if n, err := at.ReadAt(make([]byte, 10), size); n != 0 || err != io.EOF {
		t.Errorf("read %d bytes beyond the layer: %v", n, err)
	}

	place := func(change func(*archive.Place)) func(*answer) {
		return func(a *answer) {
			change(a.inside.Images[0].Layers[0].Place)
			a.spooled.Layers[0].Place = *a.inside.Images[0].Layers[0].Place
		}
	}
	const huge = 1<<63 - 1
	for name, change := range map[string]func(*answer){
		"layer beyond the archive":        place(func(p *archive.Place) { p.Offset = 1999 }),
		"layer before the archive":        place(func(p *archive.Place) { p.Offset = -1 }),
		"layer of negative size":          place(func(p *archive.Place) { p.Size = -1 }),
		"layer of absurd size":            place(func(p *archive.Place) { p.Size = huge }),
		"layer whose end overflows":       place(func(p *archive.Place) { p.Offset, p.Size = 2000, huge }),
		"layer beyond the archive's file": place(func(p *archive.Place) { p.Within, p.Offset, p.Size = false, 900, 101 }),
		"tar beyond the spool":            func(a *answer) { a.spooled.Layers[0].Tar.Size = 3001 },
		"tar before the spool":            func(a *answer) { a.spooled.Layers[0].Tar.Offset = -1 },
		"tar whose end overflows":         func(a *answer) { a.spooled.Layers[0].Tar = piece{1, huge} },
		"archive beyond the spool":        func(a *answer) { a.spooled.Archive.Size = spoolSize + 1 },
		"no unpacked archive":             func(a *answer) { a.spooled.Archive = nil },
		"no unpacked layer":               func(a *answer) { a.spooled.Layers = nil },
		"entries of another list":         func(a *answer) { a.inside.Images[0].Layers[0].Entries = 1 },
		"fewer lists than said":           func(a *answer) { a.inside.Lists = 2 },
		"more images than said":           func(a *answer) { a.report.Images = append(a.report.Images, imagecore.Image{}) },
		"more layers than said":           func(a *answer) { a.report.Images[0].Layers = append(a.report.Images[0].Layers, imagecore.Layer{}) },
		"an absent layer with a place":    func(a *answer) { a.report.Images[0].Layers[0].Present = false },
		"a layer without a place":         func(a *answer) { a.inside.Images[0].Layers[0].Place = nil },
		"documents of more images":        func(a *answer) { a.inside.Images[0].V1 = [][]byte{nil} },
		"no index":                        func(a *answer) { a.indexes = nil },
		"index of another image":          func(a *answer) { a.indexes[0] = 1 << 31 },
		"two indexes of an image":         func(a *answer) { a.indexes = []uint32{0, 0} },
		"a path that leaves the root":     func(a *answer) { a.lists[0][0].Path = "../a" },
		"entries that claim to be many":   func(a *answer) { a.rawEntries = []byte{0xfe, 0xff, 0xff, 0xff, 0x0f} },
		"entries that are noise":          func(a *answer) { a.rawEntries = bytes.Repeat([]byte{0xff}, 100) },
		"a report that is noise":          func(a *answer) { a.rawReport = []byte("]") },
		"an end that is noise":            func(a *answer) { a.rawInside = []byte(`{"images":7}`) },
		"a piece of no kind":              func(a *answer) { a.unknown = true },
	} {
		a := honest()
		change(a)
		if _, err := a.read(t); err == nil {
			t.Errorf("%s: nobody minds", name)
		}
	}
}

// endless says the same piece again and again.
type endless struct{ piece, rest []byte }

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		e.rest = e.piece
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// TestGuestThatAnswersWithoutEndIsStopped bounds what is kept of it.
func TestGuestThatAnswersWithoutEndIsStopped(t *testing.T) {
	var entries, long bytes.Buffer
	list := guest.AppendEntries(nil, make([]imagecore.Entry, 0))
	if err := errors.Join(writeFrame(&entries, guest.KindEntries, list), writeFrame(&long, guest.KindReport, nil)); err != nil {
		t.Fatal(err)
	}
	o := Options{Memory: 1 << 20}.defaults(0)
	r := &Reading{}
	c := &child{output: &endless{piece: entries.Bytes()}, stderr: &head{}}
	err := c.receive(o, func(kind guest.Kind, p []byte) error { return r.take(kind, p, o.Limits) })
	if e, ok := errors.AsType[*imagecore.Error](err); !ok || e.Code != "sandbox-memory" {
		t.Errorf("without end: %v", err)
	}
	b := long.Bytes()
	copy(b[4:], []byte{0xff, 0xff, 0xff, 0xff})
	c = &child{output: bytes.NewReader(b), stderr: &head{}}
	if err := c.receive(o, nil); err == nil || !strings.Contains(err.Error(), "beyond its memory") {
		t.Errorf("a piece of 4 GiB: %v", err)
	}
}
