//go:build linux

package serve

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layerlab/layerlab/imagecore"
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

func TestFoldersAreTheServersAlone(t *testing.T) {
	open := func(name string, owner int) string {
		dir := filepath.Join(t.TempDir(), name)
		if err := errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, owner, owner)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	own := os.Geteuid()
	if own != 0 {
		t.Skip("needs root: a folder of another user")
	}
	// An empty folder that the user has just made is taken and closed.
	r := start(t, open("data", own), func(o *Options) { o.RunDir = open("run", own) })
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"data of another user": func(o *Options) { o.Data = open("data", 1234) },
		"run of another user":  func(o *Options) { o.RunDir = open("run", 1234) },
	} {
		o := Options{Listen: "127.0.0.1:0", Data: open("data", own), RunDir: open("run", own), Log: slog.New(slog.DiscardHandler)}
		change(&o)
		err := Run(t.Context(), o)
		if e := (*imagecore.Error)(nil); !errors.As(err, &e) || e.Code != "data-folder-open" {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(filepath.Join(o.Data, "token")); err == nil && name == "data of another user" {
			t.Errorf("%s: the token was written there", name)
		}
	}
}
