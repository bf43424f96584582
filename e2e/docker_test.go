package e2e_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
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

// startServer starts a server of the script's own and points the docker command
// line at it: server. The sample image is there as lab:1. Containers and server
// are gone at the script's end.
func startServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: server")
	}
	socket := ts.MkAbs("d.sock")
	cmd := exec.Command(filepath.Join(bin, "layerlab"), "serve", "--listen", "127.0.0.1:0", "--no-samples",
		"--data", ts.MkAbs("data"), "--run", ts.MkAbs("run"), "--docker-socket", socket)
	cmd.Env = append(os.Environ(), "LAYERLAB_DATA=")
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	log, err := os.Create(ts.MkAbs("server.log"))
	ts.Check(err)
	cmd.Stderr = log
	ts.Check(cmd.Start())
	docker := func(args ...string) string {
		c := exec.Command("docker", args...)
		c.Env = append(os.Environ(), "DOCKER_HOST=unix://"+socket, "HOME="+ts.MkAbs("."))
		b, err := c.CombinedOutput()
		if err != nil {
			ts.Logf("docker %s: %v\n%s", strings.Join(args, " "), err, b)
		}
		return string(b)
	}
	ts.Defer(func() {
		for _, id := range strings.Fields(docker("ps", "-aq", "--no-trunc")) {
			docker("rm", "-f", id)
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		_ = cmd.Wait()
		log.Close()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, "serves at") {
		text, _ := os.ReadFile(log.Name())
		ts.Fatalf("the server does not start: %q %v\n%s", line, err, text)
	}
	ts.Setenv("DOCKER_HOST", "unix://"+socket)
	ts.Setenv("HOME", ts.MkAbs("."))
	ts.Check(os.Mkdir(ts.MkAbs("samples"), 0o755))
	ts.Check(ts.Exec("layerlab-sample", "-userland", filepath.Join(bin, "layerlab-userland"), "-o", "samples"))
	docker("load", "-i", ts.MkAbs("samples/sample.tar"))
	docker("tag", "layerlab/sample:latest", "lab:1")
	docker("rmi", "layerlab/sample:latest")
}
