//go:build linux

package dockerapi

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/layerlab/layerlab/runtime/hangup"
	"github.com/layerlab/layerlab/runtime/jsonlog"
)

// viewer is a connection that was taken over.
type viewer struct {
	net.Conn
	in   *bufio.Reader   // what the client sends
	gone <-chan struct{} // closed when it is there no more
	stop func()          // ends the watch for that
}

func (v *viewer) Close() error {
	v.stop()
	return v.Conn.Close()
}

// hijack takes the connection over. With "Upgrade: tcp" the answer is 101, as
// proxies want it, else 200 without a length.
func (c *call) hijack(tty bool) (*viewer, error) {
	conn, rw, err := http.NewResponseController(c.ResponseWriter).Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over the connection: %w", err)
	}
	c.begun = true
	v := &viewer{Conn: conn, in: rw.Reader}
	if v.gone, v.stop, err = hangup.Watch(conn); err != nil {
		conn.Close()
		return nil, err
	}
	kind := "application/vnd.docker.raw-stream"
	if !tty && c.version >= 42 {
		kind = "application/vnd.docker.multiplexed-stream"
	}
	head := "HTTP/1.1 200 OK\r\nContent-Type: " + kind + "\r\n\r\n"
	if c.r.Header.Get("Upgrade") != "" {
		head = "HTTP/1.1 101 UPGRADED\r\nContent-Type: " + kind + "\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
	}
	if _, err := v.Write([]byte(head)); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// wanted says which streams a viewer asked for.
type wanted struct {
	stdin, stdout, stderr bool
	closeStdin            bool   // the process's when the viewer's ends
	detach                []byte // keys that end the view of a terminal
}

func (h *Handler) containerAttach(c *call) error {
	name := c.path["name"]
	d, err := h.Containers.Detail(c.r.Context(), name)
	if err != nil {
		return containerError(name, err)
	}
	if d.State == "paused" {
		return conflict("container %s is paused, unpause the container before attach", name)
	}
	w := wanted{
		stdin: c.flag("stdin") && (d.OpenStdin || d.TTY), stdout: c.flag("stdout"), stderr: c.flag("stderr"),
		closeStdin: d.StdinOnce && !d.TTY,
	}
	if w.detach, err = detachKeys(c.query("detachKeys")); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.r.Context()))
	defer cancel()
	wait, err := h.Containers.Attach(ctx, d.Container.ID)
	if err != nil {
		return containerError(name, err)
	}
	conn, err := c.hijack(d.TTY)
	if err != nil {
		return err
	}
	defer conn.Close()
	h.Containers.Act(ctx, d.Container.ID, "attach")
	out := muxed{conn, d.TTY}
	if c.flag("logs") {
		err := h.readLog(ctx, d.Container.ID, logRequest{tail: -1, stdout: w.stdout, stderr: w.stderr}, func(l jsonlog.Line) error { return out.write(l.Stream, l.Data) })
		if err != nil {
			return err
		}
	}
	if !c.flag("stream") {
		return nil
	}
	begun := make(chan struct{})
	go func() {
		select {
		case <-conn.gone:
			cancel() // there may never be a start
		case <-begun:
		}
	}()
	s, err := wait()
	close(begun)
	if err != nil {
		return nil // the start's own answer says why
	}
	defer s.Close()
	if view(s, conn, out, w) {
		h.Containers.Act(ctx, d.Container.ID, "detach")
	}
	return nil
}

