//go:build linux

package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/network/link"
	"github.com/layerlab/layerlab/runtime/network/outside"
	"github.com/layerlab/layerlab/runtime/outlast"
	"github.com/layerlab/layerlab/runtime/userns"
)

// Descriptors that Start hands to the helper.
const (
	handoverFD   = 3 // a socket: Network in, answer out
	executableFD = 4 // the memfd it was run from
	hostFD       = 5 // the host's network namespace, or what the server takes for it; or a clerk's socket
	lockFD       = 6 // the network's lock: held as long as the helper lives
)

// Start spawns the helper of a network: it makes or takes over the router's
// namespace and listens on n.Socket when Start returns. executable is
// layerlab-runtime in a sealed memfd. On an error nothing is left that was not
// there before.
func Start(ctx context.Context, executable *os.File, n Network) (_ *Client, err error) {
	lock, err := lock(ctx, n)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	ns, made, err := link.Pin(n.Pin)
	if err != nil {
		return nil, hint(err)
	}
	defer ns.Close()
	defer func() {
		if err != nil && made {
			err = errors.Join(err, link.Unpin(n.Pin))
		}
	}()
	host, err := way(executable)
	if err != nil {
		return nil, err
	}
	defer host.Close()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "handover"), os.NewFile(uintptr(fds[1]), "handover")
	defer ours.Close()
	cmd := exec.Command(fmt.Sprintf("/proc/self/fd/%d", executableFD), "network")
	cmd.Args[0] = "layerlab-runtime"
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{theirs, executable, host, lock} // 3, 4, 5, 6
	// A child stands where the thread stands that forks it.
	err = link.In(ns, func() error { return outlast.Start(cmd) })
	theirs.Close()
	if err != nil {
		return nil, fmt.Errorf("start network helper: %w", err)
	}
	// It ends long after this call; while we live it is our child to reap.
	go cmd.Wait()
	release := context.AfterFunc(ctx, func() { _ = unix.Shutdown(fds[0], unix.SHUT_RDWR) })
	defer release()
	var a answer
	if err := json.NewEncoder(ours).Encode(&n); err != nil {
		return nil, fmt.Errorf("start network helper: %w", err)
	}
	if err := json.NewDecoder(ours).Decode(&a); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("start network helper: it broke off: %w", err)
	}
	if a.Failure != nil {
		return nil, a.Failure.err()
	}
	return &Client{n.Socket}, nil
}

// way is what a helper makes sockets of the host by: the host's namespace, or a
// clerk where this process has no right to enter it.
func way(executable *os.File) (*os.File, error) {
	if userns.Initial() {
		return link.Own()
	}
	ours, theirs, err := outside.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command(fmt.Sprintf("/proc/self/fd/%d", executableFD), outside.Word)
	cmd.Args[0] = "layerlab-runtime"
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{theirs, executable} // 3 and 4
	if err := outlast.Start(cmd); err != nil {
		ours.Close()
		return nil, fmt.Errorf("start the network's clerk: %w", err)
	}
	go cmd.Wait() // as the helper
	return ours, nil
}

// lockWait is how long a helper that is just ending may take.
const lockWait = 5 * time.Second

// lock waits until no helper of the network is left: one that is ending would
// take the namespace of the next one with it. flock(2) ends with the process,
// whatever ended that.
func lock(ctx context.Context, n Network) (*os.File, error) {
	f, err := os.OpenFile(n.Pin+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	late := time.Now().Add(lockWait)
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if err != unix.EWOULDBLOCK || time.Now().After(late) || ctx.Err() != nil {
			f.Close()
			return nil, fmt.Errorf("lock of network %s: another helper holds it: %w", n.Name, errors.Join(err, ctx.Err()))
		}
		time.Sleep(5 * time.Millisecond) // flock(2) with a deadline is a poll
	}
}

// hint says what to do where the host forbids it.
func hint(err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSPC) {
		return err
	}
	words := "making network namespaces is not permitted: run the server as root"
	if errors.Is(err, unix.ENOSPC) {
		words = "no more network namespaces: see sysctl user.max_net_namespaces"
	}
	e := imagecore.NewError(imagecore.ErrHost, "no-network-namespaces", words)
	e.Err = err
	return e
}

// Clean removes what a network whose helper has gone left behind. It leaves the
// network alone whose helper lives.
func Clean(ctx context.Context, n Network) error {
	lock, err := lock(ctx, n)
	if err != nil {
		return err
	}
	defer lock.Close()
	err = link.Unpin(n.Pin)
	for _, name := range []string{n.Socket, n.Pin + ".lock"} {
		if rm := os.Remove(name); rm != nil && !errors.Is(rm, os.ErrNotExist) {
			err = errors.Join(err, rm)
		}
	}
	return err
}

// routerName is the name of an endpoint's interface in the router's namespace.
func routerName(endpoint string) string {
	return "v" + strings.ToLower(endpoint[:min(12, len(endpoint))])
}
