//go:build linux

package recording

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"
)

// errFull says that the file has reached its limit.
var errFull = errors.New("recording: the file is as long as it may be")

// header is the first line of an asciicast v2.
type header struct {
	Version   int    `json:"version"`
	Width     uint16 `json:"width"`
	Height    uint16 `json:"height"`
	Timestamp int64  `json:"timestamp"` // Unix seconds
	Title     string `json:"title,omitempty"`
}

// cast writes the lines of one file. It is for one goroutine at a time.
type cast struct {
	w     io.Writer
	limit int64 // bytes
	size  int64 // bytes so far
	last  time.Duration
	cut   []byte // the beginning of a character whose rest has not come
	lines bool   // the program has no terminal, whose lines end in LF alone
}

func newCast(w io.Writer, limit int64, h header, tty bool) (*cast, error) {
	c := &cast{w: w, limit: limit, lines: !tty}
	return c, c.line(h)
}

// output keeps bytes of the terminal. A character that is cut in two waits for
// its rest; what is no UTF-8 becomes U+FFFD, as on a screen.
func (c *cast) output(at time.Duration, data []byte) error {
	if c.lines {
		data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
	}
	data = append(c.cut, data...)
	whole := len(data) - unfinished(data)
	c.cut = bytes.Clone(data[whole:])
	if whole == 0 {
		return nil
	}
	return c.event(at, "o", string(bytes.ToValidUTF8(data[:whole], []byte("\uFFFD"))))
}

// unfinished is how many bytes at the end begin a character and lack its rest.
func unfinished(data []byte) int {
	for n := 1; n <= min(utf8.UTFMax-1, len(data)); n++ {
		if tail := data[len(data)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

func (c *cast) resize(at time.Duration, cols, rows uint16) error {
	return c.event(at, "r", fmt.Sprintf("%dx%d", cols, rows))
}

func (c *cast) mark(at time.Duration, label string) error { return c.event(at, "m", label) }

// event writes one line; times never go back.
func (c *cast) event(at time.Duration, code, data string) error {
	c.last = max(at, c.last)
	seconds := json.RawMessage(strconv.FormatFloat(c.last.Seconds(), 'f', 6, 64))
	return c.line([3]any{seconds, code, data})
}

func (c *cast) line(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	if c.size+int64(b.Len()) > c.limit {
		return errFull
	}
	n, err := c.w.Write(b.Bytes())
	c.size += int64(n)
	return err
}
