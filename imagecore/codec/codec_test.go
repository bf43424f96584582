package codec

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest/real"
	"github.com/ulikunitz/xz"
)

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func xzOf(t testing.TB, s string, c xz.WriterConfig) string {
	var b bytes.Buffer
	w, err := c.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, s)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstdOf(t testing.TB, s string, o ...zstd.EOption) string {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, o...)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

// bzip2Hello is `echo hello | bzip2 -9`.
const bzip2Hello = "QlpoOTFBWSZTWcHAgOIAAAFBAAAQAkSgADDNAMNGKZcXckU4UJDBwIDi"

func unpack(s string, l imagecore.Limits) (string, string, error) {
	r, name, err := NewReader(strings.NewReader(s), l)
	if err != nil {
		return "", name, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), name, err
}

func TestUnpacksWhatItDetects(t *testing.T) {
	bz, err := base64.StdEncoding.DecodeString(bzip2Hello)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("layer after layer ", 20_000)
	for _, c := range []struct{ what, in, name, want string }{
		{"nothing", "", None, ""},
		{"plain", long, None, long},
		{"gzip", gz(long), Gzip, long},
		{"gzip, two members", gz("a") + gz(long), Gzip, "a" + long},
		{"gzip, an empty member between", gz("a") + gz("") + gz("b"), Gzip, "ab"},
		{"gzip, padded", gz(long) + strings.Repeat("\x00", 700), Gzip, long},
		{"zstd", zstdOf(t, long), Zstd, long},
		{"zstd, after a skippable frame", "\x50\x2a\x4d\x18\x02\x00\x00\x00ab" + zstdOf(t, long), Zstd, long},
		{"xz", xzOf(t, long, xz.WriterConfig{}), XZ, long},
		{"xz, blocks", xzOf(t, long, xz.WriterConfig{BlockSize: 10_000, CheckSum: xz.SHA256}), XZ, long},
		{"xz, crc32", xzOf(t, long, xz.WriterConfig{CheckSum: xz.CRC32}), XZ, long},
		{"xz, no check", xzOf(t, long, xz.WriterConfig{NoCheckSum: true}), XZ, long},
		{"xz, two streams", xzOf(t, "a", xz.WriterConfig{}) + "\x00\x00\x00\x00" + xzOf(t, "b", xz.WriterConfig{}), XZ, "ab"},
		{"xz, empty", xzOf(t, "", xz.WriterConfig{}), XZ, ""},
		{"bzip2", string(bz), Bzip2, "hello\n"},
	} {
		got, name, err := unpack(c.in, imagecore.DefaultLimits())
		if err != nil || got != c.want || name != c.name {
			t.Errorf("%s: %s, %d bytes, %v; want %s, %d bytes", c.what, name, len(got), err, c.name, len(c.want))
		}
	}
}

func TestRefusesDamage(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 4096)
	for name, packed := range map[string]string{
		Gzip: gz(text),
		Zstd: zstdOf(t, text, zstd.WithEncoderCRC(true)),
		XZ:   xzOf(t, text, xz.WriterConfig{BlockSize: 20_000, DictCap: 1 << 16}),
	} {
		for cut := 1; cut < len(packed); cut++ {
			got, _, err := unpack(packed[:cut], imagecore.DefaultLimits())
			var ie *imagecore.Error
			if cut < HeadSize && err == nil && Detect([]byte(packed[:cut])) == None {
				continue
			}
			if !errors.As(err, &ie) || !errors.Is(err, imagecore.ErrInvalid) {
				t.Fatalf("%s cut at %d of %d: %d bytes, %v", name, cut, len(packed), len(got), err)
			}
		}
		for at := HeadSize; at < len(packed); at++ {
			b := []byte(packed)
			b[at] ^= 0x55
			got, _, err := unpack(string(b), imagecore.DefaultLimits())
			if err == nil && got != text {
				t.Fatalf("%s with byte %d changed: other bytes, and no error", name, at)
			}
		}
	}
	_, _, err := unpack(gz("a")+"and more", imagecore.DefaultLimits())
	if !errors.Is(err, imagecore.ErrInvalid) {
		t.Errorf("text after gzip: %v", err)
	}
}

func TestLimits(t *testing.T) {
	zeros := strings.Repeat("\x00", 1<<20)
	for _, packed := range []string{gz(zeros), zstdOf(t, zeros), xzOf(t, zeros, xz.WriterConfig{})} {
		l := imagecore.DefaultLimits()
		l.Layer = 1<<20 - 1
		got, name, err := unpack(packed, l)
		if !errors.Is(err, imagecore.ErrTooLarge) || len(got) >= 1<<20 {
			t.Errorf("%s: layer limit: %d bytes, %v", name, len(got), err)
		}
		l = imagecore.DefaultLimits()
		l.RatioFree, l.Ratio = 100<<10, 50
		if _, _, err = unpack(packed, l); !errors.Is(err, imagecore.ErrTooLarge) {
			t.Errorf("%s: ratio: %v", name, err)
		}
	}
}

