//go:build linux

package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

func TestShellInATerminal(t *testing.T) {
	l := newRealLab(t)
	c := l.run(wire.CreateContainer{TTY: true, Cols: 90, Rows: 20, Hostname: "box", WorkingDir: "/made/here"})
	s := l.open(c.ID)
	s.until("ready\r\n")
	s.typeLine("id\n")
	if got := s.until("done id"); !strings.Contains(got, "uid 0 gid 0") || !strings.Contains(got, "cwd /made/here host box home / pid 1") && !strings.Contains(got, "home /root pid 1") {
		t.Errorf("id shows %q", got)
	}
	s.typeLine("size\n")
	s.until("size 90x20")
	if err := s.conn.WriteJSON(wire.Control{Type: "resize", Cols: 132, Rows: 50}); err != nil {
		t.Fatal(err)
	}
	s.typeLine("size\n")
	s.until("size 132x50")
	s.typeLine("echo grüße €\n")
	s.until("\r\ngrüße €")
	s.typeLine("\x03")
	s.until("interrupted")
	s.typeLine("cat /data/hidden\n")
	s.until("no such file")
	s.typeLine("mount\n")
	s.until("operation not permitted")

	// A second viewer sees what was before; then both see the same.
	second := l.open(c.Name)
	second.until("interrupted")
	s.typeLine("echo both\n")
	s.until("both\r\n")
	second.until("both\r\n")

	// The server goes and comes back: the same shell.
	l.restart()
	s = l.open(c.ID)
	s.until("both\r\n")
	s.typeLine("echo again\n")
	s.until("\r\nagain")
	s.typeLine("exit 42\n")
	s.until("")
	if s.exit == nil || *s.exit != 42 {
		t.Errorf("exit frame %v", s.exit)
	}
	if code := l.end(c.ID); code != 42 {
		t.Errorf("exit code %d, want 42", code)
	}
	late := l.open(c.ID)
	if shown := late.until(""); !strings.Contains(shown, "again") || *late.exit != 42 {
		t.Errorf("a page that comes late sees %q, exit %v", shown, late.exit)
	}
}

func TestContainerWithoutTerminal(t *testing.T) {
	l := newRealLab(t)
	c := l.run(wire.CreateContainer{Command: []string{"lab", "id"}, User: "ada", Env: []string{"HOME=/elsewhere"}})
	if code := l.end(c.ID); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s := l.open(c.ID)
	if got := s.until(""); !strings.Contains(got, "uid 1000 gid 1000 groups [10 1000]") && !strings.Contains(got, "groups [1000 10]") || !strings.Contains(got, "home /elsewhere") {
		t.Errorf("id shows %q", got)
	}
}

