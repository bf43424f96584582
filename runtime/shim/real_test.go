//go:build linux

package shim_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/imagecore/tarscan"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/foreign"
	"github.com/layerlab/layerlab/runtime/sealed"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// The test binary is its own layerlab-runtime ("shim") and its own server
// ("server", which is killed). Those end by unix.Exit: at os.Exit the race detector
// sleeps for a second, and the environment that says otherwise does not reach them.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		unix.Exit(shim.Main(os.Args[2:]))
	}
	if len(os.Args) == 2 && os.Args[1] == foreign.Word {
		unix.Exit(foreign.Main())
	}
	if len(os.Args) > 2 && os.Args[1] == "server" {
		os.Exit(server(os.Args[2]))
	}
	code := m.Run()
	busybox.remove()
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/layerlab-shim-test")
	for _, g := range groups {
		os.Remove(g) // stays where a test left something in it
	}
	os.Exit(code)
}

// busybox is a layer with a shell, unpacked once.
var busybox userland

type userland struct {
	once sync.Once
	dir  string
	skip string
	err  error
}

func (u *userland) remove() {
	if u.dir != "" {
		os.RemoveAll(u.dir)
	}
}

func (u *userland) unpack() {
	corpus := os.Getenv("LAYERLAB_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "..", "..", "shared", "images")
	}
	path := filepath.Join(corpus, "rootfs", "busybox-latest-musl-amd64.rootfs.tar.gz")
	f, err := os.Open(path)
	if err != nil {
		u.skip = fmt.Sprintf("no user land: %v (set LAYERLAB_CORPUS)", err)
		return
	}
	defer f.Close()
	u.err = func() error {
		z, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		tar, err := io.ReadAll(z)
		if err != nil {
			return err
		}
		l := imagecore.Layer{Present: true}
		for sc := tarscan.NewReaderAt(bytes.NewReader(tar), int64(len(tar)), tarscan.Options{Limits: imagecore.DefaultLimits()}); ; {
			var e imagecore.Entry
			if err := sc.Next(&e); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return err
			}
			l.Entries = append(l.Entries, e)
		}
		t, err := tree.Build([]imagecore.Layer{l}, "spec")
		if err != nil {
			return err
		}
		if u.dir, err = os.MkdirTemp("", "shim-test-"); err != nil {
			return err
		}
		return snapshot.Unpack(context.Background(), filepath.Join(u.dir, "0"), t, 0,
			func(int) (io.ReaderAt, error) { return bytes.NewReader(tar), nil }, snapshot.UnpackOptions{})
	}()
}

// box is a container's folder.
type box struct {
	t      testing.TB
	dir    string
	o      shim.Options
	client *shim.Client
}

func config(terminal bool, args ...string) *specs.Spec {
	caps := []string{"CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE"}
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 500000, Size: 65536}}
	return &specs.Spec{
		Version: specs.Version,
		Process: &specs.Process{
			Terminal: terminal, Args: args, Cwd: "/", Env: []string{"PATH=/bin:/usr/bin", "TERM=xterm", "PS1=# "},
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		},
		Root:     &specs.Root{Path: "rootfs"},
		Hostname: "lab",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		},
		Linux: &specs.Linux{
			UIDMappings: ids, GIDMappings: ids,
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.UserNamespace},
				{Type: specs.MountNamespace},
				{Type: specs.PIDNamespace},
				{Type: specs.NetworkNamespace},
				{Type: specs.UTSNamespace},
				{Type: specs.IPCNamespace},
				{Type: specs.CgroupNamespace},
			},
		},
	}
}

