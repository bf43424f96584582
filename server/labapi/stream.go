package labapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// patience is how long one read of an upload or one write of a download may
// take. Whole transfers may take as long as they like; silent ones end.
const patience = 60 * time.Second

// heartbeat is how often a silent stream of events says that it lives: less
// than the time after which proxies end silent connections.
const heartbeat = 15 * time.Second

type deadlineReader struct {
	r   io.Reader
	set func(time.Time) error
}

func (d deadlineReader) Read(p []byte) (int, error) {
	if err := d.set(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := d.r.Read(p)
	if err == nil {
		return n, nil
	}
	// From here on net/http itself reads from the connection, to notice that
	// the client goes: a deadline left behind would look like that.
	if e := d.set(time.Time{}); e != nil && !errors.Is(e, http.ErrNotSupported) {
		return n, e
	}
	if err != io.EOF {
		e := imagecore.NewError(imagecore.ErrInvalid, "upload-incomplete", "the upload broke off")
		e.Err = err
		err = e
	}
	return n, err
}

func patientReader(c echo.Context, r io.Reader) io.Reader {
	return deadlineReader{r, http.NewResponseController(c.Response()).SetReadDeadline}
}

type deadlineWriter struct {
	w   io.Writer
	set func(time.Time) error
}

func (d deadlineWriter) Write(p []byte) (int, error) {
	if err := d.set(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return d.w.Write(p)
}

// patientWriter returns a writer to the client, and a function that takes the
// last deadline off, since the connection may serve further requests.
func patientWriter(c echo.Context) (io.Writer, func()) {
	set := http.NewResponseController(c.Response()).SetWriteDeadline
	return deadlineWriter{c.Response(), set}, func() { _ = set(time.Time{}) } // fails only where there is none
}

// events streams events as server-sent events without a name, so that one
// listener of the page gets them all: id is the Seq, data the wire.Event.
func (h *Handler) events(c echo.Context) error {
	text := c.QueryParam("since")
	if last := c.Request().Header.Get("Last-Event-ID"); last != "" {
		text = last
	}
	var since uint64
	if text != "" {
		var err error
		if since, err = strconv.ParseUint(text, 10, 64); err != nil {
			return imagecore.NewError(imagecore.ErrInvalid, "bad-request", fmt.Sprintf("since has to be a number, not %q", text), "reason", "since")
		}
	}
	sub, err := h.d.Events.Subscribe(since)
	if err != nil {
		return err
	}
	defer sub.Close()
	head := c.Response().Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	w, calm := patientWriter(c)
	defer calm()
	// Something at once, so that the page knows that it is connected.
	if _, err := io.WriteString(w, ": layerlab\n\n"); err != nil {
		return nil //nolint:nilerr // the client is gone
	}
	c.Response().Flush()
	ctx := c.Request().Context()
	for last := since; ctx.Err() == nil; {
		if last, err = sendNext(ctx, w, sub, last); err != nil {
			return nil //nolint:nilerr // the client is gone, or the server is closing
		}
		c.Response().Flush()
	}
	return nil
}

// sendNext writes the next event, or a sign of life where none comes, and returns
// its number; last is that of the one before. The sign is an event and no comment:
// a page is not told of comments, and has to notice a connection that stands and
// carries nothing.
func sendNext(ctx context.Context, w io.Writer, sub *events.Subscription, last uint64) (uint64, error) {
	wait, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	e, err := sub.Next(wait)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		e, err = wire.Event{Seq: last, Time: time.Now().UTC(), Kind: wire.EventAlive, Data: json.RawMessage("null")}, nil
	}
	if err != nil {
		return last, err
	}
	data, err := json.Marshal(e)
	if err != nil {
		return last, err
	}
	_, err = fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.Seq, data)
	return e.Seq, err
}
