//go:build linux

package console

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openPTY opens a pty of the host's devpts.
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		t.Fatal(errno)
	}
	return os.NewFile(uintptr(fd), "master"), os.NewFile(peer, "slave")
}

// sink gathers output by stream.
type sink struct {
	mu  sync.Mutex
	out [3]bytes.Buffer
	got chan struct{}
}

func newSink() *sink { return &sink{got: make(chan struct{}, 1)} }

func (s *sink) take(stream byte, p []byte) {
	s.mu.Lock()
	s.out[stream].Write(p)
	s.mu.Unlock()
	select {
	case s.got <- struct{}{}:
	default:
	}
}

func (s *sink) text(stream byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out[stream].String()
}

func (s *sink) waitFor(t *testing.T, stream byte, want string) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for !strings.Contains(s.text(stream), want) {
		select {
		case <-s.got:
		case <-limit:
			t.Fatalf("no %q in %q", want, s.text(stream))
		}
	}
}

// onPTY starts a shell command on a pty as its session leader.
func onPTY(t *testing.T, script string) (*Host, *exec.Cmd) {
	t.Helper()
	master, slave := openPTY(t)
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	h, err := PTY(master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, cmd
}

func TestNothingIsLostThatATerminalsProgramWroteBeforeItEnded(t *testing.T) {
	for range 20 {
		h, cmd := onPTY(t, "seq 1 20000; echo end")
		s := newSink()
		h.Pump(s.take)
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		h.Finish(time.Second, 10*time.Second)
		if got := s.text(Stdout); !strings.HasSuffix(got, "\r\n20000\r\nend\r\n") || len(got) != 128899 {
			t.Fatalf("%d bytes, ending with %q", len(got), got[max(0, len(got)-30):])
		}
	}
}

func TestATerminalSurvivesAProgramThatClosesItsOwnStreams(t *testing.T) {
	h, cmd := onPTY(t, "echo one; exec </dev/null >/dev/null 2>&1; sleep 0.1; echo two >/dev/tty")
	s := newSink()
	h.Pump(s.take)
	cmd.Wait()
	h.Finish(time.Second, 10*time.Second)
	if got := s.text(Stdout); got != "one\r\ntwo\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestResizeAndCtrlCReachTheProgram(t *testing.T) {
	h, cmd := onPTY(t, "stty size; trap 'stty size' WINCH; trap 'echo interrupted; exit 7' INT; echo ready; while :; do read x; done")
	s := newSink()
	h.Pump(s.take)
	s.waitFor(t, Stdout, "ready")
	if err := h.Resize(132, 43); err != nil {
		t.Fatal(err)
	}
	s.waitFor(t, Stdout, "43 132")
	if _, err := h.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("ended with %v, want 7", err)
	}
	h.Finish(time.Second, 10*time.Second)
}

func TestAChildLeftBehindOnTheTerminalDoesNotKeepFinishWaiting(t *testing.T) {
	h, cmd := onPTY(t, "trap '' HUP; (while echo again; do :; done) 2>/dev/null & exit 0")
	s := newSink()
	h.Pump(s.take)
	cmd.Wait()
	begin := time.Now()
	h.Finish(50*time.Millisecond, 200*time.Millisecond)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func startPiped(t *testing.T, stdin bool, script string) (*Host, *exec.Cmd) {
	t.Helper()
	h, c, err := Pipes(stdin, os.Getuid(), os.Getgid())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	err = cmd.Start()
	c.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, cmd
}

func TestPipesKeepTheStreamsApartAndEndTheInput(t *testing.T) {
	h, cmd := startPiped(t, true, "cat; echo oops >&2; exit 3")
	s := newSink()
	h.Pump(s.take)
	if _, err := h.Write([]byte("你好\n")); err != nil {
		t.Fatal(err)
	}
	if err := h.CloseInput(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); fmt.Sprint(err) != "exit status 3" {
		t.Error(err)
	}
	h.Finish(time.Second, 10*time.Second)
	if s.text(Stdout) != "你好\n" || s.text(Stderr) != "oops\n" {
		t.Errorf("stdout %q, stderr %q", s.text(Stdout), s.text(Stderr))
	}
	if _, err := h.Write([]byte("x")); !errors.Is(err, ErrNoInput) {
		t.Errorf("writing after the end: %v", err)
	}
}

func TestWithoutInputTheProgramReadsNothing(t *testing.T) {
	h, cmd := startPiped(t, false, "cat; echo done")
	s := newSink()
	h.Pump(s.take)
	cmd.Wait()
	h.Finish(time.Second, 10*time.Second)
	if s.text(Stdout) != "done\n" {
		t.Errorf("got %q", s.text(Stdout))
	}
}

func TestTheProgramsEndOfAPipeBlocks(t *testing.T) {
	_, c, err := Pipes(true, os.Getuid(), os.Getgid())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i, fd := range c.Stdio() {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK != 0 {
			t.Errorf("stream %d has flags %#x, %v", i, flags, err)
		}
	}
}

func TestCloseWakesAWriteThatWaits(t *testing.T) {
	h, cmd := startPiped(t, true, "exec sleep 60")
	wrote := make(chan error)
	go func() {
		_, err := h.Write(make([]byte, 1<<20)) // more than a pipe holds
		wrote <- err
	}()
	h.Close()
	if err := <-wrote; !errors.Is(err, ErrNoInput) {
		t.Errorf("got %v", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
}
