package splice

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestRunsReadAsOneFile(t *testing.T) {
	for _, runs := range [][]Run{
		nil,
		{{strings.NewReader("xxabcx"), 2, 3}},
		{{strings.NewReader("ab"), 0, 2}, {strings.NewReader("zc"), 1, 1}, {strings.NewReader("z"), 1, 0}, {strings.NewReader("defg"), 0, 4}},
	} {
		var want bytes.Buffer
		for _, run := range runs {
			if _, err := io.Copy(&want, io.NewSectionReader(run.From, run.At, run.Size)); err != nil {
				t.Fatal(err)
			}
		}
		r := New(runs)
		if r.Size() != int64(want.Len()) {
			t.Errorf("size %d, want %d", r.Size(), want.Len())
		}
		if err := iotest.TestReader(io.NewSectionReader(r, 0, r.Size()), want.Bytes()); err != nil {
			t.Error(err)
		}
		if n, err := r.ReadAt(make([]byte, 1), r.Size()); n != 0 || err != io.EOF {
			t.Errorf("behind the end: %d, %v", n, err)
		}
	}
}

func TestAFileThatEndsWithinItsRunIsNoEnd(t *testing.T) {
	r := New([]Run{{strings.NewReader("ab"), 0, 3}, {strings.NewReader("c"), 0, 1}})
	if n, err := r.ReadAt(make([]byte, 4), 0); n != 2 || err != io.ErrUnexpectedEOF {
		t.Errorf("%d, %v", n, err)
	}
}
