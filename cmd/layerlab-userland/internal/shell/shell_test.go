//go:build linux

package shell_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/cmd/layerlab-userland/internal/applet"
	"github.com/layerlab/layerlab/cmd/layerlab-userland/internal/shell"
)

// TestMain makes the test binary the user land itself: under the name of a
// utility it acts as that one.
func TestMain(m *testing.M) {
	c := applet.Call{Name: filepath.Base(os.Args[0]), Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	table := applet.Table()
	table["sh"] = shell.Run
	if run, ok := table[c.Name]; ok {
		os.Exit(applet.Exit(c, run(c)))
	}
	os.Exit(m.Run())
}

// userland returns a folder in which each utility is a link to the test binary.
func userland(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for _, name := range append(applet.Names(), "sh") {
		if err := os.Symlink(exe, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

// environment is what a shell of the tests gets: with what the race detector is
// told, without which each program sleeps for a second before it ends.
func environment(bin string) []string {
	return []string{"PATH=" + bin, "GORACE=" + os.Getenv("GORACE")}
}

func TestScripts(t *testing.T) {
	bin := userland(t)
	for _, c := range []struct {
		name, script, out string
		code              int
	}{
		{"pipes and substitution", `echo "b
a" | sort | head -n 1; echo $(seq 3 | wc -l)`, "a\n3\n", 0},
		{"redirections", `echo one >f; echo two >>f; cat <f; ls f nosuch 2>/dev/null; echo $?`, "one\ntwo\nf\n1\n", 0},
		{"exit code", `exit 7`, "", 7},
		{"exit code of the last command", `true; false`, "", 1},
		{"not found", `nosuch 2>&1`, "sh: nosuch: not found\n", 127},
		{"not executable", `echo x >plain; ./plain 2>&1`, "sh: ./plain: permission denied\n", 126},
		{"killed by a signal", `sh -c 'kill -9 $$'`, "", 137},
		{"conditions", `if [ -d . ] && test 2 -gt 1; then echo yes; fi`, "yes\n", 0},
		{"cd", `mkdir -p a/b && cd a/b && cd .. && basename "$(pwd)"`, "a\n", 0},
		{"functions and loops", `f() { echo "<$1>"; }; for i in 1 2; do f $i; done`, "<1>\n<2>\n", 0},
		{"syntax error", `if`, "", 2},
		{"traps", `trap 'got="a  b"' USR1; kill -USR1 $$; until [ "$got" ]; do :; done; echo "$got"; trap 'exit 7' TERM; kill $$; while :; do :; done`, "a  b\n", 7},
		{"a signal that is ignored", `trap '' TERM; kill $$; echo here`, "here\n", 0},
		{"a trap that is taken back", `sh -c "trap 'exit 7' TERM; trap TERM; kill \$\$; while :; do :; done"; echo $?`, "143\n", 0},
		{"a trap at the end, and one for no signal", `trap 'echo end' EXIT; trap x NOSUCH 2>&1; echo $?`, "trap: NOSUCH: invalid signal specification\n2\nend\n", 0},
		{"files", `touch x; ln -s x l; ln x h; chmod 600 x; ls -l x | cut -c 1-10; readlink l; mv h g; rm -r g l x; ls`, "-rw-------\nx\n", 0},
		{"find and xargs", `mkdir d; touch d/a d/b; find d -name b; find d -type f | sort | xargs echo`, "d/b\nd/a d/b\n", 0},
		{"grep", `printf 'one\ntwo\n' | grep -n t; printf 'x\n' | grep -q y`, "2:two\n", 1},
		{"text", `echo a:b:c | cut -d: -f2 | tr a-z A-Z; seq 5 | tail -n 2 | tee t | wc -l; uniq -c <t`, "B\n2\n      1 4\n      1 5\n", 0},
		{"background and wait", `sleep 0 & wait; echo done`, "done\n", 0},
		{"digest", `printf abc | sha256sum | cut -c 1-8`, "ba7816bf\n", 0},
		{"environment", `A=1 env | grep ^A=; env -i B=2 env`, "A=1\nB=2\n", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(filepath.Join(bin, "sh"), "-c", c.script)
			cmd.Dir = t.TempDir()
			cmd.Env = environment(bin)
			out, err := cmd.Output()
			code := 0
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				code = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if string(out) != c.out || code != c.code {
				t.Errorf("got %q, exit %d; want %q, exit %d", out, code, c.out, c.code)
			}
		})
	}
}

// screen is the near side of a pseudo terminal, with all that came out of it.
type screen struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	mu     sync.Mutex
	seen   bytes.Buffer
	more   chan struct{}
}

// open starts the shell on a terminal of its own; flags are added to clone(2).
func open(t *testing.T, flags uintptr) *screen {
	t.Helper()
	bin := userland(t)
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	s := &screen{t: t, master: master, more: make(chan struct{}, 1)}
	s.cmd = exec.Command(filepath.Join(bin, "sh"))
	s.cmd.Dir = "/"
	s.cmd.Env = environment(bin)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Cloneflags: flags}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.more)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			s.mu.Lock()
			s.seen.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
			select {
			case s.more <- struct{}{}:
			default:
			}
		}
	}()
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		master.Close()
	})
	return s
}

