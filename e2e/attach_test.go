package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// typist is a client of a terminal.
type typist struct {
	t *testing.T
	net.Conn
	out *bufio.Reader
}

// typing takes over a connection, as the docker command line does.
func (c *crashLab) typing(path, body string) *typist {
	c.t.Helper()
	conn, err := c.dial(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		c.t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /v1.41%s HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n%s", path, len(body), body)
	out := bufio.NewReader(conn)
	answer, err := http.ReadResponse(out, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		c.t.Fatalf("%s: %+v %v", path, answer, err)
	}
	return &typist{c.t, conn, out}
}

// types sends keys and reads until a text comes.
func (k *typist) types(keys, until string) {
	k.t.Helper()
	if _, err := io.WriteString(k, keys); err != nil {
		k.t.Fatal(err)
	}
	var got strings.Builder
	for !strings.Contains(got.String(), until) {
		b, err := k.out.ReadByte()
		if err != nil {
			k.t.Fatalf("%q, then %v", got.String(), err)
		}
		got.WriteByte(b)
	}
}

// TestDetachKeysLeaveWhatRuns types the keys that the client has chosen: it is
// let go, what it looked at runs on, and events tell.
func TestDetachKeysLeaveWhatRuns(t *testing.T) {
	c := lab(t)
	c.load()
	began := time.Now()
	id := c.started(`"Cmd":["cat"],"Tty":true,"OpenStdin":true,"HostConfig":{"NetworkMode":"none"}`)
	attach := "/containers/" + id + "/attach?stream=1&stdin=1&stdout=1"
	exec := c.made("/containers/"+id+"/exec", `{"Cmd":["cat"],"Tty":true,"AttachStdin":true,"AttachStdout":true,"DetachKeys":"ctrl-a,x"}`)
	for name, k := range map[string]*typist{
		"attach": c.typing(attach+"&detachKeys=ctrl-a,x", ""),
		"exec":   c.typing("/exec/"+exec+"/start", `{"Tty":true}`),
	} {
		k.types("one\n", "one\r\none\r\n")  // the terminal's echo, and cat's answer
		k.types("\x01y\x10\x11\n", "^Ay^P") // a part of the keys, and the default ones, are typed
		if _, err := io.WriteString(k, "\x01x"); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(k.out); err != nil || strings.Contains(string(rest), "x") {
			t.Errorf("%s: %q, %v", name, rest, err)
		}
	}
	c.typing(attach, "").types("two\n", "two\r\ntwo\r\n")
	if status, text := c.do("GET", "/exec/"+exec+"/json", nil); status != 200 || !strings.Contains(text, `"Running":true`) {
		t.Errorf("the exec: %d %s", status, text)
	}
	if got := c.truth(id); !got.Running {
		t.Errorf("the container: %+v", got)
	}
	for path, body := range map[string]string{attach + "&detachKeys=ctrl-1": "", "/containers/" + id + "/exec": `{"Cmd":["cat"],"DetachKeys":"ctrl-1"}`} {
		if status, text := c.post(path, strings.NewReader(body)); status != 400 || !strings.Contains(text, "invalid detach keys") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if status, text := c.do("GET", "/containers/"+id+"/top", nil); status != 200 {
		t.Errorf("top: %d %s", status, text)
	}
	got := c.actions(began)
	for _, want := range []string{"attach", "detach", "exec_create: cat", "exec_start: cat", "exec_detach", "top"} {
		if !slices.Contains(got, want) {
			t.Errorf("no event %q among %q", want, got)
		}
	}
}

// actions lists what happened to containers since a moment.
func (c *crashLab) actions(since time.Time) (list []string) {
	c.t.Helper()
	at := func(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
	status, text := c.do("GET", `/events?filters={"type":["container"]}&since=`+at(since)+"&until="+at(time.Now()), nil)
	if status != 200 {
		c.t.Fatalf("events: %d %s", status, text)
	}
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		var m struct{ Action string }
		if err := d.Decode(&m); err != nil {
			c.t.Fatal(err)
		}
		list = append(list, m.Action)
	}
	return list
}

// usage is what a container has used.
type usage struct{ Memory, CPU, Pids, Received uint64 }

// groups reads a container's counters where the kernel has them: in the control
// groups of either version, and in proc_pid_net(5).
func (c *crashLab) groups(id string) (u usage) {
	c.t.Helper()
	number := func(into *uint64, times uint64, word string, files ...string) {
		for _, pattern := range files {
			found, _ := filepath.Glob(pattern)
			for _, file := range found {
				b, err := os.ReadFile(file)
				if err != nil {
					continue
				}
				_, after, ok := strings.Cut(string(b), word)
				fields := strings.Fields(after)
				if !ok || len(fields) == 0 {
					continue
				}
				if n, err := strconv.ParseUint(fields[0], 10, 64); err == nil {
					*into = n * times
					return
				}
			}
		}
		c.t.Fatalf("none of %v says %q", files, word)
	}
	const one, two = "/sys/fs/cgroup/*/layerlab/", "/sys/fs/cgroup/layerlab/"
	number(&u.Memory, 1, "", one+id+"/memory.usage_in_bytes", two+id+"/memory.current")
	number(&u.Pids, 1, "", one+id+"/pids.current", two+id+"/pids.current")
	if found, _ := filepath.Glob(one + id + "/cpuacct.usage"); len(found) > 0 {
		number(&u.CPU, 1, "", found...)
	} else {
		number(&u.CPU, 1000, "usage_usec", two+id+"/cpu.stat")
	}
	number(&u.Received, 1, "eth0:", fmt.Sprintf("/proc/%d/net/dev", c.truth(id).Pid))
	return u
}

// TestStatsAreWhatTheKernelCounted holds docker stats against the counters of
// the kernel, read before and after.
func TestStatsAreWhatTheKernelCounted(t *testing.T) {
	c := lab(t)
	c.load()
	id := c.started(`"Cmd":["sleep","10000"]`)
	if got := c.says(id, "head -c 20000000 /dev/zero >/dev/shm/x; ping -c 1 -W 10 $(hostname) >/dev/null; echo done"); got != "done\n" {
		t.Fatalf("%q", got)
	}
	if status, text := c.post("/containers/"+id+"/pause", nil); status != 204 {
		t.Fatalf("pause: %d %s", status, text)
	}
	before := c.groups(id)
	status, text := c.do("GET", "/containers/"+id+"/stats?stream=false&one-shot=true", nil)
	after := c.groups(id)
	var s struct {
		Memory struct{ Usage, Limit uint64 } `json:"memory_stats"`
		CPU    struct {
			Usage struct {
				Total uint64 `json:"total_usage"`
			} `json:"cpu_usage"`
		} `json:"cpu_stats"`
		Pids struct {
			Current uint64
		} `json:"pids_stats"`
		Networks map[string]struct {
			Received uint64 `json:"rx_bytes"`
		}
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil || status != 200 {
		t.Fatalf("stats: %d %s", status, text)
	}
	got := usage{s.Memory.Usage, s.CPU.Usage.Total, s.Pids.Current, s.Networks["eth0"].Received}
	for _, one := range []struct {
		name           string
		low, got, high uint64
	}{
		{"memory", min(before.Memory, after.Memory), got.Memory, max(before.Memory, after.Memory)},
		{"cpu", before.CPU, got.CPU, after.CPU},
		{"pids", before.Pids, got.Pids, after.Pids},
		{"received", before.Received, got.Received, after.Received},
	} {
		if one.got < one.low || one.got > one.high || one.got == 0 && one.name != "received" {
			t.Errorf("%s: %d, the kernel says %d to %d", one.name, one.got, one.low, one.high)
		}
	}
	if got.Memory < 20_000_000 || s.Memory.Limit < got.Memory {
		t.Errorf("memory %d of %d", got.Memory, s.Memory.Limit)
	}
}
