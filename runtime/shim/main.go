//go:build linux

package shim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// Descriptors that Start hands to the shim.
const (
	handoverFD   = 3 // a socket: options in, result out
	executableFD = 4 // the memfd it was run from
)

// lookAround is how often a shim looks whether it is still of use: a container
// whose folder was deleted (with the data folder) has nowhere to write, and
// nobody will ever ask for it; without the socket nobody can acknowledge that it
// has ended.
const lookAround = 5 * time.Second

// farewell is how long those who still read may take after the exit has been
// acknowledged.
const farewell = 2 * time.Second

// Main is the shim's process: `layerlab-runtime shim`. It is run by Start and
// by nobody else, since it finds its options on descriptor 3. It returns the
// process's exit code when the container has ended and its exit has been
// acknowledged.
func Main(args []string) int {
	if len(args) > 0 {
		fmt.Fprintln(os.Stderr, "layerlab-runtime: shim takes no arguments: the server starts it")
		return 2
	}
	inherited := os.NewFile(handoverFD, "handover")
	handover, err := net.FileConn(inherited) // a duplicate, closed on exec
	inherited.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, "layerlab-runtime: shim is started by the server, not by hand")
		return 2
	}
	unix.Close(executableFD)
	if err := settle(); err != nil {
		writeJSON(handover, frameFailure, failure(err))
		return 1
	}
	var o Options
	if err := readJSON(handover, frameRequest, &o); err != nil {
		writeJSON(handover, frameFailure, failure(fmt.Errorf("options: %w", err)))
		return 1
	}
	if err := takeSources(handover.(*net.UnixConn), o.Mounts); err != nil {
		writeJSON(handover, frameFailure, failure(err))
		return 1
	}
	listener, err := listen(o.Socket)
	if err != nil {
		writeJSON(handover, frameFailure, failure(err))
		return 1
	}
	defer listener.Close() // removes the socket
	c, err := newContainer(context.Background(), &o)
	if err != nil {
		writeJSON(handover, frameFailure, failure(err))
		return 1
	}
	s := &server{c: c, listener: listener}
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		s.serve()
	}()
	if err := agree(handover); err != nil {
		// Whoever asked has gone and will never know this container.
		c.destroy()
		os.Remove(o.ExitFile)
		return 1
	}
	handover.Close()

	c.leave(&o)
	listener.Close()
	<-accepting
	c.watchers.Wait()
	left := make(chan struct{})
	go func() {
		s.conns.Wait()
		close(left)
	}()
	select {
	case <-left:
	case <-time.After(farewell):
	}
	return 0
}

// leave waits until the container's exit has been acknowledged, or can be no
// longer; it ends a container whose folder is deleted.
func (c *container) leave(o *Options) {
	// By its descriptor: a data folder that was only moved is no reason.
	folder, err := os.Open(o.Bundle)
	if err == nil {
		defer folder.Close()
	}
	look := time.NewTicker(lookAround)
	defer look.Stop()
	done := c.main.done
	rested := int64(-1) // not since it was made
	for {
		select {
		case <-c.acked:
			return
		case <-done:
			done = nil // once
		case <-look.C:
			if n := c.served.Load(); n != rested {
				rest()
				rested = n
			}
			deleted := err != nil || removed(folder)
			if done == nil && (deleted || missing(o.Socket)) {
				return
			}
			if deleted {
				_ = c.kill("", unix.SIGKILL, true) // or it has just ended
			}
		}
	}
}

// removed says whether an open folder has no name any more.
func removed(folder *os.File) bool {
	var st unix.Stat_t
	return unix.Fstat(int(folder.Fd()), &st) == nil && st.Nlink == 0
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, os.ErrNotExist)
}

// agree tells Start that the container is created and waits for its word that
// it has heard: what is written to a socket that is closed unread is lost
// without an error.
func agree(handover net.Conn) error {
	if err := writeFrame(handover, frameAnswer, 0, []byte("{}")); err != nil {
		return err
	}
	_, err := readFrame(handover)
	return err
}

// settle makes the process what a shim is.
func settle() error {
	// Whoever gets hold of our /proc/PID (a process that joins the container's
	// namespaces is for a moment a copy of us) must find nothing to open.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_DUMPABLE", err)
	}
	// Orphans of the container stay with us, so that a search for what is left
	// finds them beneath this process.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", err)
	}
	// The terminal of a server that runs in the foreground is not ours; we end
	// when the container has. Caught and dropped rather than ignored: what is
	// ignored stays so across execve(2), and the container would not end on
	// SIGTERM.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGPIPE)
	unix.Umask(0o022)
	debug.SetGCPercent(50)
	return os.Chdir("/")
}