func TestWindowsAreBounded(t *testing.T) {
	huge := xzOf(t, "a", xz.WriterConfig{DictCap: 128 << 20})
	if _, _, err := unpack(huge, imagecore.DefaultLimits()); !errors.Is(err, imagecore.ErrTooLarge) {
		t.Errorf("xz with a dictionary of 128 MiB: %v", err)
	}
	// A zstd frame header (RFC 8878 section 3.1.1) with a window of 128 MiB and
	// one raw block of a byte.
	frame := "\x28\xb5\x2f\xfd" + "\x00" + "\x88" + "\x09\x00\x00" + "a"
	if _, _, err := unpack(frame, imagecore.DefaultLimits()); !errors.Is(err, imagecore.ErrTooLarge) {
		t.Errorf("zstd with a window of 128 MiB: %v", err)
	}
}

func TestNamesWhatItDoesNotRead(t *testing.T) {
	for magic, name := range map[string]string{
		"\x1f\x9d\x90aaaaaaaaaa": "compress", "PK\x03\x04aaaaaaaaaa": "zip", "LZIP\x01aaaaaaa": "lzip",
		"\x04\x22\x4d\x18aaaaaaa": "lz4", "7z\xbc\xaf\x27\x1caaaaaa": "7z",
	} {
		_, got, err := unpack(magic, imagecore.DefaultLimits())
		if got != name || !errors.Is(err, imagecore.ErrUnsupported) || !strings.Contains(err.Error(), "packed by "+name+", which is not read: unpack") {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestSourceErrorsPassThrough(t *testing.T) {
	stop := errors.New("stop")
	r, _, err := NewReader(io.MultiReader(strings.NewReader(gz("a")[:15]), failing{stop}), imagecore.DefaultLimits())
	if err == nil {
		_, err = io.ReadAll(r)
	}
	if err != stop {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzReader(f *testing.F) {
	f.Add([]byte(gz("hello")))
	f.Add([]byte(xzOf(f, "hello", xz.WriterConfig{})))
	f.Add([]byte(zstdOf(f, "hello")))
	found, err := real.Seeds(16 << 10)
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range found {
		if Detect(b) != None {
			f.Add(b)
		}
	}
	l := imagecore.DefaultLimits()
	l.Layer = 1 << 20
	f.Fuzz(func(t *testing.T, b []byte) {
		got, _, _ := unpack(string(b), l)
		if int64(len(got)) > l.Layer {
			t.Fatalf("%d bytes are above the limit", len(got))
		}
	})
}

// bzip2Zeros is `head -c 45899235 /dev/zero | bzip2 -9`: a full block of runs.
const bzip2Zeros = "QlpoOTFBWSZTWQ4J4t8BX45AAMAAAAggADCATUZCoCWpCoCXF3JFOFCQDgni3w=="

// unpacking counts what a decompressor gives.
type unpacking struct {
	r io.Reader
	n int64
}

func (u *unpacking) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	u.n += int64(n)
	return n, err
}

// endless gives the same bytes again and again.
type endless struct {
	packed string
	rest   string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		e.rest = e.packed
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// TestBombsEndAtTheLimit unpacks streams without end: of what they become, no
// more is made than one read asks for once a limit is crossed, whichever it is.
func TestBombsEndAtTheLimit(t *testing.T) {
	const ask = 256 << 10
	zeros := strings.Repeat("\x00", 16<<20)
	for name, packed := range bombs(t, zeros) {
		for what, set := range map[string]func(l *imagecore.Limits){
			"layer-too-large": func(l *imagecore.Limits) { l.Layer = 20<<20 + 1 },
			"ratio":           func(l *imagecore.Limits) { l.RatioFree, l.Ratio = 20<<20, 10 },
		} {
			l := imagecore.DefaultLimits()
			set(&l)
			r, is, err := NewReader(&endless{packed: packed}, l)
			if err != nil || is != name {
				t.Fatal(name, is, err)
			}
			made := &unpacking{r: r.(*reader).r}
			r.(*reader).r = made
			given := int64(0)
			buf := make([]byte, ask)
			for err == nil {
				var n int
				n, err = r.Read(buf)
				given += int64(n)
			}
			var ie *imagecore.Error
			if !errors.As(err, &ie) || ie.Code != what {
				t.Errorf("%s: %v, want %s", name, err, what)
			}
			if given > 20<<20+1 || made.n > 20<<20+1+ask {
				t.Errorf("%s, %s: %d bytes are handed out and %d made, the limit is %d", name, what, given, made.n, 20<<20)
			}
			before := made.n
			if _, again := r.Read(buf); again != err || made.n != before {
				t.Errorf("%s, %s: it goes on after its end", name, what)
			}
			r.Close()
		}
	}
}

// bombs are zeros in each compression.
func bombs(t *testing.T, zeros string) map[string]string {
	bz, err := base64.StdEncoding.DecodeString(bzip2Zeros)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{Gzip: gz(zeros), Zstd: zstdOf(t, zeros), XZ: xzOf(t, zeros, xz.WriterConfig{}), Bzip2: string(bz)}
}
