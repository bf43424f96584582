//go:build linux

package dockerapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/layerlab/layerlab/runtime/hangup"
	"github.com/layerlab/layerlab/runtime/jsonlog"
	"github.com/layerlab/layerlab/server/dockerapi/viewer"
)

// hijack takes the connection over. With "Upgrade: tcp" the answer is 101, as
// proxies want it, else 200 without a length.
func (c *call) hijack(tty bool) (*viewer.Conn, error) {
	conn, rw, err := http.NewResponseController(c.ResponseWriter).Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over the connection: %w", err)
	}
	c.begun = true
	v := &viewer.Conn{Conn: conn, In: rw.Reader}
	if v.Gone, v.Stop, err = hangup.Watch(conn); err != nil {
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

func (h *Handler) containerAttach(c *call) error {
	name := c.path["name"]
	d, err := h.Containers.Detail(c.r.Context(), name)
	if err != nil {
		return containerError(name, err)
	}
	if d.State == "paused" {
		return conflict("container %s is paused, unpause the container before attach", name)
	}
	w := viewer.Wanted{
		Stdin: c.flag("stdin") && (d.OpenStdin || d.TTY), Stdout: c.flag("stdout"), Stderr: c.flag("stderr"),
		CloseStdin: d.StdinOnce && !d.TTY,
	}
	if w.Detach, err = detachKeys(c.query("detachKeys")); err != nil {
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
	out := viewer.Muxed{W: conn, TTY: d.TTY}
	if c.flag("logs") {
		err := h.readLog(ctx, d.Container.ID, logRequest{tail: -1, stdout: w.Stdout, stderr: w.Stderr}, func(l jsonlog.Line) error { return out.Write(l.Stream, l.Data) })
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
		case <-conn.Gone:
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
	if viewer.Carry(s, conn, out, w) {
		h.Containers.Act(ctx, d.Container.ID, "detach")
	}
	return nil
}

func detachKeys(text string) ([]byte, error) {
	keys, err := viewer.Keys(text)
	if err != nil {
		return nil, invalid("%v", err)
	}
	return keys, nil
}
