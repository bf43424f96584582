//go:build linux

package jsonlog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Line is a record of a log.
type Line struct {
	Stream byte // 1 or 2
	Time   time.Time
	Data   []byte // with its line end, if it has one
	Attrs  map[string]string
}

// Details are the attributes as docker logs --details shows them: sorted, and
// escaped as in a query.
func (l *Line) Details() string {
	list := make([]string, 0, len(l.Attrs))
	for _, key := range slices.Sorted(maps.Keys(l.Attrs)) {
		list = append(list, url.QueryEscape(key)+"="+url.QueryEscape(l.Attrs[key]))
	}
	return strings.Join(list, ",")
}

// Reader reads a log from its oldest file on. It is not safe for concurrent use.
type Reader struct {
	path string
	f    *os.File
	r    *bufio.Reader
	part []byte // of a record whose end is not written yet
}

// NewReader opens a log; tail is the number of last lines to begin with, below
// 0 for all. os.ErrNotExist says that nothing was written yet.
func NewReader(path string, tail int) (*Reader, error) {
	l := &Reader{path: path}
	oldest := 0
	for exists(numbered(path, oldest+1)) {
		oldest++
	}
	if tail < 0 {
		return l, l.open(oldest)
	}
	for n := 0; n <= oldest; n++ {
		if err := l.open(n); err != nil {
			return nil, err
		}
		left, err := l.seekTail(tail)
		if err != nil || left == 0 || n == oldest {
			return l, err
		}
		tail = left
		l.Close()
	}
	return l, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (l *Reader) open(n int) error {
	f, err := os.Open(numbered(l.path, n))
	if err != nil {
		return err
	}
	l.f, l.r, l.part = f, bufio.NewReader(f), nil
	return nil
}

// Close ends the reading.
func (l *Reader) Close() error { return l.f.Close() }

// Next returns the next record. io.EOF says that there is none now: after more
// was written Next goes on. What is no record, cut off by a full disk, is
// passed over.
func (l *Reader) Next() (Line, error) {
	for {
		piece, err := l.r.ReadBytes('\n')
		l.part = append(l.part, piece...)
		if err == nil {
			line, ok := parse(l.part)
			l.part = l.part[:0]
			if ok {
				return line, nil
			}
			continue
		}
		if err != io.EOF {
			return Line{}, err
		}
		more, err := l.advance()
		if err != nil {
			return Line{}, err
		}
		if !more {
			return Line{}, io.EOF
		}
	}
}

// advance opens the file that follows the one that was read to its end, if that
// has been rotated away.
func (l *Reader) advance() (bool, error) {
	mine, err := l.f.Stat()
	if err != nil {
		return false, err
	}
	for n := 0; ; n++ {
		st, err := os.Stat(numbered(l.path, n))
		if errors.Is(err, os.ErrNotExist) && n == 0 {
			return false, nil // within a rotation, or removed with its container
		}
		if errors.Is(err, os.ErrNotExist) {
			return l.follow(n - 1) // ours is gone: the oldest that is left
		}
		if err != nil {
			return false, err
		}
		if !os.SameFile(st, mine) {
			continue
		}
		if n == 0 {
			return false, nil
		}
		return l.follow(n - 1)
	}
}

// follow goes on with the n-th file once the one that is open holds no more:
// its last record may have come between the end that was read and the rotation.
func (l *Reader) follow(n int) (bool, error) {
	rest, err := l.r.Peek(1)
	if len(rest) > 0 {
		return true, nil
	}
	if err != io.EOF {
		return false, err
	}
	old := l.f
	if err := l.open(n); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return false, nil // rotated once more: next time
		}
		return false, err
	}
	return true, old.Close()
}

func parse(record []byte) (Line, bool) {
	var l logLine
	if json.Unmarshal(bytes.TrimSpace(record), &l) != nil {
		return Line{}, false
	}
	line := Line{Stream: 1, Time: l.Time, Data: []byte(l.Log), Attrs: l.Attrs}
	if l.Stream == "stderr" {
		line.Stream = 2
	}
	return line, true
}

// seekTail goes back from the end of the file to before its last lines, and
// returns how many more there would have to be.
func (l *Reader) seekTail(lines int) (left int, err error) {
	at, err := l.f.Seek(0, io.SeekEnd)
	if err != nil || lines == 0 {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	left = lines + 1 // the end of the line before is the place
	for at > 0 {
		n := min(at, int64(len(buf)))
		at -= n
		if _, err := l.f.ReadAt(buf[:n], at); err != nil {
			return 0, err
		}
		for i := int(n); ; {
			if i = bytes.LastIndexByte(buf[:i], '\n'); i < 0 {
				break
			}
			if left--; left == 0 {
				_, err := l.f.Seek(at+int64(i)+1, io.SeekStart)
				return 0, err
			}
		}
	}
	_, err = l.f.Seek(0, io.SeekStart)
	return left - 1, err
}