func TestMissingCommand(t *testing.T) {
	l := newRealLab(t)
	for command, want := range map[string]struct {
		code string
		exit int
	}{
		"/bin/nothing": {"command-not-found", 127},
		"nothing":      {"command-not-found", 127},
		"/bin/data":    {"command-not-executable", 126},
	} {
		c, err := l.Create(t.Context(), wire.CreateContainer{Image: "lab:1", Command: []string{command}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.Start(t.Context(), c.ID)
		wantCode(t, err, want.code)
		got, err := l.Get(t.Context(), c.ID)
		if err != nil || got.ExitCode == nil || *got.ExitCode != want.exit || got.Error == nil || got.Error.Code != want.code {
			t.Errorf("%s: %+v, %v", command, got, err)
		}
	}
}

func TestChangesAreSeenWithinASecondAndCommitted(t *testing.T) {
	l := newRealLab(t)
	sub, err := l.bus.Subscribe(0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	c := l.run(wire.CreateContainer{TTY: true})
	s := l.open(c.ID)
	s.until("ready")
	before, err := l.Changes(t.Context(), c.ID)
	if err != nil || len(before.Changes) != 0 {
		t.Errorf("a new container's layer holds %+v (%v)", before, err)
	}
	for _, line := range []string{"write /data/new hello", "append /data/keep !", "rm /data/gone", "mkdir /data/sub", "write /data/sub/x y"} {
		s.typeLine(line + "\n")
		s.until("done " + strings.Fields(line)[0])
	}
	var last wire.Changes
	seen := func(want ...string) time.Duration { // until the page knows all of that
		t.Helper()
		typed := time.Now()
		for {
			var lines []string
			for _, ch := range last.Changes {
				lines = append(lines, fmt.Sprintf("%s %s %s %d %d %s", ch.Kind, ch.Path, ch.Type, ch.Size, ch.CopiedUp, ch.Mode))
			}
			if !slices.ContainsFunc(want, func(line string) bool { return !slices.Contains(lines, line) }) {
				return time.Since(typed)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			e, err := sub.Next(ctx)
			cancel()
			if err != nil {
				t.Fatalf("%v; last changes\n%s", err, strings.Join(lines, "\n"))
			}
			if e.Kind == wire.EventContainerChanges {
				if e.ID != c.ID {
					t.Errorf("changes of %s", e.ID)
				}
				if err := json.Unmarshal(e.Data, &last); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	took := seen(
		"C data dir 0 0 0755",
		"D data/gone file 0 0 ",
		"C data/keep file 11 10 0644",
		"A data/new file 5 0 0640",
		"A data/sub dir 0 0 0755",
		"A data/sub/x file 1 0 0640",
	)
	if len(last.Changes) != 6 || last.CopiedUp != 10 || last.Bytes != 17 {
		t.Errorf("changes %+v", last)
	}
	// What else runs on this machine may take a second of its own, but not every time.
	for n := 0; took > time.Second && n < 5; n++ {
		s.typeLine("write /data/new " + strings.Repeat("x", 10+n) + "\n")
		s.until("done write")
		took = min(took, seen(fmt.Sprintf("A data/new file %d 0 0640", 10+n)))
	}
	if took > time.Second {
		t.Errorf("the page knew after %v, promised is one second", took)
	}

	img, err := l.Commit(t.Context(), c.ID, wire.CommitContainer{Ref: "lab:2", Message: "by a test"})
	if err != nil {
		t.Fatal(err)
	}
	s.typeLine("echo thawed\n")
	s.until("\r\nthawed")
	again, err := l.Commit(t.Context(), c.ID, wire.CommitContainer{Ref: "lab:3", Changes: []string{`CMD ["lab","id"]`}})
	if err != nil || again.ID == img.ID {
		t.Fatalf("second commit %+v, %v", again, err)
	}
	one, two := l.images.images["lab:2"], l.images.images["lab:3"]
	if !bytes.Equal(one.tars[2], two.tars[2]) {
		t.Error("the same layer became two different tars")
	}
	for path, there := range map[string]bool{"data/new": true, "data/gone": false, "data/sub/x": true, "proc": false, "etc/hosts": false} {
		if _, ok := one.tree.Top().Lookup(path); ok != there {
			t.Errorf("%s in the committed image: %v", path, ok)
		}
	}
	if n, ok := one.tree.Top().Lookup("data/new"); !ok || n.Attr().UID != 0 || n.Attr().Mode != 0o640 {
		t.Errorf("owner and mode of data/new: %+v", n.Attr())
	}
	child := l.run(wire.CreateContainer{Image: "lab:2", Command: []string{"lab", "cat", "/data/keep"}})
	l.end(child.ID)
	if got := l.open(child.ID).until(""); !strings.Contains(got, "0123456789!") {
		t.Errorf("the image of the container shows %q", got)
	}
	s.typeLine("write /data/.wh.x y\n")
	s.until("done write")
	_, err = l.Commit(t.Context(), c.ID, wire.CommitContainer{})
	wantCode(t, err, "whiteout-name")
	if !strings.Contains(err.Error(), "data/.wh.x") {
		t.Errorf("the error does not name the path: %v", err)
	}
}

func TestExecAndFacts(t *testing.T) {
	l := newRealLab(t)
	c := l.run(wire.CreateContainer{TTY: true})
	l.open(c.ID).until("ready")
	ex, err := l.Exec(t.Context(), c.ID, wire.ExecContainer{Command: []string{"lab"}, User: "ada", TTY: true, Cols: 70, Rows: 10, WorkingDir: "/home/ada"})
	if err != nil {
		t.Fatal(err)
	}
	s := l.open(ex.ID)
	s.until("ready")
	s.typeLine("id\n")
	if got := s.until("done id"); !strings.Contains(got, "uid 1000 gid 1000") || !strings.Contains(got, "cwd /home/ada") {
		t.Errorf("exec shows %q", got)
	}
	s.typeLine("size\n")
	s.until("size 70x10")
	l.restart()
	s = l.open(ex.ID)
	s.until("size 70x10")
	s.typeLine("exit 3\n")
	s.until("")
	if *s.exit != 3 {
		t.Errorf("exit %d", *s.exit)
	}
	_, err = l.Exec(t.Context(), c.ID, wire.ExecContainer{Command: []string{"/nope"}})
	wantCode(t, err, "command-not-found")

	f, err := l.Facts(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range f.Namespaces {
		if !ns.Own {
			t.Errorf("namespace %s is the host's", ns.Type)
		}
	}
	if len(f.Namespaces) != 7 || f.UIDMap[0].Count != 65536 || f.UIDMap[0].Host < 65536 || f.Seccomp != "filter" ||
		len(f.Capabilities["bounding"]) != 14 || len(f.Capabilities["effective"]) != 14 || len(f.Capabilities["ambient"]) != 0 || len(f.Capabilities["inheritable"]) != 0 {
		t.Errorf("facts %+v", f)
	}
	first := slices.IndexFunc(f.Processes, func(p wire.Process) bool { return p.Inside == 1 })
	if first < 0 || f.Processes[first].Host != f.Pid || f.Processes[first].User != f.UIDMap[0].Host || f.ProcessCount != len(f.Processes) {
		t.Errorf("processes %+v", f.Processes)
	}
	if !slices.Contains(f.CgroupValues, wire.CgroupValue{Name: "pids.max", Value: "4096"}) {
		t.Errorf("cgroup %s %+v", f.CgroupPath, f.CgroupValues)
	}
	for name, get := range map[string]func(context.Context, string) (json.RawMessage, error){"plan": l.Plan, "trace": l.Trace} {
		raw, err := get(t.Context(), c.ID)
		if err != nil || len(raw) < 1000 {
			t.Errorf("%s: %s, %v", name, raw, err)
		}
	}
}

func TestPauseStopsTheProgram(t *testing.T) {
	l := newRealLab(t)
	c := l.run(wire.CreateContainer{TTY: true})
	s := l.open(c.ID)
	s.until("ready")
	if _, err := l.Pause(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	s.typeLine("echo frozen\n")
	s.until("echo frozen\r\n") // the kernel's echo, not the program's
	l.restart()
	if got, err := l.Get(t.Context(), c.ID); err != nil || got.State != wire.StatePaused {
		t.Fatalf("after a restart: %+v, %v", got, err)
	}
	if _, err := l.Unpause(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	l.open(c.ID).until("\r\nfrozen")
	if _, err := l.Pause(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Kill(t.Context(), c.ID, wire.KillContainer{}); err != nil {
		t.Errorf("kill of a paused container: %v", err)
	}
	if code := l.end(c.ID); code != 137 {
		t.Errorf("exit code %d", code)
	}
}

// TestFloodHoldsNobodyUp opens a terminal on endless output, with a page that
// takes nothing in: Ctrl-C still works, and a second page sees the end.
func TestFloodHoldsNobodyUp(t *testing.T) {
	l := newRealLab(t)
	c := l.run(wire.CreateContainer{TTY: true})
	l.open(c.ID).until("ready")
	ex, err := l.Exec(t.Context(), c.ID, wire.ExecContainer{Command: []string{"lab", "yes"}, TTY: true})
	if err != nil {
		t.Fatal(err)
	}
	deaf := l.open(ex.ID) // never reads
	s := l.open(ex.ID)
	s.until("yyyy")
	pressed := time.Now()
	deaf.typeLine("\x03")
	s.until("")
	if took := time.Since(pressed); took > 10*time.Second {
		t.Errorf("Ctrl-C took %v", took)
	}
	if *s.exit != 130 {
		t.Errorf("exit code %d, want 130", *s.exit)
	}
}

// TestKilledServerFindsItsContainers kills a server process with SIGKILL while
// its containers run, one of which then ends and one of which is killed with
// its shim.
func TestKilledServerFindsItsContainers(t *testing.T) {
	if dir := os.Getenv("LAYERLAB_TEST_SERVER"); dir != "" {
		serveUntilKilled(t, dir)
		return
	}
	l := newRealLab(t)
	l.stop()
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestKilledServerFindsItsContainers$", "-test.v")
	cmd.Env = append(os.Environ(), "LAYERLAB_TEST_SERVER="+l.dir)
	program, err := os.ReadFile(filepath.Join(l.images.images["lab:1"].Dirs[0], "bin/lab"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "lab"), program, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []byte
	var ids []string
	buf := make([]byte, 4096)
	for ids == nil {
		n, err := out.Read(buf)
		all = append(all, buf[:n]...)
		if _, after, ok := strings.Cut(string(all), "containers: "); ok && strings.Contains(after, ";") {
			line, _, _ := strings.Cut(after, ";")
			ids = strings.Fields(line)
		} else if err != nil {
			t.Fatalf("the server broke off: %v\n%s", err, all)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // "signal: killed"

	// Meanwhile: the first runs on, the second ends, the third is killed with
	// its shim.
	l.killWithShim(ids[2])
	l.start()
	runs, err := l.Get(t.Context(), ids[0])
	if err != nil || runs.State != wire.StateRunning {
		t.Fatalf("%+v, %v", runs, err)
	}
	s := l.open(ids[0])
	s.until("before the kill")
	s.typeLine("echo after\n")
	s.until("\r\nafter")
	if code := l.end(ids[1]); code != 7 {
		t.Errorf("the one that ended: %d, want 7", code)
	}
	killed, err := l.Get(t.Context(), ids[2])
	if err != nil || killed.State != wire.StateExited || *killed.ExitCode != 137 {
		t.Errorf("the one whose shim was killed: %+v, %v", killed, err)
	}
	if pids := processesWith(ids[2]); len(pids) != 0 {
		t.Errorf("its processes are left: %v", pids)
	}
}

func serveUntilKilled(t *testing.T, dir string) {
	program, err := os.ReadFile(filepath.Join(dir, "lab"))
	if err != nil {
		t.Fatal(err)
	}
	l := &realLab{t: t, dir: dir, images: newRealImages(filepath.Join(dir, "layers"))}
	l.images.addLab(t, program)
	l.start()
	runs := l.run(wire.CreateContainer{TTY: true})
	s := l.open(runs.ID)
	s.until("ready")
	s.typeLine("echo before the kill\n")
	s.until("\r\nbefore the kill")
	ends := l.run(wire.CreateContainer{TTY: true})
	l.open(ends.ID).typeLine("exit 7\n") // maybe before, maybe after the kill
	killed := l.run(wire.CreateContainer{TTY: true})
	fmt.Printf("containers: %s %s %s;\n", runs.ID, ends.ID, killed.ID)
	<-t.Context().Done()
}
