//go:build linux

package serve

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestABodyThatTricklesInKeepsNoConnection sends the beginning of a body and
// waits for the server to give up.
func TestABodyThatTricklesInKeepsNoConnection(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "data"), nil)
	for name, head := range map[string]string{
		"refused":         "POST /api/v1/tickets",
		"taken by nobody": "POST /healthz",
		"the page":        "GET /",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, head+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn) // until the server closes it
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 ") {
				t.Errorf("%q, %v", answer, err)
			}
		})
	}
}