// prepare writes a bundle.
func prepare(t testing.TB, spec *specs.Spec) *box {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("containers need root")
	}
	busybox.once.Do(busybox.unpack)
	if busybox.skip != "" {
		t.Skip(busybox.skip)
	}
	if busybox.err != nil {
		t.Fatal(busybox.err)
	}
	dir, err := os.MkdirTemp("", "box-") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	b := &box{t: t, dir: dir}
	spec.Linux.CgroupsPath = fmt.Sprintf("/layerlab-shim-test/%d-%s", os.Getpid(), filepath.Base(dir))
	j, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), j, 0o600); err != nil {
		t.Fatal(err)
	}
	b.o = shim.Options{
		ID: filepath.Base(dir), Bundle: dir, Socket: dir + "/sock", Log: dir + "/log", ExitFile: dir + "/exit.json",
		Layers: []snapshot.Layer{{Dir: filepath.Join(busybox.dir, "0")}}, Upper: dir + "/upper", Work: dir + "/work",
		Method: snapshot.LowerFDs, Cols: 80, Rows: 24, Runtime: otherRuntime(t, dir),
	}
	t.Cleanup(b.clear)
	return b
}

// program is this test binary, as the server seals layerlab-runtime: once.
var program = sync.OnceValues(func() (*os.File, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	return sealed.Copy("layerlab-runtime", self)
})

// create starts a shim.
func (b *box) create() error {
	b.t.Helper()
	o := b.o
	if o.Executable == nil {
		f, err := program()
		b.must(err)
		o.Executable = f
	}
	c, err := shim.Start(b.t.Context(), o)
	if err == nil {
		b.client = c
	}
	return err
}

// begin lets the command run.
func (b *box) begin(ctx context.Context) error {
	_, err := b.client.Start(ctx)
	return err
}

func run(t testing.TB, spec *specs.Spec) *box {
	t.Helper()
	b := prepare(t, spec)
	if err := b.create(); err != nil {
		t.Fatal(err)
	}
	b.must(b.begin(t.Context()))
	return b
}

