//go:build linux && interop

package interop

import (
	"os"
	"path/filepath"
	"testing"
)

// lifeOf is what podman and Docker have in common; missing is the exit code of
// an exec whose command is not there.
func lifeOf(e engine, missing int, flags ...string) {
	run := func(args ...string) []string { return append(append([]string{"run"}, flags...), args...) }
	e.want(0, "hello", run("--rm", image, "echo", "hello")...)
	e.want(7, "", run("--rm", image, "sh", "-c", "exit 7")...)
	e.want(125, "", run("--no-such-option", image, "true")...)
	e.want(126, "", run("--rm", image, "/etc/plain")...)
	e.want(127, "", run("--rm", image, "no-such-command")...)
	e.want(127, "", run("--rm", image, "/no/such/command")...)
	e.want(0, "1000", run("--rm", "--user", "ann", image, "id", "-u")...)
	e.want(0, "/tmp", run("--rm", "--workdir", "/tmp", image, "pwd")...)
	e.want(0, "x=1", run("--rm", "--env", "x=1", image, "env")...)
	e.want(1, "Read-only", run("--rm", "--read-only", image, "touch", "/x")...)
	e.want(0, "sh", run("--rm", "--tty", image, "sh", "-c", "test -t 0 && echo sh")...)

	e.want(0, "", run("--detach", "--name", "long", image, "sleep", "1000")...)
	e.until("sleep", "exec", "long", "ps")
	e.want(0, "inside", "exec", "long", "echo", "inside")
	e.want(3, "", "exec", "long", "sh", "-c", "exit 3")
	e.want(126, "", "exec", "long", "/etc/plain")
	e.want(missing, "executable file not found", "exec", "long", "no-such-command")
	e.want(0, "tty", "exec", "--tty", "long", "sh", "-c", "test -t 0 && echo tty")
	e.want(0, "", "pause", "long")
	e.until("paused", "inspect", "--format", "{{.State.Status}}", "long")
	e.want(0, "", "unpause", "long")
	e.want(0, "sleep", "top", "long")
	e.want(0, "", "kill", "long")
	e.until("exited", "inspect", "--format", "{{.State.Status}}", "long")
	e.want(0, "137", "inspect", "--format", "{{.State.ExitCode}}", "long")
	e.want(0, "", "start", "long")
	e.want(0, "long", "stop", "--time", "0", "long")
	e.want(0, "", "rm", "long")
	e.want(0, "", "create", "--name", "never", image, "true")
	e.want(0, "", "rm", "never")
}

func TestPodman(t *testing.T) {
	dir := folder(t)
	policy := filepath.Join(dir, "policy.json")
	if err := os.WriteFile(policy, []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	e := engine{t, []string{
		"podman", "--root", dir + "/root", "--runroot", dir + "/run", "--tmpdir", dir + "/tmp", "--storage-driver", "overlay",
		"--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", runtimeFile(t),
	}}
	e.want(0, image, "load", "--signature-policy", policy, "-i", archive(t, dir))
	// Raising hard limits needs CAP_SYS_RESOURCE, which root in a container may
	// lack.
	lifeOf(e, 127, "--network", "none", "--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000")
	// A tmpfs of podman's begins with what the image has there (tmpcopyup).
	e.want(0, "not a program", "run", "--rm", "--network", "none", "--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000",
		"--read-only", "--tmpfs", "/etc", image, "sh", "-c", "touch /etc/new /tmp/new && cat /etc/plain")
	e.want(0, runtimeFile(t), "info", "--format", "{{.Host.OCIRuntime.Path}}")
}

// containerd starts one and returns its socket.
func containerd(t *testing.T, dir string) string {
	t.Helper()
	config := filepath.Join(dir, "containerd.toml")
	text := "version = 2\nroot = \"" + dir + "/c-root\"\nstate = \"" + dir + "/c-run\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"" + dir + "/c.sock\"\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, dir+"/containerd.log", dir+"/c.sock", "containerd", "--config", config)
	return dir + "/c.sock"
}

func TestContainerd(t *testing.T) {
	dir := folder(t)
	e := engine{t, []string{"ctr", "--address", containerd(t, dir), "--namespace", "layerlab"}}
	e.want(0, "", "image", "import", archive(t, dir))
	run := func(args ...string) []string {
		return append([]string{"run", "--runc-binary", runtimeFile(t)}, args...)
	}
	e.want(0, "hello", run("--rm", image, "c1", "echo", "hello")...)
	e.want(7, "", run("--rm", image, "c2", "sh", "-c", "exit 7")...)
	e.want(1, "executable file not found in $PATH", run("--rm", image, "c3", "no-such-command")...)
	e.want(1, "permission denied", run("--rm", image, "c4", "/etc/plain")...)

	e.want(0, "", run("--detach", image, "long", "sleep", "1000")...)
	e.want(0, "RUNNING", "task", "ls")
	e.want(0, "inside", "task", "exec", "--exec-id", "e1", "long", "echo", "inside")
	e.want(3, "", "task", "exec", "--exec-id", "e2", "long", "sh", "-c", "exit 3")
	e.want(0, "", "task", "pause", "long")
	e.want(0, "PAUSED", "task", "ls")
	e.want(0, "", "task", "resume", "long")
	e.want(0, "", "task", "metrics", "long")
	e.want(0, "", "task", "kill", "--signal", "SIGKILL", "long")
	e.until("STOPPED", "task", "ls")
	e.want(0, "exit code 137", "task", "delete", "long")
	e.want(0, "", "container", "delete", "long")
	if out, _ := e.run("container", "ls", "-q"); out != "" {
		t.Errorf("left: %s", out)
	}
}

func TestDocker(t *testing.T) {
	dir := folder(t)
	sock := "unix://" + dir + "/d.sock"
	config := filepath.Join(dir, "docker.json")
	if err := os.WriteFile(config, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, dir+"/dockerd.log", dir+"/d.sock", "dockerd", "--host", sock, "--containerd", containerd(t, dir),
		"--data-root", dir+"/d-root", "--exec-root", dir+"/d-run", "--pidfile", dir+"/d.pid", "--config-file", config,
		"--iptables=false", "--ip6tables=false", "--bridge=none",
		"--add-runtime", "layerlab="+runtimeFile(t), "--default-runtime", "layerlab")
	e := engine{t, []string{"docker", "--host", sock}}
	e.want(0, image, "load", "-i", archive(t, dir))
	e.want(0, "layerlab", "info", "--format", "{{.DefaultRuntime}}")
	// Docker 20.10 says 126 for a missing command of an exec, newer ones 127:
	// whatever this one says with runc.
	e.want(0, "", "run", "--detach", "--runtime", "runc", "--network", "none", "--name", "oracle", image, "sleep", "1000")
	_, missing := e.run("exec", "oracle", "no-such-command")
	e.want(0, "", "rm", "--force", "oracle")
	lifeOf(e, missing, "--network", "none")
}
