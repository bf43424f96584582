//go:build linux && compare

package compare

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// bin is the folder of the programs under test.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "layerlab-compare-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	for _, name := range []string{"layerlab", "layerlab-sample", "layerlab-userland", "layerlab-helper"} {
		if err := build(dir, name, "CGO_ENABLED=0"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-o", filepath.Join(dir, "imagecore.wasm"), "./cmd/imagecore-wasm")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the module: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func build(dir, name, env string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, name), "./cmd/"+name)
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), env)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return nil
}

// engine is one that answers on a socket; its lines run in folder.
type engine struct {
	name, socket, folder string
}

// client is the docker command line that is used: Debian's, where it is
// installed, which is the one that goes with the dockerd.
func client() string {
	if c := os.Getenv("LAYERLAB_DOCKER"); c != "" {
		return c
	}
	if _, err := os.Stat("/usr/bin/docker"); err == nil {
		return "/usr/bin/docker"
	}
	return "docker"
}

// ready says what is missing for the comparison, "" for nothing.
func ready() string {
	if os.Geteuid() != 0 {
		return "engines need root"
	}
	for _, program := range []string{"dockerd", client()} {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed (Debian's docker.io)"
		}
	}
	return ""
}

// startDockerd starts Docker's engine with everything of it in one folder and in
// network and mount namespaces of its own: the host keeps neither a bridge nor
// a rule nor a mount of it.
func startDockerd(tb testing.TB) *engine {
	tb.Helper()
	dir := shortFolder(tb, "lld-")
	must(tb, os.WriteFile(dir+"/daemon.json", []byte("{}"), 0o644))
	e := &engine{name: "dockerd", socket: dir + "/d.sock", folder: dir + "/w"}
	must(tb, os.Mkdir(e.folder, 0o755))
	own := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS}
	why := daemon(tb, own, dir+"/log", e.socket, "sh", "-c", "ip link set lo up; exec dockerd \"$@\"", "dockerd", "--config-file", dir+"/daemon.json", "--host", "unix://"+e.socket,
		"--data-root", dir+"/root", "--exec-root", dir+"/run", "--pidfile", dir+"/pid", "--storage-driver", "overlay2",
		"--iptables=false", "--ip6tables=false", "--bip", "10.77.0.1/24")
	if why != "" {
		tb.Skipf("dockerd cannot be started on this machine: %s", why)
	}
	return e
}

// startLayerlab starts ours.
func startLayerlab(tb testing.TB, flags ...string) *engine {
	tb.Helper()
	dir := shortFolder(tb, "lll-")
	e := &engine{name: "layerlab", socket: dir + "/d.sock", folder: dir + "/w"}
	must(tb, os.Mkdir(e.folder, 0o755))
	argv := append([]string{
		bin + "/layerlab", "serve", "--listen", "127.0.0.1:0", "--no-samples", "--module-cache", bin + "/modules", "--data", dir + "/data", "--run", dir + "/run", "--docker-socket", e.socket,
	}, flags...)
	if why := daemon(tb, nil, dir+"/log", e.socket, argv...); why != "" {
		tb.Fatalf("layerlab does not start: %s", why)
	}
	return e
}

// shortFolder is a temporary one (names of sockets have 107 bytes); mounts left
// in it go with it.
func shortFolder(tb testing.TB, prefix string) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", prefix)
	must(tb, err)
	must(tb, os.Chmod(dir, 0o755))
	tb.Cleanup(func() {
		unmount(dir)
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return dir
}

// unmount takes away the mounts beneath a folder, the last made first.
func unmount(dir string) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return
	}
	lines := strings.Split(string(b), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if f := strings.Fields(lines[i]); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			_ = unix.Unmount(f[4], unix.MNT_DETACH)
		}
	}
}

// daemon starts a program that ends with the test, and waits until it answers on
// its socket; else it says why not.
func daemon(tb testing.TB, own *syscall.SysProcAttr, log, socket string, argv ...string) (why string) {
	tb.Helper()
	f, err := os.Create(log)
	must(tb, err)
	defer f.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = f, f, own
	must(tb, cmd.Start())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	tb.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if tb.Failed() {
			tb.Logf("%s: %s", argv[0], tail(log))
		}
	})
	late := time.After(time.Minute)
	for tick := time.Tick(50 * time.Millisecond); ; {
		if ping(socket) {
			return ""
		}
		select {
		case <-ended:
			return tail(log)
		case <-late:
			return "it does not answer after a minute: " + tail(log)
		case <-tick: // a daemon tells nobody that it listens
		}
	}
}

func ping(socket string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://d/_ping", nil)
	if err != nil {
		return false
	}
	res, err := over(socket).Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// over is a client of a socket.
func over(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
}

// tail is the last of a log.
func tail(log string) string {
	f, err := os.Open(log)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	var lines []string
	for s := bufio.NewScanner(f); s.Scan(); {
		lines = append(lines, s.Text())
	}
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// sh runs one line of the list with docker pointed at the engine.
func (e *engine) sh(ctx context.Context, line string) answer {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = e.folder
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+e.socket, "HOME="+e.folder, "DOCKER_CONFIG="+e.folder+"/.docker",
		"PATH="+bin+"/client:"+os.Getenv("PATH"), "SOCKET="+e.socket, "LC_ALL=C", "COLUMNS=200", "DOCKER_API_VERSION=")
	cmd.WaitDelay = time.Second
	var out, err strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &err
	failure := cmd.Run()
	a := answer{out: out.String(), err: err.String(), exit: -1}
	if exited, ok := errors.AsType[*exec.ExitError](failure); failure == nil || ok {
		a.exit = 0
		if ok {
			a.exit = exited.ExitCode()
		}
	} else {
		a.err += failure.Error()
	}
	return a
}

// prepare gives an engine the image of the list, lab:1.
func (e *engine) prepare(tb testing.TB, archive string) {
	tb.Helper()
	for _, line := range []string{"docker load -qi " + archive, "docker tag layerlab/sample:latest lab:1", "docker rmi layerlab/sample:latest"} {
		if a := e.sh(tb.Context(), line); a.exit != 0 {
			tb.Fatalf("%s: %s: %s", e.name, line, a.err)
		}
	}
}

// clean takes everything away but the image of the list.
func (e *engine) clean(tb testing.TB, archive string) {
	tb.Helper()
	a := e.sh(tb.Context(), `ids=$(docker ps -aq); [ -z "$ids" ] || docker rm -fv $ids
docker volume prune -f; docker network prune -f
ids=$(docker images -aq --no-trunc | sort -u | grep -v "$(docker images -q --no-trunc lab:1)x"); [ -z "$ids" ] || docker rmi -f $ids
rm -rf ./* `)
	if a.exit < 0 {
		tb.Fatalf("%s: clean: %s", e.name, a.err)
	}
	e.prepare(tb, archive)
}
