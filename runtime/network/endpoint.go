//go:build linux

package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/descriptor"
	"github.com/layerlab/layerlab/runtime/network/link"
	"github.com/layerlab/layerlab/runtime/network/names"
)

// endpoint is one that is plugged in. Its fields are guarded by the helper's
// mu; what they refer to is changed under its op alone.
type endpoint struct {
	is        Endpoint
	namespace *os.File
	ports     []published
	resolver  *names.Server
	gone      func() // stops looking at the container's process
	closing   sync.Once
}

func (e *endpoint) view() Endpoint {
	v := e.is
	v.Ports = e.bound()
	return v
}

// bound are the ports with what was taken for each.
func (e *endpoint) bound() []Port {
	var list []Port
	for _, p := range e.ports {
		list = append(list, p.port)
	}
	return list
}

func (e *endpoint) open() (n int) {
	for _, p := range e.ports {
		n += p.open()
	}
	return n
}

// join plugs an endpoint in, or brings it to what want says.
func (h *helper) join(want Endpoint, process, namespace *os.File) ([]Port, error) {
	h.op.Lock()
	defer h.op.Unlock()
	h.mu.Lock()
	e, there := h.endpoints[want.ID]
	ended, fading := h.ended, h.fading[want.Address.Addr()]
	h.mu.Unlock()
	if fading != nil {
		<-fading // the bridge would send some packets to whoever had the address
	}
	if ended {
		return nil, imagecore.NewError(imagecore.ErrConflict, CodeGone, "the network is just ending")
	}
	mac, err := net.ParseMAC(want.MAC)
	if err != nil {
		return nil, err
	}
	plug := link.Plug{
		Router: routerName(want.ID), Interface: want.Interface, MAC: mac,
		Address: want.Address, Gateway: want.Gateway, MTU: h.network.MTU,
	}
	if err := link.Connect(plug, namespace); err != nil {
		return nil, err
	}
	if !there {
		own, err := descriptor.Again(namespace)
		if err != nil {
			return nil, errors.Join(err, link.Disconnect(plug.Router))
		}
		e = &endpoint{namespace: own}
	}
	if err = h.publish(e, want); err == nil {
		err = h.resolve(e, want)
	}
	if err == nil && !there {
		e.gone, err = onExit(process, func() { _ = h.leave(want.ID, e, true) })
	}
	if err != nil {
		if !there {
			err = errors.Join(err, link.Disconnect(plug.Router))
			e.close()
		}
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	e.is = want
	h.endpoints[want.ID] = e
	return e.bound(), nil
}

// leave unplugs an endpoint; only that one where is is given, which then has
// left by itself. The wire of a container that has ended is removed later.
func (h *helper) leave(id string, is *endpoint, containerEnded bool) error {
	h.op.Lock()
	h.mu.Lock()
	e, there := h.endpoints[id]
	there = there && (is == nil || is == e)
	if !there {
		h.mu.Unlock()
		h.op.Unlock()
		return nil
	}
	delete(h.endpoints, id)
	faded := make(chan struct{})
	if containerEnded {
		h.fading[e.is.Address.Addr()] = faded
	}
	h.mu.Unlock()
	e.refuse()
	var err error
	if !containerEnded {
		err = e.unplug()
	}
	h.leaving.Go(func() {
		if containerEnded {
			_ = e.unplug() // the kernel removes it with the container's namespace
			h.mu.Lock()
			if h.fading[e.is.Address.Addr()] == faded {
				delete(h.fading, e.is.Address.Addr())
			}
			h.mu.Unlock()
		}
		close(faded)
		e.close()
	})
	h.op.Unlock()
	if is != nil {
		h.tell(Event{Kind: EventLeft, Endpoint: id, Container: e.is.Container})
		h.look()
	}
	return err
}

func (e *endpoint) unplug() error { return link.Disconnect(routerName(e.is.ID)) }

// refuse lets go of the host's ports and the container's resolver at once.
func (e *endpoint) refuse() {
	for _, p := range e.ports {
		p.refuse()
	}
	if e.resolver != nil {
		e.resolver.Close()
		e.resolver = nil
	}
}

// close lets go of everything that would keep the container's namespace.
func (e *endpoint) close() {
	e.closing.Do(func() {
		if e.gone != nil {
			e.gone()
		}
		e.refuse()
		e.namespace.Close()
		for _, p := range e.ports {
			p.close()
		}
	})
}

// resolve starts or ends the container's resolver.
func (h *helper) resolve(e *endpoint, want Endpoint) error {
	if e.resolver != nil {
		if want.Resolve != nil && same(*e.is.Resolve, *want.Resolve) {
			return nil
		}
		e.resolver.Close()
		e.resolver = nil
	}
	if want.Resolve == nil {
		return nil
	}
	var udp *net.UDPConn
	var tcp net.Listener
	err := link.In(e.namespace, func() (err error) {
		if udp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(names.Address())); err != nil {
			return err
		}
		tcp, err = net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(names.Address()))
		return err
	})
	if err != nil {
		if udp != nil {
			udp.Close()
		}
		return fmt.Errorf("resolver on %s in the container: %w", names.Address(), err)
	}
	e.resolver = names.Serve(h.resolver(want), udp, tcp)
	return nil
}

func same(a, b Resolve) bool {
	return slices.Equal(a.Zones, b.Zones) && slices.Equal(a.Servers, b.Servers)
}

// onExit calls f when the process of a pidfd ends, unless stopped before.
func onExit(pidfd *os.File, f func()) (stop func(), err error) {
	fd, err := unix.FcntlInt(pidfd.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or os.NewFile does not poll it
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl O_NONBLOCK", err)
	}
	own := os.NewFile(uintptr(fd), "pidfd")
	raw, err := own.SyscallConn()
	if err != nil {
		own.Close()
		return nil, err
	}
	go func() {
		ended := false
		err := raw.Read(func(fd uintptr) bool {
			// Readable once the process has ended, a zombie's too (pidfd_open(2)).
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			ended = n > 0
			return ended
		})
		if err == nil && ended {
			f()
		}
	}()
	return func() { own.Close() }, nil
}
