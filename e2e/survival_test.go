package e2e_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// reach waits until a container is in a state: what the server does at its start
// goes on after it serves.
func (c *crashLab) reach(id string, want func(truth) bool) {
	c.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) { // several things may happen first
		got := c.truth(id)
		if want(got) {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("container %.12s is %+v", id, got)
		}
	}
}

// outage takes away what a reboot takes: all processes, mounts and control
// groups, what lies in RUN, and the boot that is written down.
func (c *crashLab) outage() {
	c.t.Helper()
	c.kill()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // processes of others end without a word to us
		entries, err := os.ReadDir("/proc")
		if err != nil {
			c.t.Fatal(err)
		}
		alive := 0
		for _, e := range entries {
			if c.mine(e.Name()) {
				alive++
				pid, _ := strconv.Atoi(e.Name()) // mine has read it
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if alive == 0 {
			break
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%d processes live on", alive)
		}
	}
	for _, at := range mountsBeneath(filepath.Join(c.dir, "run")) {
		if err := syscall.Unmount(at, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
			c.t.Fatal(err)
		}
	}
	for _, id := range c.ids {
		groups, _ := filepath.Glob("/sys/fs/cgroup/*/layerlab/" + id)
		more, _ := filepath.Glob("/sys/fs/cgroup/layerlab/" + id)
		for _, group := range append(groups, more...) {
			if err := os.Remove(group); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	if err := os.RemoveAll(filepath.Join(c.dir, "run")); err != nil {
		c.t.Fatal(err)
	}
	// The kernel's boot id stays; what is written down is made that of an
	// earlier one.
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		c.t.Fatal(err)
	}
	meta, err := os.ReadFile(c.data("meta.db"))
	if err != nil {
		c.t.Fatal(err)
	}
	boot = bytes.TrimSpace(boot)
	if !bytes.Contains(meta, boot) {
		c.t.Fatal("meta.db does not name the boot")
	}
	meta = bytes.ReplaceAll(meta, boot, []byte("11111111-2222-3333-4444-555555555555"))
	if err := os.WriteFile(c.data("meta.db"), meta, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// TestRebootLeavesTheTruth: after it a container has ended, runs again if its
// policy says so, or is gone if it removes itself; networks and volumes are what
// they were, and nothing of before is in the way.
func TestRebootLeavesTheTruth(t *testing.T) {
	c := lab(t)
	c.load()
	c.made("/networks/create", `{"Name":"front"}`)
	const sleeps, front = `"Cmd":["sleep","10000"]`, `"NetworkMode":"front"`
	once := c.started(sleeps + `,"HostConfig":{` + front + `}`)
	always := c.started(`"Hostname":"always","Cmd":["sh","-c","echo up >>/v/starts; exec sleep 10000"],"HostConfig":{` + front + `,"Binds":["vol:/v"],"RestartPolicy":{"Name":"always"}},"NetworkingConfig":{"EndpointsConfig":{"front":{"Aliases":["again"]}}}`)
	itself := c.started(sleeps + `,"HostConfig":{"AutoRemove":true}`)
	never := c.create("none")
	frozen := c.started(sleeps)
	if status, text := c.post("/containers/"+frozen+"/pause", nil); status != 204 {
		t.Fatalf("pause: %d %s", status, text)
	}
	c.outage()
	said := c.begin()

	ended := func(s truth) bool { return s.Status == "exited" && !s.Running && s.Pid == 0 }
	c.reach(once, ended)
	c.reach(frozen, ended)
	c.reach(always, func(s truth) bool { return s.Running && s.Pid > 0 })
	if got := c.truth(never); got.Status != "created" {
		t.Errorf("what was never started is %+v", got)
	}
	if status, text := c.do("GET", "/containers/"+itself+"/json", nil); status != 404 {
		t.Errorf("what removes itself is there: %d %s", status, text)
	}
	if got := c.says(always, "cat /v/starts"); got != "up\nup\n" {
		t.Errorf("the volume holds %q", got)
	}
	for _, id := range []string{once, frozen, never} {
		if status, text := c.post("/containers/"+id+"/start", nil); status != 204 {
			t.Errorf("start: %d %s", status, text)
		}
		if got := c.truth(id); !got.Running {
			t.Errorf("%+v", got)
		}
	}
	if got := c.says(once, "ping -c 1 -W 10 again >/dev/null && echo answered"); got != "answered\n" {
		t.Errorf("the network: %q", got)
	}
	for _, id := range []string{once, always, never, frozen} {
		c.remove(id)
	}
	c.unpack()
	if extra, err := c.whole(); err != nil || len(extra) > 0 {
		t.Errorf("%v, too much: %v", err, extra)
	}
	if t.Failed() {
		t.Logf("the start said\n%s", said)
	}
}

// TestFullDiskLeavesTheTruth: what needs space says that there is none, and
// leaves nothing; what runs goes on, and its end is told, also by the next
// start.
func TestFullDiskLeavesTheTruth(t *testing.T) {
	c := labOf(t)
	if err := os.Mkdir(c.data(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("layerlab-test", c.data(), "tmpfs", 0, "size=128m,mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(c.data(), syscall.MNT_DETACH) })
	c.begin()
	t.Cleanup(c.end)
	c.load()
	ends := c.started(`"Cmd":["sh","-c","read line; exit 7"],"OpenStdin":true,"HostConfig":{"NetworkMode":"none"}`)
	stops := c.started(`"Cmd":["sleep","10000"],"HostConfig":{"NetworkMode":"none"}`)
	dies := c.started(`"Cmd":["sleep","10000"],"HostConfig":{"NetworkMode":"none"}`)
	before := c.state()
	fill := c.data("fill")
	f, err := os.Create(fill)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size >= 1; { // to the last byte
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	f.Close()

	archive, _ := savedImage(1)
	for name, ask := range map[string]func() (int, string){
		"load": func() (int, string) { return c.post("/images/load", strings.NewReader(string(archive))) },
		"create": func() (int, string) {
			return c.post("/containers/create", strings.NewReader(`{"Image":"layerlab/sample"}`))
		},
		"commit": func() (int, string) { return c.post("/commit?container="+stops+"&repo=full", strings.NewReader("{}")) },
	} {
		status, text := ask()
		if status < 400 || !strings.Contains(text, "space") && !strings.Contains(text, "full") {
			t.Errorf("%s: %d %s", name, status, text)
		}
		if after := c.state(); !sameState(before, after) {
			t.Errorf("%s went from %v to %v", name, before, after)
		}
	}
	for _, id := range []string{ends, stops, dies} {
		if got := c.truth(id); !got.Running {
			t.Errorf("%+v", got)
		}
	}
	c.typing("/containers/"+ends+"/attach?stream=1&stdin=1&stdout=1", "").types("\n", "")
	if status, text := c.post("/containers/"+stops+"/stop?t=60", nil); status != 204 {
		t.Errorf("stop: %d %s", status, text)
	}
	if status, text := c.post("/containers/"+dies+"/kill", nil); status != 204 {
		t.Errorf("kill: %d %s", status, text)
	}
	want := map[string]int{ends: 7, stops: 2, dies: 137} // 2: a Go program that is the first process, after SIGTERM
	check := func(when string) {
		for id, code := range want {
			c.reach(id, func(s truth) bool { return !s.Running })
			if got := c.truth(id); got.Status != "exited" || got.ExitCode != code {
				t.Errorf("%s: %+v, want exit code %d", when, got, code)
			}
		}
	}
	check("on a full disk")
	c.kill()
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	said := c.begin()
	check("after the next start")
	for id := range want {
		if status, text := c.post("/containers/"+id+"/start", nil); status != 204 {
			t.Errorf("start: %d %s", status, text)
		}
		c.remove(id)
	}
	if status, text := c.post("/images/load", strings.NewReader(string(archive))); status != 200 {
		t.Errorf("load: %d %s", status, text)
	}
	c.unpack()
	if extra, err := c.whole(); err != nil || len(extra) > 0 {
		t.Errorf("%v, too much: %v", err, extra)
	}
	if t.Failed() {
		t.Logf("the start said\n%s", said)
	}
}
