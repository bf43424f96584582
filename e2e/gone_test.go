package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// lab starts a server of its own.
func lab(t *testing.T) *crashLab {
	c := labOf(t)
	c.begin()
	t.Cleanup(c.end)
	return c
}

// labOf is a server that is not started yet.
func labOf(t *testing.T) *crashLab {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs root on Linux: makes containers")
	}
	c := &crashLab{leakLab: leakLab{t: t, dir: t.TempDir()}}
	c.client.Transport = &http.Transport{MaxIdleConnsPerHost: -1, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return c.dial(ctx)
	}}
	return c
}

func (c *crashLab) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", filepath.Join(c.dir, "d.sock"))
}

// made is the id of what a request made.
func (c *crashLab) made(path, body string) string {
	c.t.Helper()
	status, text := c.post(path, strings.NewReader(body))
	var one struct{ ID string }
	if err := json.Unmarshal([]byte(text), &one); err != nil || status != 201 {
		c.t.Fatalf("%s: %d %s", path, status, text)
	}
	return one.ID
}

// holding is what the server has open and started, and what the shims have open
// that a test names.
type holding struct{ Descriptors, Children, Shims int }

// anything is what settle allows where only the settling counts.
var anything = holding{1 << 20, 1 << 20, 1 << 20} // never changed

func (c *crashLab) holding() holding {
	c.t.Helper()
	pid := c.server.Process.Pid
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		c.t.Fatal(err)
	}
	h := holding{Descriptors: len(fds)}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, name := range tasks {
		b, _ := os.ReadFile(name) // a thread may end meanwhile
		h.Children += len(strings.Fields(string(b)))
	}
	for _, shim := range c.shims {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", shim))
		if err != nil {
			c.t.Fatal(err)
		}
		h.Shims += len(fds)
	}
	return h
}

// request is one that its client leaves in the middle.
type request struct {
	name, method, path, header string
	body                       []byte
	claim                      int    // bytes that the body is said to have
	read                       int    // bytes of the answer that the client still takes
	more                       string // that it sends then
	exec                       string // the command of an exec that is started, in place of a path
	lives                      int    // 1: that command lives on: the server waits for its end by a descriptor, the shim holds its streams
	flood                      int    // bytes that the client sends then, as far as they are taken
}

// leave sends what there is of the request, takes a part of the answer, and
// goes away.
func (c *crashLab) leave(r request) {
	c.t.Helper()
	conn, err := c.dial(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s /v1.41%s HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n", r.method, r.path, max(r.claim, len(r.body)), r.header)
	if _, err := conn.Write(r.body); err != nil {
		c.t.Errorf("%s: %v", r.name, err)
	}
	if r.read > 0 {
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			c.t.Fatal(err)
		}
		if _, err := io.ReadFull(bufio.NewReader(conn), make([]byte, r.read)); err != nil {
			c.t.Errorf("%s: %v", r.name, err)
		}
	}
	if _, err := io.WriteString(conn, r.more); err != nil {
		c.t.Errorf("%s: %v", r.name, err)
	}
	if r.flood > 0 {
		if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			c.t.Fatal(err)
		}
		if n, err := conn.Write(make([]byte, r.flood)); err == nil {
			c.t.Errorf("%s: somebody took all of %d bytes", r.name, n)
		}
	}
}

// streamsOfAnExec is what a shim has open for one that runs: its process, its
// input, two outputs, and the server that waits for its end.
const streamsOfAnExec = 5