// view carries bytes between a client and a process until one of them ends, or
// the client has typed the keys by which it leaves.
func view(s Stream, conn *viewer, out muxed, w wanted) (detached bool) {
	ended, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		defer s.Close() // the viewer has gone, or wants to: Next ends
		if w.stdin {
			p := impatience(s, conn.gone)
			err := feed(p, conn.in, w.detach, s.TTY())
			p.end()
			detached = errors.Is(err, errDetached)
			if err != nil || !w.closeStdin {
				return
			}
			_ = s.CloseWrite()
		}
		select { // all that it sent has been delivered by now
		case <-conn.gone:
		case <-ended:
		}
	}()
	skip := s.Skip()
	for {
		chunk, err := s.Next()
		if err != nil {
			break
		}
		if n := min(skip, int64(len(chunk.Data))); n > 0 {
			chunk.Data, skip = chunk.Data[n:], skip-n
		}
		if len(chunk.Data) == 0 || chunk.Stream == 2 && !w.stderr || chunk.Stream == 1 && !w.stdout {
			continue
		}
		if out.write(chunk.Stream, chunk.Data) != nil {
			break
		}
	}
	close(ended)
	conn.Close() // ends feed
	<-over
	return detached
}

// stuck is how long input waits for a process that takes none of it, once who
// sent it has gone.
const stuck = 2 * time.Second

// impatient is a process's input that is given up when its sender has gone and
// the process takes nothing: the viewer's descriptors go with it.
type impatient struct {
	Stream
	took, over chan struct{}
}

func impatience(s Stream, gone <-chan struct{}) *impatient {
	p := &impatient{s, make(chan struct{}, 1), make(chan struct{})}
	go func() {
		select {
		case <-gone:
		case <-p.over:
			return
		}
		late := time.NewTimer(stuck)
		defer late.Stop()
		for {
			select {
			case <-p.took:
				late.Reset(stuck)
			case <-late.C:
				s.Close() // Write ends
				return
			case <-p.over:
				return
			}
		}
	}()
	return p
}

func (p *impatient) Write(b []byte) (int, error) {
	n, err := p.Stream.Write(b)
	select {
	case p.took <- struct{}{}:
	default:
	}
	return n, err
}

// end says that all has been written.
func (p *impatient) end() { close(p.over) }

var errDetached = errors.New("detached")

// feed gives a process what its viewer types; nil is the end of that.
func feed(s io.Writer, in io.Reader, keys []byte, tty bool) error {
	buf := make([]byte, 32<<10)
	held := 0 // how many of the keys were typed
	for {
		n, err := in.Read(buf)
		data := buf[:n]
		if tty && len(keys) > 0 && n > 0 {
			var gone bool
			if data, held, gone = withoutKeys(data, keys, held); gone {
				return errDetached
			}
		}
		if len(data) > 0 {
			if _, err := s.Write(data); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// withoutKeys holds keys back as long as they may become the whole sequence.
func withoutKeys(data, keys []byte, held int) (out []byte, now int, gone bool) {
	for _, b := range data {
		if b == keys[held] {
			if held++; held == len(keys) {
				return nil, 0, true
			}
			continue
		}
		out = append(out, keys[:held]...)
		held = 0
		if b == keys[0] {
			held = 1
			continue
		}
		out = append(out, b)
	}
	return out, held, false
}

// detachKeys reads "ctrl-p,ctrl-q".
func detachKeys(text string) ([]byte, error) {
	if text == "" {
		return []byte{'P' - '@', 'Q' - '@'}, nil
	}
	var keys []byte
	for key := range strings.SplitSeq(text, ",") {
		rest, ctrl := strings.CutPrefix(strings.ToLower(key), "ctrl-")
		switch {
		case len(key) == 1:
			keys = append(keys, key[0])
		case ctrl && len(rest) == 1 && strings.Contains("@abcdefghijklmnopqrstuvwxyz[\\]^_", rest):
			keys = append(keys, strings.ToUpper(rest)[0]-'@')
		default:
			return nil, invalid("invalid detach keys (%s)", text)
		}
	}
	return keys, nil
}

// muxed writes output as it is for a terminal, else each piece with Docker's
// head of eight bytes: stream, three zeros, length.
type muxed struct {
	w   io.Writer
	tty bool
}

func (m muxed) write(stream byte, data []byte) error {
	if !m.tty {
		head := [8]byte{stream}
		binary.BigEndian.PutUint32(head[4:], uint32(len(data)))
		data = append(head[:], data...)
	}
	_, err := m.w.Write(data)
	return err
}
