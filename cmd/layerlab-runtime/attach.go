//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/launch"
	"github.com/layerlab/layerlab/runtime/reexec"
	"github.com/layerlab/layerlab/runtime/relay"
)

// seal makes sure that we run from a file that nobody can write, unless the
// container has a user namespace of its own, whose users cannot write ours
// (CVE-2019-5736).
func (g *global) seal(s *specs.Spec) error {
	if s.Linux != nil && slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace }) {
		return nil
	}
	if err := os.MkdirAll(g.store.Root, 0o711); err != nil {
		return err
	}
	return reexec.Sealed(g.store.Root)
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

// passed are the signals that a run or exec passes on to its process.
func passed() []unix.Signal {
	return []unix.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
		unix.SIGALRM, unix.SIGCONT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGWINCH,
	}
}

// connect joins a process to our own input and output, or hands its terminal to
// the socket. The function it returns waits for the process and passes signals
// on meanwhile.
func connect(p *launch.Process, socket string) (wait func() (int, error), err error) {
	m := p.Master()
	if m != nil && socket == "" {
		return attachTerminal(p, m)
	}
	if m != nil {
		if err := sendMaster(socket, m); err != nil {
			return nil, err
		}
	}
	if err := relay.To(p.PidFD(), passed()...); err != nil {
		return nil, err
	}
	return func() (int, error) {
		ws, err := p.Wait()
		return status(ws), err
	}, nil
}

// status is the exit code as a shell has it.
func status(ws unix.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}
