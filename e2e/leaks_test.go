package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// count is a number that make test-long sets higher by a variable.
func count(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// inventory counts what a container takes of a host.
type inventory struct{ Mounts, Namespaces, Cgroups, Processes, Veths, Sockets int }

func (a inventory) minus(b inventory) inventory {
	return inventory{
		a.Mounts - b.Mounts, a.Namespaces - b.Namespaces, a.Cgroups - b.Cgroups,
		a.Processes - b.Processes, a.Veths - b.Veths, a.Sockets - b.Sockets,
	}
}

// leakLab is a server of its own that is killed and started again.
type leakLab struct {
	t      *testing.T
	dir    string
	server *exec.Cmd
	client http.Client
	ids    []string // of all containers that it made: others run on this host too
}

// TestNothingLeaksWhateverIsKilled starts many containers, kills containers,
// shims and the server itself at random, removes all and counts what is left.
func TestNothingLeaksWhateverIsKilled(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs root on Linux: runs containers")
	}
	n := count(t, "LAYERLAB_STARTS", 40)
	l := &leakLab{t: t, dir: t.TempDir()}
	l.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(l.dir, "d.sock"))
	}}
	l.start()
	t.Cleanup(l.end)
	l.load()
	l.remove(l.create("none")) // waits until nobody unpacks the image's layers any more
	before := l.count()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	kills := map[string]int{}
	var alive []string
	for range n {
		alive = append(alive, l.run([]string{"bridge", "none"}[random.IntN(2)]))
		victim := alive[random.IntN(len(alive))]
		what := []string{"nothing", "container", "shim", "command", "server", "server in a start", "network helper", "way out"}[random.IntN(8)]
		kills[what]++
		switch what {
		case "container":
			l.post("/containers/"+victim+"/kill", nil)
		case "command":
			if pid := l.pid(victim); pid > 0 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		case "shim":
			if pid := l.pid(victim); pid > 0 {
				if parent := parentOf(pid); parent > 1 {
					_ = syscall.Kill(parent, syscall.SIGKILL)
				}
			}
		case "network helper":
			for _, pid := range l.helpers("network") {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		case "way out":
			for _, pid := range l.helpers("egress") {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		case "server":
			l.kill()
			l.start()
		case "server in a start":
			id := l.create("bridge")
			alive = append(alive, id)
			started := make(chan struct{})
			go func() {
				defer close(started)
				l.post("/containers/"+id+"/start", nil) // it may be cut off
			}()
			// Any moment within a start, which takes some 20 ms.
			time.Sleep(time.Duration(random.IntN(25)) * time.Millisecond)
			l.kill()
			<-started
			l.start()
		}
		for len(alive) > 4 {
			i := random.IntN(len(alive))
			l.remove(alive[i])
			alive = append(alive[:i], alive[i+1:]...)
		}
	}
	for _, id := range alive {
		l.remove(id)
	}
	// The next start of the server cleans up what a kill of it left.
	l.kill()
	l.start()
	var left inventory
	for deadline := time.Now().Add(20 * time.Second); ; {
		if left = l.count().minus(before); left == (inventory{}) || time.Now().After(deadline) {
			break
		}
		time.Sleep(50 * time.Millisecond) // the kernel takes namespaces apart in its own time
	}
	t.Logf("%d starts, killed %v: leaked %+v", n, kills, left)
	if left != (inventory{}) {
		t.Errorf("leaked %+v", left)
		for _, pid := range processesNaming(l.dir) {
			args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			t.Logf("process %d %q", pid, args)
		}
	}
	for _, dir := range []string{"containers", "trash"} {
		if list, err := os.ReadDir(filepath.Join(l.dir, "data", dir)); err != nil || len(list) > 0 {
			t.Errorf("%s holds %v (%v)", dir, list, err)
		}
	}
}

func (l *leakLab) start() {
	l.t.Helper()
	cmd := exec.Command(filepath.Join(bin, "layerlab"), "serve", "--listen", "127.0.0.1:0", "--no-samples", "--egress", "allow", "--module-cache", modules(),
		"--data", filepath.Join(l.dir, "data"), "--run", filepath.Join(l.dir, "run"), "--docker-socket", filepath.Join(l.dir, "d.sock"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, "serves at") {
		_ = cmd.Wait()
		l.t.Fatalf("the server does not start: %q %v\n%s", line, err, &log)
	}
	l.server = cmd
}

func (l *leakLab) kill() {
	_ = l.server.Process.Kill()
	_ = l.server.Wait() // "signal: killed"
	l.client.CloseIdleConnections()
}

func (l *leakLab) end() {
	_ = l.server.Process.Signal(syscall.SIGTERM)
	_ = l.server.Wait()
	// The helpers of networks outlive the server; the test's end with it.
	for _, pid := range processesNaming(l.dir) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, at := range mountsBeneath(l.dir) {
		_ = exec.Command("umount", "-l", at).Run()
	}
}

func (l *leakLab) load() {
	l.t.Helper()
	samples := filepath.Join(l.dir, "samples")
	cmd := exec.Command(filepath.Join(bin, "layerlab-sample"), "-userland", filepath.Join(bin, "layerlab-userland"), "-o", samples)
	if err := os.Mkdir(samples, 0o755); err != nil {
		l.t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("%v\n%s", err, out)
	}
	f, err := os.Open(filepath.Join(samples, "sample.tar"))
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	if status, text := l.post("/images/load", f); status != 200 {
		l.t.Fatalf("load: %d %s", status, text)
	}
}

func (l *leakLab) do(method, path string, body io.Reader) (int, string) {
	req, err := http.NewRequest(method, "http://d/v1.41"+path, body)
	if err != nil {
		l.t.Error(err)
		return 0, ""
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := l.client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func (l *leakLab) post(path string, body io.Reader) (int, string) { return l.do("POST", path, body) }

func (l *leakLab) create(network string) string {
	l.t.Helper()
	status, text := l.post("/containers/create", strings.NewReader(
		`{"Image":"layerlab/sample","Cmd":["sleep","10000"],"HostConfig":{"NetworkMode":"`+network+`","Binds":["vol-`+network+`:/x"]}}`))
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(text), &made); err != nil || status != 201 {
		l.t.Fatalf("create: %d %s", status, text)
	}
	l.ids = append(l.ids, made.ID)
	return made.ID
}

func (l *leakLab) run(network string) string {
	l.t.Helper()
	id := l.create(network)
	if status, text := l.post("/containers/"+id+"/start", nil); status != 204 {
		l.t.Fatalf("start: %d %s", status, text)
	}
	return id
}

func (l *leakLab) remove(id string) {
	l.t.Helper()
	if status, text := l.do("DELETE", "/containers/"+id+"?force=1&v=1", nil); status != 204 {
		l.t.Errorf("remove %.12s: %d %s", id, status, text)
	}
}

func (l *leakLab) pid(id string) int {
	_, text := l.do("GET", "/containers/"+id+"/json", nil)
	var one struct{ State struct{ Pid int } }
	_ = json.Unmarshal([]byte(text), &one) // 0 where it is gone
	return one.State.Pid
}

func parentOf(pid int) (parent int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(status), "PPid:")
	_, _ = fmt.Sscan(after, &parent)
	return parent
}

// count looks at the whole host, for what is in the test's folders or carries
// the names of its containers.
func (l *leakLab) count() (i inventory) {
	i.Mounts = len(mountsBeneath(l.dir))
	namespaces := map[string]bool{}
	for _, pattern := range []string{"net", "mnt", "user", "ipc", "uts", "pid"} {
		links, _ := filepath.Glob("/proc/[0-9]*/ns/" + pattern)
		for _, link := range links {
			if pid := strings.Split(link, "/")[2]; l.mine(pid) {
				if to, err := os.Readlink(link); err == nil {
					namespaces[to] = true
				}
			}
		}
	}
	i.Namespaces = len(namespaces)
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/layerlab/*")
	more, _ := filepath.Glob("/sys/fs/cgroup/layerlab/*")
	for _, g := range append(groups, more...) {
		if slices.Contains(l.ids, filepath.Base(g)) {
			i.Cgroups++
		}
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if l.mine(e.Name()) {
			i.Processes++
		}
	}
	i.Veths = strings.Count(l.interfaces("/proc/self/net/dev"), "veth") // none of the host's is ours
	for _, pid := range l.helpers("network") {
		for name := range strings.FieldsSeq(l.interfaces(fmt.Sprintf("/proc/%d/net/dev", pid))) {
			if strings.HasPrefix(name, "v") {
				i.Veths++ // the router's end of a wire
			}
		}
	}
	sockets, _ := filepath.Glob(filepath.Join(l.dir, "run", "*.sock"))
	pins, _ := filepath.Glob(filepath.Join(l.dir, "run", "n", "*"))
	i.Sockets = len(sockets) + len(pins)
	return i
}

// interfaces lists those of a process's network namespace (proc_pid_net(5)).
func (l *leakLab) interfaces(file string) string {
	text, _ := os.ReadFile(file) // a process may just have ended
	var names []string
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return strings.Join(names, " ")
}

// helpers lists the test's processes of a kind.
func (l *leakLab) helpers(kind string) (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		args, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if bytes.Contains(args, []byte(kind)) && bytes.HasPrefix(args, []byte("layerlab-")) && l.mine(e.Name()) {
			pid, _ := strconv.Atoi(e.Name())
			pids = append(pids, pid)
		}
	}
	return pids
}

// mine says whether a process is of this test's containers, shims and helpers:
// it is in a cgroup of theirs, or has the test's folder in its arguments or open.
func (l *leakLab) mine(pid string) bool {
	if _, err := strconv.Atoi(pid); err != nil || pid == strconv.Itoa(l.server.Process.Pid) || pid == strconv.Itoa(os.Getpid()) {
		return false
	}
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil || bytes.Contains(status, []byte("State:\tZ")) {
		return false
	}
	if group, err := os.ReadFile("/proc/" + pid + "/cgroup"); err == nil && bytes.Contains(group, []byte("/layerlab/")) {
		for _, id := range l.ids {
			if bytes.Contains(group, []byte(id)) {
				return true
			}
		}
	}
	args, _ := os.ReadFile("/proc/" + pid + "/cmdline")
	if bytes.Contains(args, []byte(l.dir)) {
		return true
	}
	if !bytes.Contains(args, []byte("layerlab")) {
		return false
	}
	fds, _ := filepath.Glob("/proc/" + pid + "/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, l.dir) {
			return true
		}
	}
	return false
}

func processesNaming(dir string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		args, _ := os.ReadFile(f)
		pid, err := strconv.Atoi(strings.Split(f, "/")[2])
		if err == nil && pid != os.Getpid() && bytes.Contains(args, []byte(dir)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func mountsBeneath(dir string) (at []string) {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir) {
			at = append(at, fields[4])
		}
	}
	return at
}
