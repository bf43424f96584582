//go:build linux

package network

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
)

// ErrGone says that no helper answers: it has ended, or was killed.
var ErrGone = errors.New("the network's helper has gone")

// Client speaks with one helper. It holds no connection, and is safe for
// concurrent use. Errors are *imagecore.Error as the helper made them; ErrGone
// is among their causes where it does not answer.
type Client struct{ socket string }

// Dial returns a client of the helper that listens on the socket, after it has
// answered once.
func Dial(ctx context.Context, socket string) (*Client, *State, error) {
	c := &Client{socket}
	s, err := c.State(ctx)
	if err != nil {
		return nil, nil, err
	}
	return c, s, nil
}

// State returns what the helper knows.
func (c *Client) State(ctx context.Context) (*State, error) {
	a, err := c.do(ctx, &request{Op: "state"})
	if err != nil {
		return nil, err
	}
	if a.State == nil {
		return nil, c.gone(errors.New("an empty answer"))
	}
	return a.State, nil
}

// Join plugs a container in, or brings an endpoint that is there to what e says.
// It returns the ports with what was taken for each; on an error a new endpoint
// is not there, and one that was there is as before but for its ports.
func (c *Client) Join(ctx context.Context, e Endpoint, t Target) ([]Port, error) {
	a, err := c.do(ctx, &request{Op: "join", Endpoint: &e}, int(t.Process.Fd()), int(t.Namespace.Fd()))
	if err != nil {
		return nil, err
	}
	return a.Ports, nil
}

// Leave unplugs an endpoint; one that is not there is none. ended says that its
// container has: its ports are free when Leave returns, and the wire, which the
// kernel takes some 20 ms to remove, goes thereafter.
func (c *Client) Leave(ctx context.Context, id string, ended bool) error {
	_, err := c.do(ctx, &request{Op: "leave", ID: id, Ended: ended})
	return err
}

// SetNames replaces what the network's resolvers know.
func (c *Client) SetNames(ctx context.Context, names Names) error {
	_, err := c.do(ctx, &request{Op: "names", Names: names})
	return err
}

// SetWay says whether there is a way out now, and who is asked for names that
// are no container's.
func (c *Client) SetWay(ctx context.Context, out bool, servers []netip.AddrPort) error {
	_, err := c.do(ctx, &request{Op: "way", Out: out, Servers: servers})
	return err
}

// End makes the helper unplug everything, remove its namespace and end. It
// returns when that is done.
func (c *Client) End(ctx context.Context) error {
	_, err := c.do(ctx, &request{Op: "end"})
	return err
}

// Watch calls tell for each event, from the moment on that it calls ready. It
// returns when ctx ends or the helper goes, with ErrGone then: its process has
// ended, so the ports that it had are free. While somebody watches the helper
// does not end by itself.
func (c *Client) Watch(ctx context.Context, ready func(), tell func(Event)) error {
	conn, release, err := c.open(ctx, &request{Op: "watch"})
	if err != nil {
		return err
	}
	defer conn.Close()
	defer release()
	lines := json.NewDecoder(bufio.NewReader(conn))
	var a answer
	if err := lines.Decode(&a); err != nil {
		return c.trail(ctx, err)
	}
	process, err := peer(conn)
	if err != nil {
		return c.trail(ctx, err)
	}
	defer unix.Close(process)
	ready()
	for {
		var e Event
		if err := lines.Decode(&e); err != nil {
			if ctx.Err() == nil {
				awaitEnd(process)
			}
			return c.trail(ctx, err)
		}
		tell(e)
	}
}

// endWithin bounds the wait for a process whose connection has ended: the kernel
// closes the descriptors of one that is killed in their order, so the ports of a
// helper outlive its connections by an instant.
const endWithin = 5 * time.Second

// peer returns a pidfd of the process that listens at the other end.
func peer(conn *net.UnixConn) (fd int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	var failed error
	err = raw.Control(func(s uintptr) {
		var cred *unix.Ucred
		if cred, failed = unix.GetsockoptUcred(int(s), unix.SOL_SOCKET, unix.SO_PEERCRED); failed == nil {
			fd, failed = unix.PidfdOpen(int(cred.Pid), 0)
		}
	})
	if err = cmp.Or(err, failed); err != nil {
		return -1, fmt.Errorf("process of the network helper: %w", err)
	}
	return fd, nil
}

func awaitEnd(process int) {
	poll := []unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}
	for deadline := time.Now().Add(endWithin); ; {
		left := time.Until(deadline)
		if n, err := unix.Poll(poll, int(max(left, 0).Milliseconds())); n > 0 || err != unix.EINTR || left <= 0 {
			return
		}
	}
}

func (c *Client) do(ctx context.Context, r *request, fds ...int) (*answer, error) {
	conn, release, err := c.open(ctx, r, fds...)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer release()
	var a answer
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		return nil, c.trail(ctx, err)
	}
	return &a, a.Failure.err()
}

func (c *Client) open(ctx context.Context, r *request, fds ...int) (*net.UnixConn, func() bool, error) {
	r.Version = Version
	line, err := json.Marshal(r)
	if err != nil {
		return nil, nil, err
	}
	var d net.Dialer
	raw, err := d.DialContext(ctx, "unix", c.socket)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		return nil, nil, c.gone(err)
	}
	conn := raw.(*net.UnixConn)
	release := context.AfterFunc(ctx, func() { conn.Close() })
	line = append(line, '\n')
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	n, _, err := conn.WriteMsgUnix(line, rights, nil)
	if err == nil && n < len(line) { // a long line goes in pieces, the files with the first
		_, err = conn.Write(line[n:])
	}
	if err != nil {
		release()
		conn.Close()
		return nil, nil, c.trail(ctx, err)
	}
	return conn, release, nil
}

func (c *Client) trail(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.gone(err)
}

func (c *Client) gone(err error) error {
	e := imagecore.NewError(imagecore.ErrNotFound, CodeGone, fmt.Sprintf("network helper at %s: %v", c.socket, err), "socket", c.socket)
	e.Err = ErrGone
	return e
}

// failed makes an error one that can be sent.
func failed(err error) *failure {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*imagecore.Error](err); ok {
		return &failure{Code: e.Code, Args: e.Args, Message: e.Error()}
	}
	return &failure{Code: "network-failed", Message: err.Error()}
}

func (f *failure) err() error {
	if f == nil {
		return nil
	}
	kind := imagecore.ErrHost
	if f.Code == CodePortTaken {
		kind = imagecore.ErrConflict
	}
	e := imagecore.NewError(kind, f.Code, f.Message)
	e.Args = f.Args
	if f.Code == CodeGone {
		e.Err = ErrGone
	}
	return e
}
