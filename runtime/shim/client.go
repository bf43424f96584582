//go:build linux

package shim

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/plan"
)

// ErrGone says that nobody answers on the socket, or that the connection broke
// off: the shim has ended. exit.json tells whether the container has, too.
var ErrGone = errors.New("the shim has gone")

// Client speaks with one shim. It holds no connection, so it need not be
// closed, survives nothing and forgets nothing; it is safe for concurrent use.
// Errors are *fault.Error as the shim made them; ErrGone is among their
// causes where the shim does not answer.
type Client struct {
	socket string
}

// Dial returns a client of the shim that listens on the socket, after it has
// answered once.
func Dial(ctx context.Context, socket string) (*Client, error) {
	c := &Client{socket: socket}
	if err := c.do(ctx, &request{Op: "hello"}, nil); err != nil {
		return nil, err
	}
	return c, nil
}

// gone describes the loss of the shim.
func (c *Client) gone(err error) error {
	e := fault.New(fault.ErrNotFound, CodeGone, fmt.Sprintf("shim at %s: %v", c.socket, err), "socket", c.socket)
	e.Err = ErrGone
	return e
}

// open connects and sends the request; ctx ends the connection.
func (c *Client) open(ctx context.Context, r *request) (conn *net.UnixConn, release func() bool, err error) {
	var d net.Dialer
	raw, err := d.DialContext(ctx, "unix", c.socket)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		return nil, nil, c.gone(err)
	}
	conn = raw.(*net.UnixConn)
	release = context.AfterFunc(ctx, func() { conn.Close() })
	fail := func(err error) (*net.UnixConn, func() bool, error) {
		release()
		conn.Close()
		return nil, nil, c.trail(ctx, err)
	}
	// Both at once: a shim of another version reads the first and does nothing.
	greeting, err := json.Marshal(hello{Version})
	if err != nil {
		return fail(err)
	}
	asked, err := json.Marshal(r)
	if err != nil {
		return fail(err)
	}
	if _, err := conn.Write(append(encodeFrame(frameHello, 0, greeting), encodeFrame(frameRequest, 0, asked)...)); err != nil {
		return fail(err)
	}
	var h hello
	if err := readJSON(conn, frameHello, &h); err != nil {
		return fail(err)
	}
	if h.Version != Version {
		return fail(fault.New(fault.ErrUnsupported, CodeVersion,
			fmt.Sprintf("the shim speaks version %d of the protocol, this server %d", h.Version, Version),
			"want", fmt.Sprint(Version), "got", fmt.Sprint(h.Version)))
	}
	return conn, release, nil
}

// trail makes of an error on the connection what the caller should see.
func (c *Client) trail(ctx context.Context, err error) error {
	var e *fault.Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &e):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.EPIPE),
		errors.Is(err, unix.ECONNRESET), errors.Is(err, net.ErrClosed):
		return c.gone(err)
	}
	return fmt.Errorf("shim at %s: %w", c.socket, err)
}

// do is one operation with one answer; answer may be nil.
func (c *Client) do(ctx context.Context, r *request, answer any) error {
	conn, release, err := c.open(ctx, r)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer release()
	if answer == nil {
		answer = &struct{}{}
	}
	if err := readJSON(conn, frameAnswer, answer); err != nil {
		return c.trail(ctx, err)
	}
	return nil
}

// Start lets the container's command run and returns its state. An error is
// execve's; the container has then ended with 126 or 127.
func (c *Client) Start(ctx context.Context) (*State, error) {
	s := &State{}
	if err := c.do(ctx, &request{Op: "start"}, s); err != nil {
		return nil, err
	}
	return s, nil
}

// State returns what the shim knows of the container.
func (c *Client) State(ctx context.Context) (*State, error) {
	s := &State{}
	if err := c.do(ctx, &request{Op: "state"}, s); err != nil {
		return nil, err
	}
	return s, nil
}

// Trace returns the plan by which the container was made, and how each step
// went.
func (c *Client) Trace(ctx context.Context) (*plan.Plan, []plan.Result, error) {
	t := &trace{}
	if err := c.do(ctx, &request{Op: "trace"}, t); err != nil {
		return nil, nil, err
	}
	return t.Plan, t.Trace, nil
}

// Signal sends a signal to the process id ("" is the container's own), or to
// every process of the container. SIGKILL ends a pause.
func (c *Client) Signal(ctx context.Context, id string, sig unix.Signal, all bool) error {
	return c.do(ctx, &request{Op: "signal", ID: id, Signal: int(sig), All: all}, nil)
}

// Pause freezes all processes of the container.
func (c *Client) Pause(ctx context.Context) error {
	return c.do(ctx, &request{Op: "pause"}, nil)
}

// Resume lets them go on.
func (c *Client) Resume(ctx context.Context) error {
	return c.do(ctx, &request{Op: "resume"}, nil)
}

// Resize sets the size of a process's terminal, in characters.
func (c *Client) Resize(ctx context.Context, id string, cols, rows uint16) error {
	return c.do(ctx, &request{Op: "resize", ID: id, Cols: cols, Rows: rows}, nil)
}

// CloseStdin ends the standard input of a process without a terminal.
func (c *Client) CloseStdin(ctx context.Context, id string) error {
	return c.do(ctx, &request{Op: "close-stdin", ID: id}, nil)
}

// Exec runs a further process in the container and returns its id. p.Terminal
// decides whether it gets a terminal of its own. It lives on when the client
// goes away; after its end it is remembered, with its replay, until 16 others
// have ended.
func (c *Client) Exec(ctx context.Context, p *specs.Process, o ExecOptions) (string, error) {
	var answer request
	if err := c.do(ctx, &request{Op: "exec", Process: p, Exec: &o}, &answer); err != nil {
		return "", err
	}
	return answer.ID, nil
}

// Wait returns how the process ended, once it has and all its output is out;
// for the container's own the record is then on disk.
func (c *Client) Wait(ctx context.Context, id string) (*Exit, error) {
	e := &Exit{}
	if err := c.do(ctx, &request{Op: "wait", ID: id}, e); err != nil {
		return nil, err
	}
	return e, nil
}

// AckExit tells the shim that the container's exit has been noted: it removes
// its socket and ends. exit.json stays.
func (c *Client) AckExit(ctx context.Context) error {
	return c.do(ctx, &request{Op: "ack"}, nil)
}

// Attach returns a stream of the process's output, its replay first, and a way
// to give it input. ctx ends the stream, as Close does.
func (c *Client) Attach(ctx context.Context, id string) (*Stream, error) {
	conn, release, err := c.open(ctx, &request{Op: "attach", ID: id})
	if err != nil {
		return nil, err
	}
	s := &Stream{ctx: ctx, client: c, conn: conn, release: release, r: bufio.NewReaderSize(conn, 64<<10)}
	if err := readJSON(s.r, frameAnswer, &s.head); err != nil {
		s.Close()
		return nil, c.trail(ctx, err)
	}
	return s, nil
}