// expect waits for text and takes all up to its end off the screen.
func (s *screen) expect(text string) {
	s.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		at := strings.Index(s.seen.String(), text)
		if at >= 0 {
			s.seen.Next(at + len(text))
		}
		rest := s.seen.String()
		s.mu.Unlock()
		if at >= 0 {
			return
		}
		select {
		case _, open := <-s.more:
			if !open {
				s.t.Fatalf("the terminal closed before %q; on it: %q", text, rest)
			}
		case <-deadline:
			s.t.Fatalf("no %q within 20 s; on the screen: %q", text, rest)
		}
	}
}

func (s *screen) typed(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.master, keys); err != nil {
		s.t.Fatal(err)
	}
}

// waitForChild waits until the shell runs a command named name.
func (s *screen) waitForChild(name string) {
	s.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		task := fmt.Sprintf("/proc/%d/task", s.cmd.Process.Pid)
		threads, _ := os.ReadDir(task)
		for _, thread := range threads {
			children, _ := os.ReadFile(filepath.Join(task, thread.Name(), "children"))
			for child := range strings.FieldsSeq(string(children)) {
				comm, _ := os.ReadFile("/proc/" + child + "/comm")
				if strings.TrimSpace(string(comm)) == name {
					return
				}
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("no child %s within 20 s", name)
		}
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 5000}) // the kernel gives no event for a grandchild's execve
	}
}

func (s *screen) exit() int {
	s.t.Helper()
	err := s.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	} else if err != nil {
		s.t.Fatal(err)
	}
	return 0
}

func TestPromptKeepsExitCodeAndHistory(t *testing.T) {
	s := open(t, 0)
	s.expect("/ # ")
	s.typed("echo gr\xc3\xbc\xc3\x9fe 你好\r")
	s.expect("\r\ngr\xc3\xbc\xc3\x9fe 你好\r\n/ # ")
	s.typed("\x1b[A\r") // the line before
	s.expect("\r\ngr\xc3\xbc\xc3\x9fe 你好\r\n/ # ")
	s.typed("cd /proc; false\r")
	s.expect("/proc # ")
	s.typed("echo code $?\r")
	s.expect("\r\ncode 1\r\n")
	s.typed("for i in 1 2; do\r")
	s.expect("> ")
	s.typed("echo n$i; done\r")
	s.expect("n1\r\nn2\r\n/proc # ")
	s.typed("tty | grep -c pts\r")
	s.expect("\r\n1\r\n/proc # ")
	s.typed("stty size; stty rows 30 cols 100 -echo; stty -a\r")
	s.expect("\r\n24 80\r\nrows 30; columns 100;\r\n")
	s.expect(" -echo ")
	s.expect("/proc # ")
	s.typed("stty echo; exit 3\r")
	if code := s.exit(); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
}

func TestTabCompletes(t *testing.T) {
	s := open(t, 0)
	s.expect("/ # ")
	s.typed("cat /etc/host\tname | wc -l\r")
	s.expect("\r\n1\r\n/ # ")
	s.typed("\x04")
	s.expect("exit")
	if code := s.exit(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func testInterrupts(t *testing.T, flags uintptr) {
	s := open(t, flags)
	s.expect("/ # ")
	s.typed("sleep 1000\r")
	s.waitForChild("sleep")
	s.typed("\x03")
	s.expect("^C")
	s.expect("/ # ")
	s.typed("echo code $?\r")
	s.expect("\r\ncode 130\r\n/ # ")
	s.typed("echo never\x03")
	s.expect("never^C\r\n/ # ")
	s.typed("echo begun; while true; do :; done\r")
	s.expect("\r\nbegun\r\n")
	s.typed("\x03")
	s.expect("/ # ")
	s.typed("exit 4\r")
	if code := s.exit(); code != 4 {
		t.Errorf("exit code %d, want 4", code)
	}
}

func TestInterruptEndsTheCommandAndNotTheShell(t *testing.T) { testInterrupts(t, 0) }

func TestInterruptAsProcessOne(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a process id namespace of one's own needs root")
	}
	testInterrupts(t, syscall.CLONE_NEWPID)
}

func TestProcessOneEndsOnSIGTERM(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a process id namespace of one's own needs root")
	}
	s := open(t, syscall.CLONE_NEWPID)
	s.expect("/ # ")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := s.exit(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
}
