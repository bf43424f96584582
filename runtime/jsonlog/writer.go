//go:build linux

package shim

import (
	"bytes"
	"encoding/json"
	"os"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// logLine is a line of Docker's json-file log driver.
type logLine struct {
	Log    string    `json:"log"`    // with its line end, if it has one
	Stream string    `json:"stream"` // stdout or stderr
	Time   time.Time `json:"time"`
}

// maxLine is where an overlong line is cut into several records, as Docker
// does.
const maxLine = 16 << 10 // bytes

// logFile writes a container's output as Docker's json-file driver does: a JSON
// object per line of output. A line without an end waits for it. Not safe for
// concurrent use; the hub serialises.
type logFile struct {
	w    *os.File
	now  func() time.Time
	part [3][]byte // by stream: the line that has not ended yet
	at   [3]time.Time
	lost atomic.Int64 // bytes of output that could not be written (a full disk)
}

// openLog appends to the log, which outlives the container's runs.
func openLog(path string) (*logFile, error) {
	w, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &logFile{w: w, now: time.Now}, nil
}

func (l *logFile) write(stream byte, p []byte) {
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
func (l *logFile) record(out *bytes.Buffer, stream byte) {
	part := l.part[stream]
	cut := len(part)
	if part[cut-1] != '\n' {
		cut -= unfinished(part)
	}
	b, err := json.Marshal(logLine{Log: string(part[:cut]), Stream: streamName(stream), Time: l.at[stream]})
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

// flush writes lines that will never end.
func (l *logFile) flush() {
	var out bytes.Buffer
	for stream := range l.part {
		for len(l.part[stream]) > 0 {
			l.record(&out, byte(stream))
		}
	}
	l.emit(&out)
}

// emit writes; a log that cannot be written must not stop the container.
func (l *logFile) emit(out *bytes.Buffer) {
	if out.Len() == 0 {
		return
	}
	n, err := l.w.Write(out.Bytes())
	if err != nil {
		l.lost.Add(int64(out.Len() - n))
	}
}
