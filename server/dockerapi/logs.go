//go:build linux

package dockerapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/layerlab/layerlab/runtime/jsonlog"
	"github.com/layerlab/layerlab/server/dockerapi/viewer"
	"github.com/layerlab/layerlab/server/logging"
)

// logRequest says which lines of a log are wanted.
type logRequest struct {
	since, until   time.Time // zero: no bound
	tail           int       // the last so many lines, -1 for all
	follow         bool
	stdout, stderr bool
}

func (h *Handler) containerLogs(c *call) error {
	name := c.path["name"]
	d, err := h.Containers.Detail(c.r.Context(), name)
	if err != nil {
		return containerError(name, err)
	}
	q := logRequest{tail: -1, follow: c.flag("follow"), stdout: c.flag("stdout"), stderr: c.flag("stderr")}
	if !q.stdout && !q.stderr {
		return invalid("Bad parameters: you must choose at least one stream")
	}
	if d.Log != nil && d.Log.Driver == logging.None {
		return &refusal{http.StatusNotImplemented, "configured logging driver does not support reading"}
	}
	now := time.Now()
	if q.since, err = moment(c.query("since"), now); err != nil {
		return err
	}
	if q.until, err = moment(c.query("until"), now); err != nil {
		return err
	}
	if tail := c.query("tail"); tail != "" && tail != "all" {
		if q.tail, err = strconv.Atoi(tail); err != nil || q.tail < 0 {
			q.tail = -1 // as Docker reads it
		}
	}
	kind := "application/vnd.docker.raw-stream"
	if !d.TTY && c.version >= 42 {
		kind = "application/vnd.docker.multiplexed-stream"
	}
	c.Header().Set("Content-Type", kind)
	c.head(http.StatusOK)
	c.flush()
	stamps, details := c.flag("timestamps"), c.flag("details")
	out := viewer.Muxed{W: c, TTY: d.TTY}
	return h.readLog(c.r.Context(), d.Container.ID, q, func(l jsonlog.Line) error {
		if details {
			l.Data = append([]byte(l.Details()+" "), l.Data...)
		}
		if stamps {
			l.Data = append([]byte(l.Time.UTC().Format("2006-01-02T15:04:05.000000000Z07:00")+" "), l.Data...)
		}
		if err := out.Write(l.Stream, l.Data); err != nil {
			return err
		}
		if q.follow {
			c.flush()
		}
		return nil
	})
}

// readLog hands out the lines of a container's log, and with follow those that
// come until the run under way has ended.
func (h *Handler) readLog(ctx context.Context, id string, q logRequest, use func(jsonlog.Line) error) error {
	path, err := h.Containers.LogPath(ctx, id)
	if err != nil {
		return err
	}
	var woken <-chan struct{}
	if q.follow {
		var stop func()
		if woken, stop, err = h.output(ctx, id); err != nil {
			return err
		}
		defer stop()
	}
	r, err := jsonlog.NewReader(path, q.tail)
	for errors.Is(err, os.ErrNotExist) && q.follow {
		if _, more := <-woken; !more {
			return nil
		}
		r, err = jsonlog.NewReader(path, -1)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	for last := !q.follow; ; {
		line, err := r.Next()
		if err == nil {
			if err := q.give(line, use); err != nil {
				if err == io.EOF {
					return nil
				}
				return err
			}
			continue
		}
		if err != io.EOF {
			return err
		}
		if last {
			return nil
		}
		select {
		case _, more := <-woken:
			last = !more
		case <-ctx.Done():
			return nil
		}
	}
}

// give hands out a record that is wanted; io.EOF says that later ones are not.
func (q *logRequest) give(l jsonlog.Line, use func(jsonlog.Line) error) error {
	if !q.until.IsZero() && l.Time.After(q.until) {
		return io.EOF
	}
	if l.Time.Before(q.since) || l.Stream == 1 && !q.stdout || l.Stream == 2 && !q.stderr {
		return nil
	}
	return use(l)
}

// output gives a signal when a container has written something; the channel is
// closed once the run under way has ended and its log is whole.
func (h *Handler) output(ctx context.Context, id string) (woken <-chan struct{}, stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	signal := make(chan struct{}, 1)
	d, err := h.Containers.Detail(ctx, id)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	if d.Pid == 0 {
		close(signal)
		return signal, cancel, nil
	}
	ended, err := h.Containers.Await(ctx, id, "not-running")
	if err != nil {
		cancel()
		return nil, nil, err
	}
	wait, err := h.Containers.Attach(ctx, id)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(signal)
		if s, err := wait(); err == nil {
			defer s.Close()
			for {
				if _, err := s.Next(); err != nil {
					break
				}
				select {
				case signal <- struct{}{}:
				default:
				}
			}
		}
		_, _ = ended(ctx) // the log is flushed by then
	}()
	return signal, func() { cancel(); <-done }, nil
}
