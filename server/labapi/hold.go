package labapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/imagecore"
)

// longestHold is how long an upload may be held. Whoever went away without a
// word would else keep a connection for ever: while nothing is read from it, it
// is not noticed to be gone.
const longestHold = time.Hour

// receiving are the uploads whose bodies are being read, by the name that the
// uploader chose. A held one reads nothing more from its connection, so that the
// browser stops sending. Safe for concurrent use.
type receiving struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when reading may go on; nil while it may
}

// read returns a reader of the upload's body that can be held, and what ends
// that. An upload without a name, or with one that is in use, cannot be held.
func (u *receiving) read(ctx context.Context, id string, body io.Reader) (io.Reader, func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, used := u.held[id]; id == "" || used {
		return body, func() {}
	}
	if u.held == nil {
		u.held = map[string]chan struct{}{}
	}
	u.held[id] = nil
	return heldReader{ctx.Done(), u, id, body}, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.held, id)
	}
}

// hold holds an upload, or lets it go on. To ask twice changes nothing. Code:
// upload-not-found.
func (u *receiving) hold(id string, still bool) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	wait, ok := u.held[id]
	switch {
	case !ok:
		return imagecore.NewError(imagecore.ErrNotFound, "upload-not-found", fmt.Sprintf("no upload %q is being received", id), "upload", id)
	case still && wait == nil:
		u.held[id] = make(chan struct{})
	case !still && wait != nil:
		close(wait)
		u.held[id] = nil
	}
	return nil
}

// heldReader waits before each read while its upload is held.
type heldReader struct {
	gone <-chan struct{} // closed when the request has ended
	of   *receiving
	id   string
	r    io.Reader
}

func (h heldReader) Read(p []byte) (int, error) {
	h.of.mu.Lock()
	wait := h.of.held[h.id]
	h.of.mu.Unlock()
	if wait != nil {
		late := time.NewTimer(longestHold)
		defer late.Stop()
		select {
		case <-wait:
		case <-late.C:
		case <-h.gone:
			return 0, context.Canceled
		}
	}
	return h.r.Read(p)
}

func (h *Handler) holdUpload(still bool) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := h.uploads.hold(c.Param("id"), still); err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	}
}
