//go:build linux && interop

package interop

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// engine is a container engine's command line, by its first words.
type engine struct {
	t    *testing.T
	argv []string
}

// runtimeFile returns the runtime to test.
func runtimeFile(t *testing.T) string {
	t.Helper()
	f := os.Getenv("LAYERLAB_RUNTIME")
	if f == "" {
		f = "../../bin/layerlab-runtime"
	}
	f, err := filepath.Abs(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f); err != nil {
		t.Fatalf("%v: run make runtime", err)
	}
	return f
}

// folder returns a short temporary folder (sockets have short names) that
// anybody may pass; mounts left in it are removed with it.
func folder(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("needs root: engines make namespaces and cgroups")
	}
	dir, err := os.MkdirTemp("", "ll-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unmount(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// unmount takes away the mounts at and below a folder, the last made first.
func unmount(t *testing.T, dir string) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		f := strings.Fields(lines[i])
		if len(f) > 4 && (f[4] == dir || strings.HasPrefix(f[4], dir+"/")) {
			if err := unix.Unmount(f[4], unix.MNT_DETACH); err != nil && err != unix.EINVAL {
				t.Errorf("unmount %s: %v", f[4], err)
			}
		}
	}
}

// start starts a daemon that ends with the test, and waits for its socket.
func start(t *testing.T, log, socket string, argv ...string) {
	t.Helper()
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: install %s", err, argv[0])
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(unix.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			b, _ := os.ReadFile(log)
			t.Logf("%s: …%s", argv[0], b[max(0, len(b)-4000):])
		}
	})
	for tick := time.Tick(50 * time.Millisecond); ; {
		if _, err := os.Stat(socket); err == nil {
			return
		}
		select {
		case err := <-ended:
			b, _ := os.ReadFile(log)
			ended <- err
			t.Fatalf("%s: %v: %s", argv[0], err, b)
		case <-tick: // daemons announce their socket to nobody
		}
	}
}

// run returns what the engine printed and its exit code.
func (e engine) run(args ...string) (string, int) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.argv[0], append(e.argv[1:len(e.argv):len(e.argv)], args...)...)
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var x *exec.ExitError
	if err != nil && !errors.As(err, &x) {
		e.t.Fatalf("%v: %v: %s", args, err, out.Bytes())
	}
	return strings.TrimSpace(out.String()), cmd.ProcessState.ExitCode()
}

// want checks the exit code, and that the output contains a text.
func (e engine) want(code int, contains string, args ...string) string {
	e.t.Helper()
	out, got := e.run(args...)
	if got != code || !strings.Contains(out, contains) {
		e.t.Errorf("%s: exit %d, want %d; want %q in %q", strings.Join(args, " "), got, code, contains, out)
	}
	return out
}

// until repeats a command until its output contains a text.
func (e engine) until(contains string, args ...string) {
	e.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		out, _ := e.run(args...)
		if strings.Contains(out, contains) {
			return
		}
		if time.Now().After(deadline) {
			e.t.Errorf("%s: want %q in %q", strings.Join(args, " "), contains, out)
			return
		}
	}
}
