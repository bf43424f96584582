//go:build linux

package shim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/hangup"
)

// greeting is how long a client may take to say what it wants.
const greeting = 5 * time.Second

// server answers on the shim's socket.
type server struct {
	c        *container
	listener *net.UnixListener
	conns    sync.WaitGroup
}

// listen makes the socket; one that a dead shim left is replaced.
func listen(path string) (*net.UnixListener, error) {
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fault.New(fault.ErrConflict, CodeAlreadyStarted, fmt.Sprintf("another shim answers on %s", path), "socket", path)
	}
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

// serve accepts until the listener is closed.
func (s *server) serve() {
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors or memory: those who hold them must end first.
			time.Sleep(50 * time.Millisecond)
			continue
		}
		s.conns.Go(func() {
			defer conn.Close()
			s.handle(conn)
		})
	}
}

// handle serves one connection: one operation.
func (s *server) handle(conn *net.UnixConn) {
	defer s.c.served.Add(1)
	if !samePeer(conn) {
		return
	}
	conn.SetDeadline(time.Now().Add(greeting))
	var h hello
	if readJSON(conn, frameHello, &h) != nil {
		return
	}
	if writeJSON(conn, frameHello, hello{Version}) != nil {
		return
	}
	if h.Version != Version {
		return // its turn: it knows our version now
	}
	var r request
	if err := readJSON(conn, frameRequest, &r); err != nil {
		return
	}
	conn.SetDeadline(time.Time{})
	if r.Op == "attach" {
		s.attach(conn, r.ID)
		return
	}
	answer, err := s.do(conn, &r)
	conn.SetWriteDeadline(time.Now().Add(greeting))
	if err != nil {
		writeJSON(conn, frameFailure, failure(err))
		return
	}
	writeJSON(conn, frameAnswer, answer)
}

// samePeer keeps others out even where the socket's folder is not private.
func samePeer(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return err == nil && credErr == nil && (cred.Uid == 0 || int(cred.Uid) == os.Geteuid())
}

// do carries out an operation that has one answer.
func (s *server) do(conn net.Conn, r *request) (any, error) {
	c := s.c
	none := struct{}{}
	switch r.Op {
	case "hello":
		return none, nil
	case "state":
		return c.state(), nil
	case "trace":
		return c.trace()
	case "start":
		if err := c.start(); err != nil {
			return nil, err
		}
		return c.state(), nil
	case "signal":
		return none, c.kill(r.ID, unix.Signal(r.Signal), r.All)
	case "pause":
		return none, c.pause()
	case "resume":
		return none, c.resume()
	case "exec":
		o := ExecOptions{}
		if r.Exec != nil {
			o = *r.Exec
		}
		// Not the connection's life: a client that goes away in the middle
		// must not leave half a process.
		id, err := c.exec(context.Background(), r.Process, o)
		return request{Op: r.Op, ID: id}, err
	case "resize", "close-stdin", "wait":
		p, err := c.process(r.ID)
		if err != nil {
			return nil, err
		}
		switch r.Op {
		case "resize":
			return none, p.host.Resize(r.Cols, r.Rows)
		case "close-stdin":
			return none, p.host.CloseInput()
		}
		return s.wait(conn, p)
	case "ack":
		return none, c.ack()
	}
	return nil, fault.New(fault.ErrInvalid, CodeBadRequest, fmt.Sprintf("unknown operation %q", r.Op), "op", r.Op)
}

// wait answers when the process has ended, or gives up when the client has
// gone.
func (s *server) wait(conn net.Conn, p *process) (any, error) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		readFrame(conn) // nothing is due but the end
	}()
	defer func() { // the goroutine above ends with this operation
		conn.SetReadDeadline(time.Now())
		<-gone
	}()
	select {
	case <-p.done:
		return p.exit, nil
	case <-gone:
		return nil, fault.New(fault.ErrCanceled, CodeBadRequest, "the client has gone")
	}
}

// attach serves a viewer until it goes, is too slow, or the process has ended.
func (s *server) attach(conn *net.UnixConn, id string) {
	p, err := s.c.process(id)
	if err != nil {
		writeJSON(conn, frameFailure, failure(err))
		return
	}
	v, replay := p.hub.join()
	p.begin()
	defer p.hub.leave(v)
	defer v.abandon()
	answer, err := json.Marshal(attached{TTY: p.tty, Replay: replay})
	if err != nil || writeFrame(conn, frameAnswer, 0, answer) != nil {
		return
	}
	gone, served := make(chan struct{}), make(chan struct{})
	defer close(served)
	s.conns.Go(func() {
		defer close(gone)
		s.takeInput(conn, p, served)
		v.abandon() // wakes a program that waits for this viewer
	})
	for {
		frames, over := v.next(gone)
		buffers := net.Buffers(frames)
		if _, err := buffers.WriteTo(conn); err != nil || over {
			return
		}
	}
}

// takeInput gives the process what a viewer types, until the connection ends or
// the viewer is served no more.
// A process that does not read holds a viewer back, but not the connection of
// one that has gone: what it sent waits by itself.
func (s *server) takeInput(conn net.Conn, p *process, served <-chan struct{}) {
	input := make(chan frame)
	s.conns.Go(func() {
		for f := range input {
			switch f.Type {
			case frameData:
				// Input that the process does not take any more is dropped, as a
				// terminal drops it.
				p.host.Write(f.Payload)
			case frameEnd:
				p.host.CloseInput()
			}
		}
	})
	var gone <-chan struct{}
	for {
		f, err := readFrame(conn)
		if err != nil || f.Type != frameData && f.Type != frameEnd {
			close(input)
			return
		}
		select {
		case input <- f:
			continue
		default: // the process takes its time
		}
		if gone == nil {
			left, stop, err := hangup.Watch(conn)
			if err == nil {
				defer stop()
				gone = left
			}
		}
		select {
		case input <- f:
		case <-served:
			close(input)
			return
		case <-gone:
			rest := []frame{f} // no more than a socket holds
			for f, err := readFrame(conn); err == nil; f, err = readFrame(conn) {
				rest = append(rest, f)
			}
			s.conns.Go(func() {
				defer close(input)
				for _, f := range rest {
					input <- f
				}
			})
			return
		}
	}
}
