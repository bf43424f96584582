package ahead

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// processors runs f with one processor and with several.
func processors(t *testing.T, f func(t *testing.T)) {
	for _, n := range []int{1, 4} {
		t.Run(string(rune('0'+n))+"_processors", func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			f(t)
		})
	}
}

func text(n int) []byte { return []byte(strings.Repeat("0123456789abcde\n", n/16)) }

func TestAllBytesInOrder(t *testing.T) {
	processors(t, func(t *testing.T) {
		for _, n := range []int{0, 16, piece, piece + 16, 9*piece + 32} {
			want := text(n)
			for name, src := range map[string]io.Reader{
				"whole": bytes.NewReader(want), "halves": iotest.HalfReader(bytes.NewReader(want)), "end with data": iotest.DataErrReader(bytes.NewReader(want)),
			} {
				r := New(src)
				if got, err := io.ReadAll(struct{ io.Reader }{r}); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s of %d: read %d bytes, %v", name, n, len(got), err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
			r := New(bytes.NewReader(want))
			var got bytes.Buffer
			head := make([]byte, min(5, n))
			if _, err := io.ReadFull(r, head); err != nil {
				t.Fatal(err)
			}
			got.Write(head)
			if k, err := r.WriteTo(&got); err != nil || int(k) != n-len(head) || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("write to: %d of %d bytes, %v", k, n, err)
			}
			r.Close()
		}
	})
}

func TestErrorsComeAfterTheBytes(t *testing.T) {
	processors(t, func(t *testing.T) {
		broken := errors.New("broken")
		r := New(io.MultiReader(bytes.NewReader(text(2*piece)), iotest.ErrReader(broken)))
		defer r.Close()
		if n, err := io.Copy(io.Discard, r); n != 2*piece || err != broken {
			t.Errorf("%d bytes, %v", n, err)
		}
		if _, err := r.Read(make([]byte, 1)); err != broken {
			t.Errorf("then %v", err)
		}
	})
}

// endless counts who reads it.
type endless struct{ reading chan bool }

func (e endless) Read(p []byte) (int, error) {
	e.reading <- true
	defer func() { <-e.reading }()
	return len(p), nil
}

func TestAfterCloseNobodyReads(t *testing.T) {
	processors(t, func(t *testing.T) {
		src := endless{make(chan bool, 1)}
		r := New(src)
		if _, err := io.CopyN(io.Discard, r, 3*piece+1); err != nil {
			t.Fatal(err)
		}
		r.Close()
		src.reading <- true // would stay full while somebody reads
		if _, err := r.Read(make([]byte, 1)); err == nil {
			t.Error("a closed reader gave bytes")
		}
		r.Close()
	})
}
