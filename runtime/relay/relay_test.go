//go:build linux && (amd64 || arm64)

package relay

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain is the programs under test as well: one that passes signals on, and
// one that gets them.
func TestMain(m *testing.M) {
	switch os.Getenv("RELAY_TEST") {
	case "relay":
		os.Exit(relay())
	case "target":
		os.Exit(get())
	}
	os.Exit(m.Run())
}

// relay starts the target, passes on, and ends as it does.
func relay() int {
	fd := -1
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RELAY_TEST=target")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &fd, Setsid: true}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	if err := To(fd, unix.SIGUSR1, unix.SIGTERM); err != nil {
		panic(err)
	}
	fmt.Println("relaying")
	var ws unix.WaitStatus
	// What it interrupts must not show.
	if _, err := unix.Wait4(cmd.Process.Pid, &ws, 0, nil); err != nil {
		panic(err)
	}
	// Nobody is there any more, and we do not die of it.
	if err := unix.Kill(os.Getpid(), unix.SIGTERM); err != nil {
		panic(err)
	}
	return ws.ExitStatus()
}

func get() int {
	c := make(chan os.Signal, 16)
	signal.Notify(c, unix.SIGUSR1, unix.SIGTERM)
	fmt.Println("ready")
	for s := range c {
		if s == unix.SIGTERM {
			return 7
		}
		fmt.Println("usr1")
	}
	return 1
}

func TestSignalsReachTheProcess(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RELAY_TEST=relay")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	seen := map[string]bool{}
	for range 2 { // in either order
		if !lines.Scan() {
			t.Fatal("it ended early")
		}
		seen[lines.Text()] = true
	}
	if !seen["ready"] || !seen["relaying"] {
		t.Fatal(seen)
	}
	for i := range 100 {
		if err := cmd.Process.Signal(unix.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || lines.Text() != "usr1" {
			t.Fatalf("signal %d did not arrive: %q", i, lines.Text())
		}
	}
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, out)
	err = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("it ended with %d: %v", code, err)
	}
}
