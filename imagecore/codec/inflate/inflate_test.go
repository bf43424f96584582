package inflate

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// text is n bytes with matches near and far, runs, and bytes that do not repeat.
func text(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 0, n)
	for len(b) < n {
		switch k := r.IntN(300) + 1; r.IntN(5) {
		case 0:
			for range k {
				b = append(b, byte(r.Uint32()))
			}
		case 1:
			b = append(b, bytes.Repeat([]byte{byte(k)}, k*r.IntN(9))...)
		case 2:
			for range k {
				b = append(b, "etaoin shrdlu\n"[r.IntN(14)])
			}
		default:
			back := min(r.IntN(WindowSize)+1, len(b))
			b = append(b, b[len(b)-back:len(b)-back+min(k, back)]...)
		}
	}
	return b[:n]
}

// pack makes a gzip member; level as compress/gzip has them.
func pack(t testing.TB, b []byte, level int) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Name, w.Comment, w.Extra = "layer.tar", "a comment", []byte("SG\x02\x00ab")
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var levels = []int{gzip.NoCompression, gzip.HuffmanOnly, gzip.BestSpeed, gzip.DefaultCompression, gzip.BestCompression}

func TestUnpacksWhatCompressGzipPacks(t *testing.T) {
	for _, n := range []int{0, 1, 3, 257, 32 << 10, 70_000, 1 << 20} {
		want := text(n, uint64(n))
		for _, level := range levels {
			got, err := io.ReadAll(NewReader(bytes.NewReader(pack(t, want, level)), nil))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes at level %d: %d bytes, %v", n, level, len(got), err)
			}
		}
	}
}

func TestSourcesMayGiveLittle(t *testing.T) {
	want := text(300_000, 7)
	packed := pack(t, want, 6)
	for name, r := range map[string]io.Reader{
		"bytes":          iotest.OneByteReader(bytes.NewReader(packed)),
		"halves":         iotest.HalfReader(bytes.NewReader(packed)),
		"end with bytes": iotest.DataErrReader(bytes.NewReader(packed)),
	} {
		if err := iotest.TestReader(NewReader(r, nil), want); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("broken")
	if _, err := io.ReadAll(NewReader(io.MultiReader(bytes.NewReader(packed[:9000]), iotest.ErrReader(broken)), nil)); err != broken {
		t.Errorf("a source's error became %v", err)
	}
}

func TestBeginsAtEveryPoint(t *testing.T) {
	all := text(2<<20, 3)
	var packed []byte
	for i, level := range append(levels, levels...) { // members, as pigz and eStargz write them
		packed = append(packed, pack(t, all[i*len(all)/10:(i+1)*len(all)/10], level)...)
	}
	packed = append(packed, make([]byte, 700)...)
	var points []Point
	r := NewReader(bytes.NewReader(packed), func(p Point) int64 {
		points = append(points, p)
		return p.Out + 1
	})
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, all) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if len(points) < 30 {
		t.Fatalf("%d points are too few to tell", len(points))
	}
	odd := 0
	for _, p := range points {
		if p.Bit%8 != 0 {
			odd++
		}
		got, err := io.ReadAll(Resume(bytes.NewReader(packed[p.Byte():]), p))
		if err != nil || !bytes.Equal(got, all[p.Out:]) {
			t.Fatalf("from byte %d, bit %d: %d bytes of %d, %v", p.Out, p.Bit, len(got), len(all)-int(p.Out), err)
		}
	}
	if odd == 0 {
		t.Error("all blocks begin at whole bytes: the bits were not tested")
	}
}

func TestPointsComeWhereTheyAreWanted(t *testing.T) {
	all := text(4<<20, 9)
	packed := pack(t, all, 6)
	var points []Point
	if _, err := io.Copy(io.Discard, NewReader(bytes.NewReader(packed), func(p Point) int64 {
		points = append(points, p)
		return p.Out + 1<<20
	})); err != nil {
		t.Fatal(err)
	}
	if len(points) != 4 || points[0].Out != 0 || len(points[0].Window) != 0 {
		t.Fatalf("%d points, the first at %d with %d bytes", len(points), points[0].Out, len(points[0].Window))
	}
	for i, p := range points[1:] {
		if d := p.Out - points[i].Out; d < 1<<20 || d > 1<<20+200_000 {
			t.Errorf("point %d is %d bytes behind the one before", i+1, d)
		}
		if !bytes.Equal(p.Window, all[p.Out-WindowSize:p.Out]) {
			t.Errorf("point %d has another window", i+1)
		}
	}
}

