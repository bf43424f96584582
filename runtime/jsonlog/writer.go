//go:build linux

// Package jsonlog writes and reads a container's output as Docker's json-file
// driver does: a JSON object per line of output, in files that are rotated.
//
//	shim ─ Writer ─▶ log, and with limits log.1 … log.N, the oldest last
//	logs, replay ◀─ Reader ─ the same, from any line on and as it grows
//
// The shim writes, whatever becomes of the server; nobody else does. A reader
// goes from file to file by what it has open, so that a rotation while it reads
// costs it nothing but what was rotated away before it came there.
package jsonlog

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// logLine is a line of Docker's json-file log driver.
type logLine struct {
	Log    string            `json:"log"`    // with its line end, if it has one
	Stream string            `json:"stream"` // stdout or stderr
	Attrs  map[string]string `json:"attrs,omitempty"`
	Time   time.Time         `json:"time"`
}

// maxLine is where an overlong line is cut into several records, as Docker
// does.
const maxLine = 16 << 10 // bytes

// Writer writes a container's output as Docker's json-file driver does: a JSON
// object per line of output. A line without an end waits for it. Not safe for
// concurrent use; the hub serialises.
type Writer struct {
	path string
	Limits
	w    *os.File
	size int64 // bytes of w
	now  func() time.Time
	part [3][]byte // by stream: the line that has not ended yet
	at   [3]time.Time
	lost atomic.Int64 // bytes of output that could not be written (a full disk)
}

// Limits say how a log is kept; the zero value: in one file without an end.
type Limits struct {
	MaxSize int64             `json:"maxSize,omitempty"` // bytes of a file, before it is rotated away; 0: no end
	MaxFile int               `json:"maxFile,omitempty"` // files that are kept; 0: one
	Attrs   map[string]string `json:"attrs,omitempty"`   // what stands with each record
}

// Open appends to the log, which outlives the container's runs.
func Open(path string, limits Limits) (*Writer, error) {
	l := &Writer{path: path, Limits: limits, now: time.Now}
	return l, l.open()
}

func (l *Writer) open() error {
	w, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	st, err := w.Stat()
	if err != nil {
		return err
	}
	l.w, l.size = w, st.Size()
	return nil
}

// Lost is the number of bytes of output that could not be written.
func (l *Writer) Lost() int64 { return l.lost.Load() }

// rotate begins a new file. Where that fails the old one goes on: too large a
// log is better than none.
func (l *Writer) rotate() {
	if l.MaxFile > 1 {
		for n := l.MaxFile - 1; n > 1; n-- {
			_ = os.Rename(numbered(l.path, n-1), numbered(l.path, n)) // absent at first
		}
		if os.Rename(l.path, numbered(l.path, 1)) != nil {
			return
		}
	} else if os.Remove(l.path) != nil {
		return
	}
	old := l.w
	if l.open() == nil {
		old.Close()
	}
}

// numbered is the n-th file of a log; 0 is the one that is written.
func numbered(path string, n int) string {
	if n == 0 {
		return path
	}
	return path + "." + strconv.Itoa(n)
}

// Write takes a piece of output of stream 1 or 2.
func (l *Writer) Write(stream byte, p []byte) {
	now := l.now().UTC()
	var out bytes.Buffer
	for len(p) > 0 {
		if len(l.part[stream]) == 0 {
			l.at[stream] = now
		}
		n := bytes.IndexByte(p, '\n') + 1
		whole := n > 0
		if !whole {
			n = len(p)
		}
		if room := maxLine - len(l.part[stream]); n > room {
			n, whole = room, true
		}
		l.part[stream] = append(l.part[stream], p[:n]...)
		p = p[n:]
		if whole {
			l.record(&out, stream)
		}
	}
	l.emit(&out)
}

// record moves the pending part of a stream to out. A cut within a character
// leaves the character for the next record.
func (l *Writer) record(out *bytes.Buffer, stream byte) {
	part := l.part[stream]
	cut := len(part)
	if part[cut-1] != '\n' {
		cut -= unfinished(part)
	}
	b, err := json.Marshal(logLine{Log: string(part[:cut]), Stream: streamName(stream), Attrs: l.Attrs, Time: l.at[stream]})
	if err != nil { // a string, a string and a time: cannot be
		panic(err)
	}
	out.Write(b)
	out.WriteByte('\n')
	l.part[stream] = append(part[:0], part[cut:]...)
}

// unfinished returns how many bytes at the end of p begin a character that p
// does not end; 0 where p is nothing but that.
func unfinished(p []byte) int {
	for n := 1; n < utf8.UTFMax && n < len(p); n++ {
		c := p[len(p)-n]
		if utf8.RuneStart(c) {
			if !utf8.FullRune(p[len(p)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

func streamName(stream byte) string {
	if stream == 2 {
		return "stderr"
	}
	return "stdout"
}

// Flush writes lines that will never end.
func (l *Writer) Flush() {
	var out bytes.Buffer
	for stream := range l.part {
		for len(l.part[stream]) > 0 {
			l.record(&out, byte(stream))
		}
	}
	l.emit(&out)
}

// emit writes whole records; a log that cannot be written must not stop the
// container.
func (l *Writer) emit(out *bytes.Buffer) {
	for out.Len() > 0 {
		piece := out.Bytes()
		if l.MaxSize > 0 {
			piece = l.fitting(piece)
		}
		n, err := l.w.Write(piece)
		l.size += int64(n)
		if err != nil {
			l.lost.Add(int64(out.Len() - n))
			return
		}
		out.Next(len(piece))
	}
}

// fitting returns the records that still go into the file, one at least; where
// not even the first does, a new file begins.
func (l *Writer) fitting(records []byte) []byte {
	first := bytes.IndexByte(records, '\n') + 1
	if l.size > 0 && l.size+int64(first) > l.MaxSize {
		l.rotate()
	}
	n := first
	for n < len(records) {
		next := bytes.IndexByte(records[n:], '\n') + 1
		if l.size+int64(n+next) > l.MaxSize {
			break
		}
		n += next
	}
	return records[:n]
}
