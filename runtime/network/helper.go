//go:build linux

package network

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/descriptor"
	"github.com/layerlab/layerlab/runtime/network/link"
	"github.com/layerlab/layerlab/runtime/network/outside"
)

const (
	greeting  = 5 * time.Second // for a client to say what it wants
	lineLimit = 16 << 20        // bytes of a request
	untold    = 256             // events that a watcher may be behind
)

// helper is the process's state.
type helper struct {
	network  Network
	host     *outside.Host
	lock     *os.File // see Start
	listener *net.UnixListener
	table    *table
	conns    sync.WaitGroup
	leaving  sync.WaitGroup

	op sync.Mutex // one change at a time

	mu        sync.Mutex
	endpoints map[string]*endpoint
	watchers  map[chan Event]struct{}
	fading    map[netip.Addr]chan struct{} // addresses whose old wires are being removed
	ended     bool
	over      chan struct{} // closed when ended
}

func newHelper(n Network, host *outside.Host, lock *os.File, l *net.UnixListener) *helper {
	return &helper{
		network: n, host: host, lock: lock, listener: l, table: newTable(n),
		endpoints: map[string]*endpoint{}, watchers: map[chan Event]struct{}{}, fading: map[netip.Addr]chan struct{}{}, over: make(chan struct{}),
	}
}

// run serves until the network has ended.
func (h *helper) run() {
	// Start's caller watches at once; where it died before, nobody does.
	first := time.AfterFunc(greeting, h.look)
	defer first.Stop()
	h.conns.Go(func() {
		for {
			conn, err := h.listener.AcceptUnix()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // out of descriptors: those who hold them must end first
				time.Sleep(20 * time.Millisecond)
				continue
			}
			h.conns.Go(func() {
				defer conn.Close()
				h.handle(conn)
			})
		}
	})
	<-h.over
	h.conns.Wait()
	h.leaving.Wait()
}

// handle serves one connection: one operation.
func (h *helper) handle(conn *net.UnixConn) {
	if !ours(conn) {
		return
	}
	conn.SetDeadline(time.Now().Add(greeting))
	r, files, err := receive(conn)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return
	}
	conn.SetDeadline(time.Time{})
	var a answer
	switch {
	case r.Version != Version:
		err = imagecore.NewError(imagecore.ErrUnsupported, CodeVersion,
			fmt.Sprintf("the network helper speaks version %d of the protocol, this server %d", Version, r.Version))
	case r.Op == "state":
		a.State = h.state()
	case r.Op == "join" && r.Endpoint != nil && len(files) == 2:
		a.Ports, err = h.join(*r.Endpoint, files[0], files[1])
	case r.Op == "leave":
		err = h.leave(r.ID, nil, r.Ended)
	case r.Op == "names":
		h.table.set(r.Names)
	case r.Op == "way":
		h.setWay(r.Out, r.Servers)
	case r.Op == "watch":
		h.watch(conn)
		return
	case r.Op == "end":
		err = h.end()
	default:
		err = imagecore.NewError(imagecore.ErrInvalid, "network-bad-request", "no such operation: "+r.Op)
	}
	a.Failure = failed(err)
	_ = json.NewEncoder(conn).Encode(a) // who asked may have gone
}

// ours says whether the peer is the helper's own user.
func ours(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	if ctl := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); ctl != nil || err != nil {
		return false
	}
	return cred.Uid == uint32(os.Geteuid())
}

// receive reads a request's line and the files that come with its first bytes.
func receive(conn *net.UnixConn) (r request, files []*os.File, err error) {
	var line []byte
	buf, rights := make([]byte, 32<<10), make([]byte, unix.CmsgSpace(4*4))
	for !bytes.HasSuffix(line, []byte("\n")) && len(line) <= lineLimit {
		n, nr, _, _, err := conn.ReadMsgUnix(buf, rights)
		if err != nil {
			return r, files, err
		}
		if n == 0 {
			return r, files, errors.New("cut short")
		}
		line = append(line, buf[:n]...)
		fds, err := descriptor.Received(rights[:nr])
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
		if err != nil {
			return r, files, err
		}
	}
	return r, files, json.Unmarshal(line, &r)
}

func (h *helper) state() *State {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &State{Network: h.network, Pid: os.Getpid(), Endpoints: []Endpoint{}}
	for _, e := range h.endpoints {
		s.Endpoints = append(s.Endpoints, e.view())
		s.Open += e.open()
	}
	slices.SortFunc(s.Endpoints, func(a, b Endpoint) int { return cmp.Compare(a.ID, b.ID) })
	return s
}

// watch tells one client what happens until it goes.
func (h *helper) watch(conn *net.UnixConn) {
	events := make(chan Event, untold)
	h.mu.Lock()
	if h.ended {
		h.mu.Unlock()
		return
	}
	h.watchers[events] = struct{}{}
	h.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	h.conns.Go(func() { // its end is the only thing that a watcher says
		_, _ = conn.Read(make([]byte, 1))
		cancel()
	})
	out := json.NewEncoder(conn)
	err := out.Encode(answer{})
	for err == nil {
		select {
		case e := <-events:
			err = out.Encode(e)
		case <-h.over:
			err = net.ErrClosed
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	conn.Close()
	h.mu.Lock()
	delete(h.watchers, events)
	h.mu.Unlock()
	h.look()
}

// tell passes an event on; a watcher that is far behind misses it, and learns
// by State what is there.
func (h *helper) tell(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		select {
		case w <- e:
		default:
		}
	}
}

// look ends the network when it is of no use any more.
func (h *helper) look() {
	h.op.Lock()
	defer h.op.Unlock()
	h.mu.Lock()
	idle := len(h.watchers) == 0 && len(h.endpoints) == 0
	h.mu.Unlock()
	if idle {
		_ = h.endLocked() // what it could not remove the next server does
	}
}

func (h *helper) end() error {
	h.op.Lock()
	defer h.op.Unlock()
	return h.endLocked()
}

// endLocked unplugs everything, removes the namespace's pin and the socket, and
// lets run return.
func (h *helper) endLocked() error {
	h.mu.Lock()
	if h.ended {
		h.mu.Unlock()
		return nil
	}
	h.ended = true
	list := make([]*endpoint, 0, len(h.endpoints))
	for _, e := range h.endpoints {
		list = append(list, e)
	}
	h.endpoints = map[string]*endpoint{}
	h.mu.Unlock()
	var errs []error
	for _, e := range list {
		errs = append(errs, e.unplug())
		h.leaving.Go(e.close)
	}
	errs = append(errs, link.Unpin(h.network.Pin), h.listener.Close(), h.lock.Close())
	close(h.over)
	return errors.Join(errs...)
}
