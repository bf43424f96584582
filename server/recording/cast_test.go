//go:build linux

package recording

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

func TestHappenedIsWhatThePageSays(t *testing.T) {
	raw, err := os.ReadFile("testdata/happened.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name          string
		Truncated     bool
		Before, After []wire.Change
		Happened      []Happening
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		got := Happened(wire.Changes{Changes: c.Before}, wire.Changes{Changes: c.After, Truncated: c.Truncated})
		if len(got) != len(c.Happened) || len(got) > 0 && !reflect.DeepEqual(got, c.Happened) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.Name, got, c.Happened)
		}
	}
	if len(cases) < 3 {
		t.Errorf("only %d cases", len(cases))
	}
}

func TestMarkersAreLinesWhateverTheNames(t *testing.T) {
	list := []Happening{
		{Kind: copyUp, Path: "etc/passwd", Bytes: 1204},
		{Kind: added, Path: "a\nb\t", Bytes: 5, By: &wire.Writer{Host: 1, Inside: 7, Name: "s\th"}},
		{Kind: whiteout, Path: "gone", Bytes: -3},
	}
	if got, want := marker(list), "layer\n+1204 copy-up /etc/passwd\n+5 new /a%0Ab%09\ts%09h 7\n-3 whiteout /gone"; got != want {
		t.Errorf("%q", got)
	}
	for range listed {
		list = append(list, Happening{Kind: added, Path: "x", Bytes: 10})
	}
	lines := strings.Split(marker(list), "\n")
	if len(lines) != listed+2 || lines[listed+1] != "+30 more 3" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func newTestCast(t *testing.T, b *bytes.Buffer, limit int64, tty bool) *cast {
	t.Helper()
	c, err := newCast(b, limit, header{Version: 2, Width: 80, Height: 24, Timestamp: 1, Title: "<a&b>"}, tty)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACastIsAsTheFormatSays(t *testing.T) {
	var b bytes.Buffer
	c := newTestCast(t, &b, 1<<20, true)
	for _, err := range []error{
		c.output(0, []byte("h\xc3")),
		c.output(1500*time.Millisecond, []byte("\xa9 \x1b[0m\xff")),
		c.resize(2*time.Second, 100, 30),
		c.output(time.Second, []byte("late")), // a clock that goes back does not
		c.mark(3*time.Second, "layer\n+1 new /x"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := `{"version":2,"width":80,"height":24,"timestamp":1,"title":"<a&b>"}
[0.000000,"o","h"]
[1.500000,"o","é \u001b[0m` + "\uFFFD" + `"]
[2.000000,"r","100x30"]
[2.000000,"o","late"]
[3.000000,"m","layer\n+1 new /x"]
`
	if b.String() != want {
		t.Errorf("got\n%s", &b)
	}
	b.Reset()
	c = newTestCast(t, &b, 1<<20, false)
	if err := c.output(0, []byte("one\ntwo\n")); err != nil || !strings.Contains(b.String(), `"one\r\ntwo\r\n"`) {
		t.Errorf("without a terminal: %s %v", &b, err)
	}
}

func TestACastIsNeverLongerThanItMay(t *testing.T) {
	var b bytes.Buffer
	c := newTestCast(t, &b, 200, true)
	var err error
	for range 100 {
		if err = c.output(0, []byte("twenty bytes of text")); err != nil {
			break
		}
	}
	if !errors.Is(err, errFull) || b.Len() > 200 || int64(b.Len()) != c.size || !strings.HasSuffix(b.String(), "]\n") {
		t.Errorf("%v, %d bytes, %q", err, b.Len(), &b)
	}
}

// FuzzOutput cuts bytes where it likes: what is kept is one text all the same.
func FuzzOutput(f *testing.F) {
	f.Add([]byte("é\xf0\x9f\x98\x80x"), uint8(1))
	f.Add([]byte("\xf0\x9f\xff\xc3"), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		var b bytes.Buffer
		c := newTestCast(t, &b, 1<<30, true)
		for rest := data; len(rest) > 0; {
			n := min(int(step)+1, len(rest))
			if err := c.output(0, rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		got := ""
		for _, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")[1:] {
			var e []any
			if err := json.Unmarshal([]byte(line), &e); err != nil || len(e) != 3 {
				t.Fatalf("%q: %v", line, err)
			}
			got += e[2].(string)
		}
		got += string(c.cut)
		if utf8.Valid(data) && got != string(data) {
			t.Errorf("%q became %q", data, got)
		}
		if len(c.cut) > 3 {
			t.Errorf("%d bytes wait", len(c.cut))
		}
	})
}
