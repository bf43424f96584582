package e2e_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// canDocker says whether containers can be run and the docker command line
// driven: that needs root on Linux and the command itself.
func canDocker() bool {
	_, err := exec.LookPath("docker")
	return err == nil && runtime.GOOS == "linux" && os.Geteuid() == 0
}

// chooseDocker makes LAYERLAB_DOCKER the docker command line of all tests, where
// it is set: a machine may have more than one.
func chooseDocker(dir string) error {
	docker := os.Getenv("LAYERLAB_DOCKER")
	if docker == "" {
		return nil
	}
	client := filepath.Join(dir, "client")
	if err := os.Mkdir(client, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(docker, filepath.Join(client, "docker")); err != nil {
		return err
	}
	return os.Setenv("PATH", client+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// dockerSince says whether the docker command line is of a version, "27", or of
// a later one: words, and what it sends, are its own.
func dockerSince(version string) (bool, error) {
	out, err := exec.Command("docker", "--version").Output()
	if err != nil {
		return false, err
	}
	var has, want int
	if _, err := fmt.Sscanf(string(out), "Docker version %d.", &has); err != nil {
		return false, fmt.Errorf("%q: %w", out, err)
	}
	_, err = fmt.Sscan(version, &want)
	return has >= want, err
}

// serverKey is where a script keeps its server.
type serverKey struct{}

// scriptServer is a script's server.
type scriptServer struct {
	flags []string
	cmd   *exec.Cmd
	log   *os.File
}

// startServer starts a server of the script's own and points the docker command
// line at it: server [FLAG…]. The sample image is there as lab:1. Containers and
// server are gone at the script's end.
func startServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: server [FLAG…]")
	}
	s := ts.Value(serverKey{}).(*scriptServer)
	s.flags = args
	docker := func(args ...string) string {
		c := exec.Command("docker", args...)
		c.Env = append(os.Environ(), "DOCKER_HOST=unix://"+ts.MkAbs("d.sock"), "HOME="+ts.MkAbs("."))
		b, err := c.CombinedOutput()
		if err != nil {
			ts.Logf("docker %s: %v\n%s", strings.Join(args, " "), err, b)
		}
		return string(b)
	}
	ts.Defer(func() {
		if s.cmd == nil {
			return
		}
		for _, id := range strings.Fields(docker("ps", "-aq", "--no-trunc")) {
			docker("rm", "-f", id)
		}
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(30*time.Second, func() { _ = s.cmd.Process.Kill() })
		defer late.Stop()
		_ = s.cmd.Wait()
		s.log.Close()
	})
	s.start(ts)
	ts.Setenv("DOCKER_HOST", "unix://"+ts.MkAbs("d.sock"))
	ts.Setenv("HOME", ts.MkAbs("."))
	ts.Check(os.Mkdir(ts.MkAbs("samples"), 0o755))
	ts.Check(ts.Exec("layerlab-sample", "-userland", filepath.Join(bin, "layerlab-userland"), "-o", "samples"))
	docker("load", "-i", ts.MkAbs("samples/sample.tar"))
	docker("tag", "layerlab/sample:latest", "lab:1")
	docker("rmi", "layerlab/sample:latest")
}

// start runs the server until it serves.
func (s *scriptServer) start(ts *testscript.TestScript) {
	args := append([]string{
		"serve", "--listen", "127.0.0.1:0", "--no-samples", "--read", "native", // a new data folder costs the guest's translation
		"--data", ts.MkAbs("data"), "--run", ts.MkAbs("run"), "--docker-socket", ts.MkAbs("d.sock"),
	}, s.flags...)
	cmd := exec.Command(filepath.Join(bin, "layerlab"), args...)
	cmd.Env = append(os.Environ(), "LAYERLAB_DATA=")
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	s.log, err = os.OpenFile(ts.MkAbs("server.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	ts.Check(err)
	cmd.Stderr = s.log
	ts.Check(cmd.Start())
	s.cmd = cmd
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, "serves at") {
		text, _ := os.ReadFile(s.log.Name())
		ts.Fatalf("the server does not start: %q %v\n%s", line, err, text)
	}
}

// crashServer kills the server, which has no chance to say anything, and starts
// it again, with other flags where some are given: crash [FLAG…].
func crashServer(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(serverKey{}).(*scriptServer)
	if neg || s.cmd == nil {
		ts.Fatalf("usage: crash [FLAG…], after server")
	}
	if len(args) > 0 {
		s.flags = args
	}
	ts.Check(s.cmd.Process.Kill())
	_ = s.cmd.Wait() // "signal: killed"
	s.log.Close()
	s.start(ts)
}

// untilItSays runs a program again and again until what it prints matches, for
// half a minute: until PATTERN PROGRAM ARG…. No event tells what it waits for.
func untilItSays(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN PROGRAM ARG…")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	late := time.After(30 * time.Second)
	for tick := time.Tick(100 * time.Millisecond); ; {
		err := ts.Exec(args[1], args[2:]...)
		if pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-tick:
		case <-late:
			ts.Fatalf("%s: %v: it does not say %s", strings.Join(args[1:], " "), err, args[0])
		}
	}
}