func (b *box) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// shims returns the pids of the shims of this box.
func (b *box) shims() (pids []string) {
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	b.must(err)
	for _, p := range all {
		line, _ := os.ReadFile(p) // some end meanwhile
		if !bytes.HasPrefix(line, []byte("layerlab-runtime\x00shim\x00")) {
			continue
		}
		pid := strings.Split(p, "/")[2]
		link, _ := os.Readlink("/proc/" + pid + "/fd/2")
		if link == b.dir+"/shim.log" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// clear ends what a test has left and looks whether anything stays.
func (b *box) clear() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if c, err := shim.Dial(ctx, b.o.Socket); err == nil {
		c.Signal(ctx, "", unix.SIGKILL, false)
		if _, err := c.Wait(ctx, ""); err != nil {
			b.t.Error(err)
		}
		if err := c.AckExit(ctx); err != nil {
			b.t.Error(err)
		}
	}
	b.gone()
	if b.t.Failed() {
		if said, _ := os.ReadFile(b.dir + "/shim.log"); len(said) > 0 {
			b.t.Logf("shim.log: %s", said)
		}
	}
	os.RemoveAll(b.dir)
}

// gone waits until no process of the shim is left and checks that neither
// socket, mount nor cgroup is.
func (b *box) gone() {
	b.t.Helper()
	until(b.t, "the shim's end", func() bool { return len(b.shims()) == 0 })
	if _, err := os.Stat(b.o.Socket); !errors.Is(err, os.ErrNotExist) {
		b.t.Errorf("the socket is left: %v", err)
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/layerlab-shim-test/*" + filepath.Base(b.dir))
	if len(groups) > 0 {
		b.t.Errorf("cgroups are left: %v", groups)
	}
	if mounts, _ := os.ReadFile("/proc/self/mountinfo"); bytes.Contains(mounts, []byte(b.dir)) {
		b.t.Errorf("mounts are left")
	}
}

// until polls: the kernel tells nobody but the parent that a process has ended.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// screen reads a stream until its end.
type screen struct {
	*shim.Stream
	t    testing.TB
	mu   sync.Mutex
	out  [3]strings.Builder
	more chan struct{}
	done chan error
}

func (b *box) attach(id string) *screen {
	b.t.Helper()
	s, err := b.client.Attach(context.Background(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	v := &screen{Stream: s, t: b.t, more: make(chan struct{}, 1), done: make(chan error, 1)}
	go func() {
		for {
			c, err := s.Next()
			if err != nil {
				v.done <- err
				close(v.more)
				return
			}
			v.mu.Lock()
			v.out[c.Stream].Write(c.Data)
			v.mu.Unlock()
			select {
			case v.more <- struct{}{}:
			default:
			}
		}
	}()
	b.t.Cleanup(func() { s.Close() })
	return v
}

func (v *screen) text(stream int) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.out[stream].String()
}

func (v *screen) expect(want string) {
	v.t.Helper()
	limit := time.After(20 * time.Second)
	for !strings.Contains(v.text(1), want) {
		select {
		case _, ok := <-v.more:
			if !ok && !strings.Contains(v.text(1), want) {
				v.t.Fatalf("the stream ended without %q:\n%s", want, v.text(1))
			}
		case <-limit:
			v.t.Fatalf("no %q in\n%s", want, v.text(1))
		}
	}
}

func (v *screen) send(s string) {
	v.t.Helper()
	if _, err := v.Write([]byte(s)); err != nil {
		v.t.Fatal(err)
	}
}

// ended waits for the end of output.
func (v *screen) ended() *shim.Exit {
	v.t.Helper()
	select {
	case err := <-v.done:
		if !errors.Is(err, io.EOF) {
			v.t.Fatalf("stream ended with %v\n%s", err, v.text(1))
		}
	case <-time.After(20 * time.Second):
		v.t.Fatalf("no end of\n%s", v.text(1))
	}
	return v.Exit()
}

func TestATerminalFromStartToAcknowledgedExit(t *testing.T) {
	b := prepare(t, config(true, "/bin/sh"))
	b.must(b.create())
	ctx := t.Context()
	s, err := b.client.State(ctx)
	b.must(err)
	if s.Status != shim.StatusCreated || s.Pid == 0 || !s.TTY || !s.StartedAt.IsZero() {
		t.Errorf("before the start: %+v", s)
	}
	v := b.attach("")
	b.must(b.begin(ctx))
	v.expect("# ")
	v.send("stty size; echo 你好 $$\n")
	v.expect("24 80\r\n你好 1\r\n")
	b.must(b.client.Resize(ctx, "", 132, 43))
	v.send("stty size\n")
	v.expect("43 132")
	// The shell's own line editor takes Ctrl-C for a character; only what runs
	// in the foreground gets the signal.
	v.send("sh -c 'echo sl''eeping; exec sleep 100'\n")
	v.expect("sleeping\r\n")
	v.send("\x03")
	v.send("echo in''terrupted\n")
	v.expect("interrupted\r\n")
	if s, err = b.client.State(ctx); err != nil || s.Status != shim.StatusRunning {
		t.Errorf("%+v, %v", s, err)
	}
	if err := b.client.AckExit(ctx); !errors.Is(err, fault.ErrConflict) {
		t.Errorf("acknowledging before the end: %v", err)
	}
	if err := b.begin(ctx); !errors.Is(err, fault.ErrConflict) {
		t.Errorf("starting again: %v", err)
	}
	v.send("exit 42\n")
	if e := v.ended(); e.Code != 42 || e.Signal != 0 {
		t.Errorf("the stream says %+v", e)
	}
	e, err := b.client.Wait(ctx, "")
	b.must(err)
	record, err := shim.ReadExit(b.o.ExitFile)
	b.must(err)
	if *record != *e || e.Code != 42 || e.At.Before(e.StartedAt) {
		t.Errorf("waited for %+v, recorded %+v", e, record)
	}
	late := b.attach("")
	late.ended()
	if late.text(1) != v.text(1) || late.Replay() != int64(len(v.text(1))) {
		t.Errorf("replay after the end is %q, was %q", late.text(1), v.text(1))
	}
	var log strings.Builder
	raw, err := os.ReadFile(b.o.Log)
	b.must(err)
	for l := range strings.Lines(string(raw)) {
		var line struct{ Log string }
		b.must(json.Unmarshal([]byte(l), &line))
		log.WriteString(line.Log)
	}
	if log.String() != v.text(1) {
		t.Errorf("the log has %q", log.String())
	}
	b.must(b.client.AckExit(ctx))
	b.gone()
	if _, err := b.client.State(ctx); !errors.Is(err, shim.ErrGone) {
		t.Errorf("after the end: %v", err)
	}
}

func TestPipesKeepStreamsApart(t *testing.T) {
	b := prepare(t, config(false, "/bin/sh", "-c", "cat; echo oops >&2; exit 3"))
	b.o.Stdin = true
	b.must(b.create())
	v := b.attach("")
	b.must(b.begin(t.Context()))
	v.send("one\ntwo\n")
	b.must(v.CloseWrite())
	if e := v.ended(); e.Code != 3 || v.text(1) != "one\ntwo\n" || v.text(2) != "oops\n" {
		t.Errorf("%+v %q %q", e, v.text(1), v.text(2))
	}
}

func TestWithoutInputAProgramSeesItsEnd(t *testing.T) {
	b := run(t, config(false, "/bin/cat"))
	e, err := b.client.Wait(t.Context(), "")
	if err != nil || e.Code != 0 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestAMissingCommandFailsBeforeTheStartAndLeavesNothing(t *testing.T) {
	for command, code := range map[string]string{"/bin/absent": "command-not-found", "/etc/passwd": "command-not-executable"} {
		b := prepare(t, config(true, command))
		err := b.create()
		var e *fault.Error
		if !errors.As(err, &e) || e.Code != code || e.Args["command"] != command {
			t.Errorf("%s: %v (%+v)", command, err, e)
		}
		b.gone()
		if _, err := os.Stat(b.o.ExitFile); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("an exit was recorded: %v", err)
		}
	}
}

func TestSignalsReachTheProcess(t *testing.T) {
	b := run(t, config(false, "/bin/sh", "-c", "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 0.05; done"))
	v := b.attach("")
	v.expect("ready")
	b.must(b.client.Signal(t.Context(), "", unix.SIGTERM, false))
	if e := v.ended(); e.Code != 9 {
		t.Errorf("%+v", e)
	}
	if err := b.client.Signal(t.Context(), "", unix.SIGTERM, false); !errors.Is(err, fault.ErrConflict) {
		t.Errorf("signal after the end: %v", err)
	}
	b = run(t, config(false, "/bin/sleep", "100"))
	b.must(b.client.Signal(t.Context(), "", unix.SIGKILL, true))
	if e, err := b.client.Wait(t.Context(), ""); err != nil || e.Code != 137 || e.Signal != 9 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestKilledBeforeTheStart(t *testing.T) {
	b := prepare(t, config(true, "/bin/sh"))
	b.must(b.create())
	b.must(b.client.Signal(t.Context(), "", unix.SIGKILL, false))
	if e, err := b.client.Wait(t.Context(), ""); err != nil || e.Signal != 9 || !e.StartedAt.IsZero() {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestAPauseStopsTheProgramAndAKillEndsIt(t *testing.T) {
	b := run(t, config(true, "/bin/sh", "-c", "while :; do echo tick; sleep 0.01; done"))
	v := b.attach("")
	v.expect("tick")
	b.must(b.client.Pause(t.Context()))
	s, err := b.client.State(t.Context())
	b.must(err)
	if s.Status != shim.StatusPaused {
		t.Errorf("status %s", s.Status)
	}
	if _, err := b.client.Exec(t.Context(), &specs.Process{Args: []string{"/bin/true"}, Cwd: "/"}, shim.ExecOptions{}); !errors.Is(err, fault.ErrConflict) {
		t.Errorf("exec while paused: %v", err)
	}
	b.must(b.client.Resume(t.Context()))
	n := strings.Count(v.text(1), "tick")
	until(t, "ticks after the pause", func() bool { return strings.Count(v.text(1), "tick") > n+1 })
	b.must(b.client.Pause(t.Context()))
	b.must(b.client.Signal(t.Context(), "", unix.SIGKILL, false))
	if e := v.ended(); e.Code != 137 {
		t.Errorf("%+v", e)
	}
}

func TestExecHasATerminalOfItsOwnAndItsOwnExit(t *testing.T) {
	b := run(t, config(false, "/bin/sleep", "100"))
	ctx := t.Context()
	shell := &specs.Process{Terminal: true, Args: []string{"/bin/sh"}, Cwd: "/tmp", Env: []string{"PATH=/bin", "PS1=> "}}
	id, err := b.client.Exec(ctx, shell, shim.ExecOptions{ID: "abc", Cols: 100, Rows: 30})
	b.must(err)
	if id != "abc" {
		t.Errorf("id %q", id)
	}
	if _, err := b.client.Exec(ctx, shell, shim.ExecOptions{ID: "abc"}); !errors.Is(err, fault.ErrExists) {
		t.Errorf("the same id again: %v", err)
	}
	v := b.attach(id)
	v.send("stty size; pwd; tty; ps\n")
	v.expect("30 100\r\n/tmp\r\n/dev/pts/")
	v.expect("sleep 100")
	piped := &specs.Process{Args: []string{"/bin/sh", "-c", "echo out; echo err >&2; exit 5"}, Cwd: "/", Env: []string{"PATH=/bin"}}
	other, err := b.client.Exec(ctx, piped, shim.ExecOptions{})
	b.must(err)
	if e, err := b.client.Wait(ctx, other); err != nil || e.Code != 5 {
		t.Errorf("%+v, %v", e, err)
	}
	w := b.attach(other)
	w.ended()
	if w.text(1) != "out\n" || w.text(2) != "err\n" {
		t.Errorf("%q %q", w.text(1), w.text(2))
	}
	s, err := b.client.State(ctx)
	b.must(err)
	if len(s.Execs) != 2 || s.Status != shim.StatusRunning {
		t.Errorf("%+v", s)
	}
	v.send("exit 6\n")
	if e := v.ended(); e.Code != 6 {
		t.Errorf("%+v", e)
	}
	_, err = b.client.Exec(ctx, &specs.Process{Args: []string{"absent"}, Cwd: "/"}, shim.ExecOptions{})
	var e *fault.Error
	if !errors.As(err, &e) || e.Code != "command-not-found" {
		t.Errorf("%v", err)
	}
	if _, err := b.client.Attach(ctx, "nobody"); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestExecsEndWithTheContainer(t *testing.T) {
	b := run(t, config(false, "/bin/sleep", "100"))
	id, err := b.client.Exec(t.Context(), &specs.Process{Terminal: true, Args: []string{"/bin/sleep", "100"}, Cwd: "/"}, shim.ExecOptions{})
	b.must(err)
	v := b.attach(id)
	b.must(b.client.Signal(t.Context(), "", unix.SIGKILL, false))
	if e := v.ended(); e.Code != 137 {
		t.Errorf("%+v", e)
	}
}

func TestOnlyFinishedExecsAreForgotten(t *testing.T) {
	b := run(t, config(false, "/bin/sleep", "100"))
	for i := range 40 {
		id, err := b.client.Exec(t.Context(), &specs.Process{Args: []string{"/bin/true"}, Cwd: "/"}, shim.ExecOptions{})
		b.must(err)
		if e, err := b.client.Wait(t.Context(), id); err != nil || e.Code != 0 {
			t.Fatalf("exec %d: %+v, %v", i, e, err)
		}
	}
	s, err := b.client.State(t.Context())
	b.must(err)
	if len(s.Execs) != 16 {
		t.Errorf("%d are remembered", len(s.Execs))
	}
}

func TestASlowViewerIsDroppedAndTheLogIsWhole(t *testing.T) {
	const lines = 300_000
	b := prepare(t, config(false, "/bin/seq", fmt.Sprint(lines)))
	b.must(b.create())
	slow, err := b.client.Attach(t.Context(), "")
	b.must(err)
	defer slow.Close()
	v := b.attach("")
	b.must(b.begin(t.Context()))
	v.ended()
	if n := strings.Count(v.text(1), "\n"); n != lines {
		t.Errorf("the quick viewer got %d lines", n)
	}
	raw, err := os.ReadFile(b.o.Log)
	b.must(err)
	if n := bytes.Count(raw, []byte("\n")); n != lines {
		t.Errorf("the log has %d lines", n)
	}
	for err == nil {
		_, err = slow.Next()
	}
	if !errors.Is(err, shim.ErrSlow) {
		t.Errorf("the slow viewer ended with %v", err)
	}
	again := b.attach("")
	again.ended()
	if !strings.HasSuffix(again.text(1), fmt.Sprintf("\n%d\n", lines)) {
		t.Error("attached again, the end is missing")
	}
}

// server is the process that gets killed: it starts a container, types a
// little, says so and stays.
func server(options string) int {
	var o shim.Options
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		fmt.Println(err)
		return 1
	}
	err := func() (err error) {
		if o.Executable, err = program(); err != nil {
			return err
		}
		c, err := shim.Start(context.Background(), o)
		if err != nil {
			return err
		}
		s, err := c.Attach(context.Background(), "")
		if err != nil {
			return err
		}
		if _, err := c.Start(context.Background()); err != nil {
			return err
		}
		if _, err := s.Write([]byte("x=remem''bered; echo typed; (sleep 0.3; echo later) &\n")); err != nil {
			return err
		}
		for {
			chunk, err := s.Next()
			if err != nil {
				return err
			}
			if bytes.Contains(chunk.Data, []byte("typed\r\n")) {
				fmt.Println("ready")
			}
		}
	}()
	fmt.Println(err)
	return 1
}

func TestTheShimSurvivesAServerThatIsKilled(t *testing.T) {
	b := prepare(t, config(true, "/bin/sh"))
	options, err := json.Marshal(b.o)
	b.must(err)
	cmd := osexec.Command("/proc/self/exe", "server", string(options))
	out, err := cmd.StdoutPipe()
	b.must(err)
	b.must(cmd.Start())
	line := make([]byte, 64)
	n, err := out.Read(line)
	b.must(err)
	if string(line[:n]) != "ready\n" {
		t.Fatalf("the server says %q", line[:n])
	}
	b.must(cmd.Process.Kill()) // SIGKILL
	cmd.Wait()

	b.client, err = shim.Dial(t.Context(), b.o.Socket)
	b.must(err)
	s, err := b.client.State(t.Context())
	b.must(err)
	if s.Status != shim.StatusRunning {
		t.Fatalf("%+v", s)
	}
	v := b.attach("")
	v.expect("typed\r\n")
	v.expect("later\r\n")
	v.send("echo $x\n")
	v.expect("remembered\r\n")
	v.send("exit 42\n")
	if e := v.ended(); e.Code != 42 {
		t.Errorf("%+v", e)
	}
	if record, err := shim.ReadExit(b.o.ExitFile); err != nil || record.Code != 42 {
		t.Errorf("%+v, %v", record, err)
	}
}

func TestAnExitWhileNobodyIsThereIsKept(t *testing.T) {
	b := run(t, config(true, "/bin/sh", "-c", "sleep 0.2; echo bye; exit 7"))
	until(t, "the record", func() bool { _, err := os.Stat(b.o.ExitFile); return err == nil })
	c, err := shim.Dial(t.Context(), b.o.Socket)
	b.must(err)
	e, err := c.Wait(t.Context(), "")
	if err != nil || e.Code != 7 {
		t.Errorf("%+v, %v", e, err)
	}
	v := b.attach("")
	v.ended()
	if v.text(1) != "bye\r\n" {
		t.Errorf("replay %q", v.text(1))
	}
}

func TestAKilledShimIsNoticed(t *testing.T) {
	b := run(t, config(true, "/bin/sh"))
	s, err := b.client.State(t.Context())
	b.must(err)
	waited := make(chan error, 1)
	go func() {
		_, err := b.client.Wait(context.Background(), "")
		waited <- err
	}()
	v := b.attach("")
	v.expect("# ")
	pids := b.shims()
	if len(pids) != 1 {
		t.Fatalf("shims %v", pids)
	}
	b.must(osexec.Command("kill", "-9", pids[0]).Run())
	if err := <-waited; !errors.Is(err, shim.ErrGone) {
		t.Errorf("waiting ended with %v", err)
	}
	if err := <-v.done; !errors.Is(err, shim.ErrGone) {
		t.Errorf("the stream ended with %v", err)
	}
	if _, err := shim.Dial(t.Context(), b.o.Socket); !errors.Is(err, shim.ErrGone) {
		t.Errorf("dialling: %v", err)
	}
	// What recovery does then: kill what is left, by pid here.
	unix.Kill(s.Pid, unix.SIGKILL)
	until(t, "the container's end", func() bool { return unix.Kill(s.Pid, 0) == unix.ESRCH })
	b.must(os.Remove(b.o.Socket))
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/layerlab-shim-test/*" + filepath.Base(b.dir))
	for _, g := range groups {
		os.Remove(g)
	}
}

func TestAShimThatNobodyCanReachEndsWithItsContainer(t *testing.T) {
	t.Parallel() // it waits until the shim looks around
	b := run(t, config(false, "/bin/true"))
	_, err := b.client.Wait(t.Context(), "")
	b.must(err)
	b.must(os.Remove(b.o.Socket))
	b.gone()
}

func TestAContainerWhoseFolderIsDeletedEndsWithItsShim(t *testing.T) {
	t.Parallel() // as the one before
	// The socket is left: that nobody can connect must not be the reason.
	sockets, err := os.MkdirTemp("", "sock-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(sockets)
	b := prepare(t, config(false, "/bin/sleep", "1000"))
	b.o.Socket = filepath.Join(sockets, "s")
	b.must(b.create())
	b.must(b.begin(t.Context()))
	pids := b.shims()
	if len(pids) != 1 {
		t.Fatalf("shims %v, want one", pids)
	}
	b.must(os.Rename(b.dir, b.dir+"-moved"))
	b.must(os.RemoveAll(b.dir + "-moved"))
	until(t, "the shim's end", func() bool {
		line, err := os.ReadFile("/proc/" + pids[0] + "/cmdline")
		return err != nil || len(line) == 0
	})
	b.gone()
}

func TestASecondShimIsRefusedAndTheFirstLivesOn(t *testing.T) {
	b := run(t, config(false, "/bin/sleep", "100"))
	if err := b.create(); !errors.Is(err, fault.ErrConflict) {
		t.Errorf("a second shim: %v", err)
	}
	c, err := shim.Dial(t.Context(), b.o.Socket)
	b.must(err)
	if s, err := c.State(t.Context()); err != nil || s.Status != shim.StatusRunning {
		t.Errorf("the first: %+v, %v", s, err)
	}
}

func TestTheShimIsAloneAndSealed(t *testing.T) {
	b := run(t, config(false, "/bin/sleep", "100"))
	pids := b.shims()
	if len(pids) != 1 {
		t.Fatalf("shims %v", pids)
	}
	exe, err := os.Readlink("/proc/" + pids[0] + "/exe")
	if err != nil || !strings.HasPrefix(exe, "/memfd:") {
		t.Errorf("it runs from %q, %v", exe, err)
	}
	stat, err := os.ReadFile("/proc/" + pids[0] + "/stat")
	b.must(err)
	if f := strings.Fields(string(stat)); f[5] != pids[0] {
		t.Errorf("its session is %s, its pid %s", f[5], pids[0])
	}
	var st unix.Stat_t
	b.must(unix.Stat(b.o.Socket, &st))
	if st.Mode&0o777 != 0o600 {
		t.Errorf("the socket has mode %#o", st.Mode)
	}
	status, err := os.ReadFile("/proc/" + pids[0] + "/status")
	b.must(err)
	for l := range strings.Lines(string(status)) {
		if strings.HasPrefix(l, "VmRSS") {
			t.Log("resident:", strings.TrimSpace(l))
		}
	}
	fds, err := os.ReadDir("/proc/" + pids[0] + "/fd")
	b.must(err)
	for _, fd := range fds {
		link, _ := os.Readlink("/proc/" + pids[0] + "/fd/" + fd.Name())
		if strings.Contains(link, "memfd") || strings.Contains(link, "rootfs") {
			t.Errorf("it still holds %s", link)
		}
	}
}

func TestAStartThatNobodyWaitsForLeavesNothing(t *testing.T) {
	b := prepare(t, config(true, "/bin/sh"))
	f, err := program()
	b.must(err)
	b.o.Executable = f
	for _, after := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		c, err := shim.Start(ctx, b.o)
		cancel()
		if err == nil { // it was quicker: end it
			b.must(c.Signal(t.Context(), "", unix.SIGKILL, false))
			_, err := c.Wait(t.Context(), "")
			b.must(err)
			b.must(c.AckExit(t.Context()))
		}
		b.gone()
	}
}

func TestTheTraceTellsEveryStep(t *testing.T) {
	b := run(t, config(false, "/bin/sleep", "100"))
	p, results, err := b.client.Trace(t.Context())
	b.must(err)
	if p == nil || len(p.Steps) == 0 || len(results) == 0 {
		t.Fatalf("%v %v", p, results)
	}
	if c := p.Steps[len(p.Steps)-1].Calls; len(c) == 0 || !strings.Contains(fmt.Sprint(c), "execve") {
		t.Errorf("the last step's calls are %v", c)
	}
	for _, r := range results {
		if !r.OK {
			t.Errorf("step %d %s: %s", r.Step, r.Code, r.Errno)
		}
	}
}

func BenchmarkStartOfTrue(b *testing.B) {
	if testing.Short() {
		b.Skip("starts real containers")
	}
	f, err := program()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		x := prepare(b, config(false, "/bin/true"))
		x.o.Executable = f
		b.StartTimer()
		x.must(x.create())
		x.must(x.begin(b.Context()))
		_, err := x.client.Wait(b.Context(), "")
		x.must(err)
		b.StopTimer()
		x.must(x.client.AckExit(b.Context()))
		x.gone()
		b.StartTimer()
	}
}

func TestAHeldExecKeepsAllOfItsOutputForTheFirstViewer(t *testing.T) {
	b := run(t, config(false, "/bin/sleep", "100"))
	const size = 2 << 20 // much more than the replay and the pipe take
	p := &specs.Process{Args: []string{"/bin/sh", "-c", fmt.Sprintf("head -c %d /dev/zero; echo end >&2", size)}, Cwd: "/", Env: []string{"PATH=/bin"}}
	id, err := b.client.Exec(t.Context(), p, shim.ExecOptions{Hold: true})
	b.must(err)
	v := b.attach(id)
	if e := v.ended(); e.Code != 0 {
		t.Errorf("%+v", e)
	}
	if n := len(v.text(1)); n != size || v.text(2) != "end\n" {
		t.Errorf("%d bytes of %d, then %q", n, size, v.text(2))
	}
}