func TestRefusesWhatIsDamaged(t *testing.T) {
	want := text(3000, 5)
	packed := pack(t, want, 6)
	for cut := range packed {
		got, err := io.ReadAll(NewReader(bytes.NewReader(packed[:cut]), nil))
		if err != io.ErrUnexpectedEOF || !bytes.HasPrefix(want, got) {
			t.Fatalf("cut at %d of %d: %d bytes, %v", cut, len(packed), len(got), err)
		}
	}
	tail := func(crc, size uint32) []byte {
		b := slices.Clone(packed[:len(packed)-8])
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, crc), size)
	}
	sum := crc32.ChecksumIEEE(want)
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"text":         {[]byte(strings.Repeat("text", 10)), ErrHeader},
		"the checksum": {tail(sum+1, 3000), ErrChecksum},
		"the size":     {tail(sum, 3001), ErrChecksum},
		"text behind":  {append(slices.Clone(packed), "text"...), ErrTrailing},
		"text behind zeros": {
			append(append(slices.Clone(packed), make([]byte, 100_000)...), "text"...), ErrTrailing,
		},
		"a block of kind 3": {append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x07"), make([]byte, 20)...), ErrCorrupt},
	} {
		if _, err := io.ReadAll(NewReader(bytes.NewReader(c.in), nil)); err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// reference unpacks by compress/gzip, with our padding.
func reference(b []byte) ([]byte, error) {
	in := bytes.NewReader(b)
	var all []byte
	for {
		z, err := gzip.NewReader(in)
		if err != nil {
			return all, err
		}
		z.Multistream(false)
		got, err := io.ReadAll(z)
		all = append(all, got...)
		if err != nil {
			return all, err
		}
		rest := b[len(b)-in.Len():]
		if !bytes.HasPrefix(rest, []byte("\x1f\x8b")) {
			if len(bytes.Trim(rest, "\x00")) > 0 {
				return all, ErrTrailing
			}
			return all, nil
		}
	}
}

// FuzzInflate holds the reader against compress/gzip: the same bytes where that
// takes the stream, an error and no other bytes where it refuses; and from
// every point on the same bytes as from the start.
func FuzzInflate(f *testing.F) {
	for _, level := range levels {
		f.Add(pack(f, text(2000, 1), level), false)
		f.Add(append(pack(f, text(500, 1), level), pack(f, text(3000, 2), level)...), false)
		var raw bytes.Buffer
		w, err := flate.NewWriter(&raw, level)
		if err != nil {
			f.Fatal(err)
		}
		w.Write(text(700, 4))
		w.Flush()
		w.Write(text(900, 5))
		w.Close()
		f.Add(raw.Bytes(), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, bare bool) {
		if bare { // a mutated stream of blocks, with the checksum that it has
			got, _ := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), 1<<22))
			b = append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), b...)
			b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(got))
			b = binary.LittleEndian.AppendUint32(b, uint32(len(got)))
		}
		want, wantErr := reference(b)
		var points []Point
		got, err := io.ReadAll(NewReader(bytes.NewReader(b), func(p Point) int64 {
			if len(points) < 20 {
				points = append(points, p)
			}
			return p.Out
		}))
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%v, compress/gzip says %v", err, wantErr)
		}
		// Of a stream that ends early compress/gzip does not take a symbol that is
		// shorter than what the block must still end with.
		if n := min(len(got), len(want)); err == nil && len(got) != len(want) || !bytes.Equal(got[:n], want[:n]) {
			t.Fatalf("%d bytes %q, %v, compress/gzip gives %d %q, %v", len(got), tail(got), err, len(want), tail(want), wantErr)
		}
		for _, p := range points {
			rest, err2 := io.ReadAll(Resume(bytes.NewReader(b[p.Byte():]), p))
			if err == ErrChecksum { // which is not verified from a point on
				rest, err2 = rest[:min(len(rest), len(got)-int(p.Out))], err
			}
			if !bytes.Equal(rest, got[p.Out:]) || (err2 == nil) != (err == nil) {
				t.Fatalf("from %d: %d bytes, %v; from the start %d, %v", p.Out, len(rest), err2, int64(len(got))-p.Out, err)
			}
		}
	})
}

// tail is what to show of long bytes.
func tail(b []byte) []byte { return b[max(len(b)-10, 0):] }