// TestClientThatGoesAwayLeavesNothing leaves each kind of request in its
// middle: the server closes what it opened for it, ends what it started, and
// keeps nothing half done.
func TestClientThatGoesAwayLeavesNothing(t *testing.T) {
	c := lab(t)
	c.load()
	id := c.run("none")
	started := func(r request) request { // an exec can be started once
		if r.exec != "" {
			r.path = "/exec/" + c.made("/containers/"+id+"/exec", `{"Cmd":[`+r.exec+`],"AttachStdin":true,"AttachStdout":true}`) + "/start"
		}
		return r
	}
	c.shims = []int{parentOf(c.pid(id))}
	archive, _ := savedImage(3)
	created := c.create("none")
	const upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n"
	const answer = 12 // "HTTP/1.1 200": it has begun
	requests := []request{
		{name: "load", method: "POST", path: "/images/load", body: archive[:len(archive)/2], claim: len(archive)},
		{name: "load, all sent", method: "POST", path: "/images/load", body: archive},
		{name: "import", method: "POST", path: "/images/create?fromSrc=-&repo=half", body: archive[:len(archive)/2], claim: len(archive)},
		{name: "save", method: "GET", path: "/images/get?names=layerlab/sample", read: 64 << 10},
		{name: "export", method: "GET", path: "/containers/" + id + "/export", read: 64 << 10},
		{name: "commit", method: "POST", path: "/commit?container=" + id + "&repo=gone", body: []byte("{}")},
		{name: "cp out", method: "GET", path: "/containers/" + id + "/archive?path=/bin", read: 64 << 10},
		{name: "cp in", method: "PUT", path: "/containers/" + id + "/archive?path=/tmp", body: archive[:len(archive)/2], claim: len(archive)},
		{name: "logs -f", method: "GET", path: "/containers/" + id + "/logs?follow=1&stdout=1", read: answer},
		{name: "attach, silent", method: "POST", path: "/containers/" + id + "/attach?stream=1&stdout=1&stderr=1", header: upgrade, read: answer},
		{name: "attach before a start", method: "POST", path: "/containers/" + created + "/attach?stream=1&stdin=1&stdout=1", header: upgrade, read: answer},
		{name: "exec that waits for input", method: "POST", exec: `"cat"`, header: upgrade, body: []byte(`{"Detach":false,"Tty":false}`), read: answer},
		{name: "exec that reads nothing", method: "POST", exec: `"sleep","1000"`, header: upgrade, body: []byte(`{"Detach":false,"Tty":false}`), read: answer, more: "typed", lives: 1},
		{name: "exec that reads nothing of much", method: "POST", exec: `"sleep","1000"`, header: upgrade, body: []byte(`{"Detach":false,"Tty":false}`), read: answer, flood: 8 << 20, lives: 1},
		{name: "events", method: "GET", path: "/events", read: answer},
		{name: "stats", method: "GET", path: "/containers/" + id + "/stats", read: answer},
		{name: "wait", method: "POST", path: "/containers/" + id + "/wait", read: answer},
	}
	var before state
	for _, r := range requests {
		was := c.holding()
		c.leave(started(r)) // once for what stays open from then on, as meta.db's pages do
		c.settle(r.name, anything)
		now := c.holding() // perhaps before all of what lives on is there
		was = holding{max(now.Descriptors, was.Descriptors+r.lives), now.Children, max(now.Shims, was.Shims+r.lives*streamsOfAnExec)}
		before = c.state()
		for range 3 {
			c.leave(started(r))
		}
		was.Descriptors += 3 * r.lives
		was.Shims += 3 * r.lives * streamsOfAnExec
		c.settle(r.name, was)
		after := c.state()
		for id, names := range before.images {
			// Commit moves its name to the newer image.
			if got, ok := after.images[id]; !ok || got != names && r.name != "commit" {
				t.Errorf("%s: image %s was %q, is %q", r.name, id, names, got)
			}
		}
	}
	for _, id := range []string{id, created} {
		c.remove(id)
	}
	if status, text := c.post("/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D", nil); status != 200 {
		t.Fatalf("prune: %d %s", status, text)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) { // no event tells that trash is empty
		extra, err := c.whole()
		if err == nil && len(extra) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left in the data folder: %v %v", extra, err)
		}
	}
}

// settle waits until the server holds no more than it did.
func (c *crashLab) settle(name string, most holding) {
	c.t.Helper()
	last := holding{}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // other processes' descriptors give no event
		h := c.holding()
		if h.Descriptors <= most.Descriptors && h.Children <= most.Children && h.Shims <= most.Shims && h == last {
			return
		}
		last = h
		if time.Now().After(deadline) {
			c.t.Errorf("%s: the server held %+v before, and %+v after", name, most, h)
			return
		}
	}
}
