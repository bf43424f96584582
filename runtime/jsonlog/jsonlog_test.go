//go:build linux

package jsonlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func readLog(t *testing.T, path string) (lines []logLine) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(b)) {
		var line logLine
		if err := json.Unmarshal([]byte(l), &line); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestLogIsDockersJSONFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(path, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	l.now = func() time.Time { return clock }
	l.Write(1, []byte("one\r\ntw"))
	clock = clock.Add(time.Second)
	l.Write(2, []byte("oops\n"))
	l.Write(1, []byte("o\n"))
	l.Write(1, []byte("你好")) // no end
	l.Flush()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"log":"one\r\n","stream":"stdout","time":"2026-03-01T12:00:00.000000005Z"}
{"log":"oops\n","stream":"stderr","time":"2026-03-01T12:00:01.000000005Z"}
{"log":"two\n","stream":"stdout","time":"2026-03-01T12:00:00.000000005Z"}
{"log":"你好","stream":"stdout","time":"2026-03-01T12:00:01.000000005Z"}
`
	if string(b) != want {
		t.Errorf("got\n%swant\n%s", b, want)
	}
}

func TestAttributesStandBesideEachLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(path, Limits{Attrs: map[string]string{"tag": "a b", "E": "1,2"}})
	if err != nil {
		t.Fatal(err)
	}
	l.Write(1, []byte("one\n"))
	if b, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(b), `{"log":"one\n","stream":"stdout","attrs":{"E":"1,2","tag":"a b"},"time":`) {
		t.Errorf("%s, %v", b, err)
	}
	r, err := NewReader(path, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	line, err := r.Next()
	if err != nil || line.Details() != "E=1%2C2,tag=a+b" {
		t.Errorf("%q, %v", line.Details(), err)
	}
}

func TestLogCutsLongLinesBetweenCharacters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(path, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("好", 20000) + "\n" // three bytes each: 16 KiB is within one
	for i := 0; i < len(text); i += 1000 {
		l.Write(1, []byte(text[i:min(i+1000, len(text))]))
	}
	l.Flush()
	var got strings.Builder
	for _, line := range readLog(t, path) {
		if len(line.Log) > maxLine || strings.ContainsRune(line.Log, '\uFFFD') {
			t.Fatalf("a record of %d bytes, or a cut character", len(line.Log))
		}
		got.WriteString(line.Log)
	}
	if got.String() != text {
		t.Error("the records don't add up to the output")
	}
}

func TestLogThatCannotBeWrittenIsCounted(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full on this host:", err)
	}
	l := &Writer{w: full, now: time.Now}
	l.Write(1, []byte("lost\n"))
	if l.lost.Load() == 0 {
		t.Error("nothing counted")
	}
}

func texts(t *testing.T, r *Reader) (got []string) {
	t.Helper()
	for {
		l, err := r.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.TrimSuffix(string(l.Data), "\n"))
	}
}

func numbers(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprint("line ", i))
	}
	return list
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func write(l *Writer, lines []string) {
	for _, s := range lines {
		l.Write(1, []byte(s+"\n"))
	}
}

func TestRotationKeepsTheLastFilesWithinTheirSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	const limit = 500
	l, err := Open(path, Limits{MaxSize: limit, MaxFile: 3})
	if err != nil {
		t.Fatal(err)
	}
	l.Write(1, []byte(strings.Join(numbers(0, 100), "\n")+"\n")) // in one piece
	for n := range 3 {
		st, err := os.Stat(numbered(path, n))
		if err != nil || st.Size() > limit || st.Size() == 0 {
			t.Errorf("file %d: %v bytes (%v)", n, st.Size(), err)
		}
	}
	if _, err := os.Stat(numbered(path, 3)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a fourth file is kept: %v", err)
	}
	r, err := NewReader(path, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := texts(t, r)
	same(t, "the kept lines", got, numbers(100-len(got), 100))
	if len(got) < 10 {
		t.Errorf("only %d lines are kept", len(got))
	}
	// One file: what is rotated away is gone.
	if l, err = Open(filepath.Join(t.TempDir(), "one"), Limits{MaxSize: limit}); err != nil {
		t.Fatal(err)
	}
	write(l, numbers(0, 50))
	if r, err = NewReader(l.path, -1); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got = texts(t, r)
	same(t, "of one file", got, numbers(50-len(got), 50))
}

func TestAReaderFollowsThroughRotations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(path, Limits{MaxSize: 300, MaxFile: 4})
	if err != nil {
		t.Fatal(err)
	}
	write(l, numbers(0, 2))
	r, err := NewReader(path, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []string
	for i := 2; i < 60; i++ {
		got = append(got, texts(t, r)...)
		write(l, numbers(i, i+1))
	}
	same(t, "followed closely", append(got, texts(t, r)...), numbers(0, 60))
	// One that sleeps while files go loses what they held, and nothing else.
	write(l, numbers(60, 100))
	got = texts(t, r)
	first := 100 - len(got)
	if first <= 60 || len(got) < 4 {
		t.Errorf("woke with %q", got)
	}
	same(t, "after a sleep", got, numbers(first, 100))
}

func TestTailCountsAcrossFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(path, Limits{MaxSize: 300, MaxFile: 5})
	if err != nil {
		t.Fatal(err)
	}
	write(l, numbers(0, 14))
	l.Write(1, []byte("no end"))
	l.Flush()
	all := append(numbers(0, 14), "no end")
	kept := 0
	for n := range 25 {
		r, err := NewReader(path, n)
		if err != nil {
			t.Fatal(err)
		}
		got := texts(t, r)
		r.Close()
		if n <= 15 && len(got) != n {
			t.Errorf("tail %d gives %d lines", n, len(got))
		}
		same(t, fmt.Sprint("tail ", n), got, all[len(all)-len(got):])
		kept = len(got)
	}
	if kept < 15 {
		t.Errorf("%d lines are kept", kept)
	}
	if _, err := NewReader(path+"-absent", 3); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestTailGoesBackOverALineLongerThanItsBuffer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	long := strings.Repeat("x", 70<<10)
	var file strings.Builder
	for _, text := range []string{"one", long, "three"} {
		b, err := json.Marshal(logLine{Log: text + "\n", Stream: "stdout"})
		if err != nil {
			t.Fatal(err)
		}
		file.Write(append(b, '\n'))
	}
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	all := []string{"one", long, "three"}
	for n, want := range map[int][]string{0: nil, 1: all[2:], 2: all[1:], 3: all, 9: all} {
		r, err := NewReader(path, n)
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint("tail ", n), texts(t, r), want)
		r.Close()
	}
}
