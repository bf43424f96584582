//go:build linux

package egress

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"reflect"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/runtime/network/link"
	"github.com/layerlab/layerlab/runtime/outlast"
)

// patience is how long a process that ends may take.
const patience = 5 * time.Second

// Start opens the way out of a network whose helper runs. executable is
// layerlab-egress in a sealed memfd. A way that is open already stays, unless
// it was opened for another helper or policy. Codes: no-tun, tun-denied.
func Start(ctx context.Context, executable *os.File, n network.Network, p Policy) error {
	_, state, err := network.Dial(ctx, n.Socket)
	if err != nil {
		return err
	}
	c := Config{Network: n.ID, MTU: n.MTU, Policy: p, Helper: state.Pid}
	if c.MTU == 0 {
		c.MTU = 1500
	}
	socket, lockPath := files(n)
	if have, err := look(ctx, socket); err == nil && !reflect.DeepEqual(have.Config, c) {
		if err := End(ctx, n); err != nil {
			return err
		}
	}
	open := func() bool { // by somebody else just now, maybe
		have, err := look(ctx, socket)
		return err == nil && reflect.DeepEqual(have.Config, c)
	}
	lock, err := lock(ctx, lockPath, open)
	if err != nil {
		return fmt.Errorf("way out of network %s: %w", n.Name, err)
	}
	if lock == nil {
		return nil
	}
	defer lock.Close()
	helper, err := pidfd(ctx, n, state.Pid)
	if err != nil {
		return err
	}
	defer helper.Close()
	if err := spawn(ctx, executable, n, c, socket, helper, lock); err != nil {
		return fmt.Errorf("way out of network %s: %w", n.Name, err)
	}
	return nil
}

// pidfd opens the helper's process; the number is its own as long as it
// answers.
func pidfd(ctx context.Context, n network.Network, pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	if _, again, err := network.Dial(ctx, n.Socket); err != nil || again.Pid != pid {
		f.Close()
		return nil, errors.Join(network.ErrGone, err)
	}
	return f, nil
}

func spawn(ctx context.Context, executable *os.File, n network.Network, c Config, socket string, helper, lock *os.File) error {
	ns, err := link.Pinned(n.Pin)
	if err != nil {
		return err
	}
	defer ns.Close()
	tun, err := link.Tun(ns, Device, c.MTU)
	if err != nil {
		return tunless(err)
	}
	defer tun.Close()
	listener, err := listen(socket)
	if err != nil {
		return err
	}
	defer listener.Close()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "handover"), os.NewFile(uintptr(fds[1]), "handover")
	defer ours.Close()
	cmd := exec.Command(fmt.Sprintf("/proc/self/fd/%d", ExecutableFD))
	cmd.Args[0] = "layerlab-egress"
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{theirs, executable, tun, listener, helper, lock} // from 3 on
	err = outlast.Start(cmd)
	theirs.Close()
	if err != nil {
		return err
	}
	// It ends long after this call; while we live it is our child to reap.
	go cmd.Wait()
	release := context.AfterFunc(ctx, func() { _ = unix.Shutdown(fds[0], unix.SHUT_RDWR) })
	defer release()
	var a Answer
	if err := json.NewEncoder(ours).Encode(c); err != nil {
		return err
	}
	if err := json.NewDecoder(ours).Decode(&a); err != nil {
		return errors.Join(ctx.Err(), fmt.Errorf("it broke off: %w", err))
	}
	if a.Failure != "" {
		return errors.New(a.Failure)
	}
	return nil
}

// Ready says what keeps this process from opening a way out, before any network
// needs one. Codes: no-tun, tun-denied.
func Ready() error {
	f, err := os.OpenFile(link.TunPath, os.O_RDWR, 0) // opening it loads the module, where there is one
	if err != nil {
		return tunless(err)
	}
	return f.Close()
}

// tunless says what to do about a device that cannot be opened.
func tunless(err error) error {
	path := (*os.PathError)(nil)
	switch {
	case !errors.As(err, &path) || path.Path != link.TunPath:
		return err
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV):
		return imagecore.NewError(imagecore.ErrHost, "no-tun", "this host has no /dev/net/tun, which --egress allow needs: load the kernel's module tun")
	case errors.Is(err, os.ErrPermission):
		// Whoever may open it can do nothing in a network that is not their own
		// (Documentation/networking/tuntap.rst, 1.2).
		return imagecore.NewError(imagecore.ErrHost, "tun-denied",
			"this user may not open /dev/net/tun, which --egress allow needs: chmod 0666 /dev/net/tun, as udev's own rule does, or start the server as root")
	}
	return err
}

// listen makes the socket for the process; the lock says that nobody answers on
// it any more.
func listen(path string) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	return l.File()
}

// lock waits until no process of the network is left, or enough says that the
// one that is there will do: no file then.
func lock(ctx context.Context, path string, enough func() bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	late := time.Now().Add(patience)
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if enough() {
			return nil, f.Close()
		}
		if err != unix.EWOULDBLOCK || time.Now().After(late) || ctx.Err() != nil {
			f.Close()
			return nil, fmt.Errorf("another process holds %s: %w", path, errors.Join(err, ctx.Err()))
		}
		time.Sleep(5 * time.Millisecond) // flock(2) with a deadline is a poll
	}
}

// dial connects and reads the State.
func dial(ctx context.Context, socket string) (net.Conn, *bufio.Reader, State, error) {
	var d net.Dialer
	var s State
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, nil, s, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	r := bufio.NewReader(conn)
	line, err := r.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s)
	}
	if err != nil {
		conn.Close()
		return nil, nil, s, errors.Join(ctx.Err(), err)
	}
	return conn, r, s, nil
}

func look(ctx context.Context, socket string) (State, error) {
	conn, _, s, err := dial(ctx, socket)
	if err == nil {
		conn.Close()
	}
	return s, err
}

// Look returns the state of a network's way out, an error where none is open.
func Look(ctx context.Context, n network.Network) (State, error) {
	socket, _ := files(n)
	return look(ctx, socket)
}

// Watch calls tell for each event until ctx ends or the way out closes.
func Watch(ctx context.Context, n network.Network, tell func(Event)) error {
	socket, _ := files(n)
	conn, r, _, err := dial(ctx, socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	lines := json.NewDecoder(r)
	for {
		var e Event
		if err := lines.Decode(&e); err != nil {
			return errors.Join(ctx.Err(), err)
		}
		tell(e)
	}
}

// End closes a network's way out and removes what is left of it. It is no error
// if there is none.
func End(ctx context.Context, n network.Network) error {
	socket, lockPath := files(n)
	if conn, _, _, err := dial(ctx, socket); err == nil {
		_, _ = conn.Write([]byte{0}) // it may just have ended
		conn.Close()
	}
	if _, err := os.Lstat(lockPath); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	l, err := lock(ctx, lockPath, func() bool { return false })
	if err != nil {
		return err
	}
	defer l.Close()
	for _, path := range []string{socket, lockPath} {
		if rm := os.Remove(path); rm != nil && !errors.Is(rm, os.ErrNotExist) {
			err = errors.Join(err, rm)
		}
	}
	return err
}
