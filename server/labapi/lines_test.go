package labapi_test

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

// lines reads a stream of server-sent events.
type lines struct{ r *bufio.Reader }

func newLines(r io.Reader) *lines { return &lines{bufio.NewReader(r)} }

// event returns the next event, comments left out.
func (l *lines) event(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for {
		line, err := l.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(line, ":"):
		case line == "\n" && out.Len() > 0:
			return out.String()
		case line != "\n":
			out.WriteString(line)
		}
	}
}
