//go:build linux && engines

package engines

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// folder returns a short temporary folder, in memory where there is any (there
// are many small files, and sockets have short names); mounts left in it are
// removed with it.
func folder(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("needs root: engines make owners, devices and mounts")
	}
	base := "/dev/shm"
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	return folderIn(t, base)
}

// onDisk is folder, but not in memory.
func onDisk(t *testing.T) string {
	t.Helper()
	return folderIn(t, "")
}

func folderIn(t *testing.T, base string) string {
	t.Helper()
	dir, err := os.MkdirTemp(base, "ll-")
	if err != nil {
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
		case <-time.After(30 * time.Second):
			cmd.Process.Kill()
			<-ended
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
			t.Fatalf("%s: %v: %s", argv[0], err, b[max(0, len(b)-4000):])
		case <-tick: // daemons announce their socket to nobody
		}
	}
}

// setting returns a number from the environment.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
