//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/layerlab/layerlab/runtime/launch"
)

// seal runs this program again from sealed memory, unless the container has a
// user namespace of its own, whose users cannot write our file: a container can
// make us execute ourselves inside it and then overwrite us (CVE-2019-5736).
func seal(s *specs.Spec) error {
	if s.Linux != nil && slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace }) {
		return nil
	}
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	if strings.HasPrefix(self, "/memfd:") {
		return nil
	}
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := launch.Seal("layerlab-runtime", f)
	if err != nil {
		return err
	}
	return os.NewSyscallError("execve", unix.Exec(fmt.Sprintf("/proc/self/fd/%d", m.Fd()), os.Args, os.Environ()))
}

// sendMaster sends the terminal's master to whoever listens on a socket, with
// its name as the message (runc's docs/terminals.md has the protocol).
func sendMaster(socket string, master *os.File) error {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return fmt.Errorf("console socket: %w", err)
	}
	defer conn.Close()
	rc, err := master.SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	err = rc.Control(func(fd uintptr) {
		_, _, sendErr = conn.WriteMsgUnix([]byte(master.Name()), unix.UnixRights(int(fd)), nil)
	})
	return errors.Join(err, sendErr)
}

// connect joins a process to our own input and output, or hands its terminal to
// the socket. The function it returns waits for the process and passes signals
// on meanwhile.
func connect(p *launch.Process, socket string) (wait func() (int, error), err error) {
	m := p.Master()
	if m != nil && socket != "" {
		if err := sendMaster(socket, m); err != nil {
			return nil, err
		}
		m = nil
	}
	signals := make(chan os.Signal, 64)
	// By name: all of them would be 130 system calls at each start and end.
	signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
		unix.SIGALRM, unix.SIGCONT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGWINCH)
	restore := func() {}
	var copied chan struct{}
	if m != nil {
		copied = make(chan struct{})
		if term.IsTerminal(0) {
			old, err := term.MakeRaw(0)
			if err != nil {
				return nil, fmt.Errorf("terminal: %w", err)
			}
			restore = func() { term.Restore(0, old) }
		}
		fit(m)
		go func() { io.Copy(m, os.Stdin) }()
		go func() {
			io.Copy(os.Stdout, m) // ends with EIO when the last slave is closed
			close(copied)
		}()
	}
	return func() (int, error) {
		defer restore()
		defer signal.Stop(signals)
		done := make(chan struct{})
		defer close(done)
		go func() {
			for {
				select {
				case s := <-signals:
					forward(p, m, s)
				case <-done:
					return
				}
			}
		}()
		ws, err := p.Wait()
		if copied != nil {
			<-copied
		}
		return status(ws), err
	}, nil
}

func forward(p *launch.Process, m *os.File, s os.Signal) {
	switch s {
	case unix.SIGWINCH:
		if m != nil {
			fit(m)
		}
	default:
		if n, ok := s.(unix.Signal); ok {
			p.Signal(n)
		}
	}
}

// fit gives a terminal the size of ours.
func fit(m *os.File) {
	if cols, rows, err := term.GetSize(0); err == nil {
		launch.Resize(m, uint16(cols), uint16(rows))
	}
}

// status is the exit code as a shell has it.
func status(ws unix.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}
