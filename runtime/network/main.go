//go:build linux

package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/network/link"
	"github.com/layerlab/layerlab/runtime/network/outside"
)

// Main is the helper's process: `layerlab-runtime network`. It is run by Start
// and by nobody else. It returns the process's exit code.
func Main(args []string) int {
	second := len(args) == 1 && args[0] == confined
	if len(args) > 0 && !second {
		fmt.Fprintln(os.Stderr, "layerlab-runtime: network takes no arguments: the server starts it")
		return 2
	}
	if !second {
		err := confine()
		_ = json.NewEncoder(os.NewFile(handoverFD, "handover")).Encode(answer{Failure: failed(err)}) // who asked may have gone
		return 1
	}
	handover := os.NewFile(handoverFD, "handover")
	host, lock := os.NewFile(hostFD, "host"), os.NewFile(lockFD, "lock")
	for _, f := range []*os.File{handover, host, lock} {
		if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			fmt.Fprintln(os.Stderr, "layerlab-runtime: network is started by the server, not by hand")
			return 2
		}
	}
	unix.Close(executableFD)
	s, err := begin(handover, host, lock)
	if err != nil {
		_ = json.NewEncoder(handover).Encode(answer{Failure: failed(err)}) // who asked may have gone
		return 1
	}
	if json.NewEncoder(handover).Encode(answer{}) != nil {
		// Whoever asked has gone; the next server finds the socket, or nobody
		// comes and the helper ends.
		s.look()
	}
	handover.Close()
	debug.FreeOSMemory()
	s.run()
	return 0
}

// begin makes the network.
func begin(handover, host, lock *os.File) (*helper, error) {
	if err := settle(); err != nil {
		return nil, err
	}
	var n Network
	if err := json.NewDecoder(handover).Decode(&n); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	out, err := outside.Open(host)
	if err != nil {
		return nil, err
	}
	if err := link.Router(n.Address, n.MTU); err != nil {
		return nil, err
	}
	listener, err := listen(n.Socket)
	if err != nil {
		return nil, err
	}
	return newHelper(n, out, lock, listener), nil
}

// listen makes the socket; the lock says that nobody else answers on it.
func listen(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	old := unix.Umask(0o177)
	defer unix.Umask(old)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s (at most 107 bytes): %w", path, err)
	}
	return l, nil
}

// settle makes the process what a helper is: nobody may look into it, and no
// terminal ends it.
func settle() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_DUMPABLE", err)
	}
	// The terminal of a server that runs in the foreground is not ours.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGPIPE)
	debug.SetGCPercent(50)
	return os.Chdir("/")
}
