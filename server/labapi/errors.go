package labapi

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/access"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// statusClientGone is what logs show where the client went away (nginx's 499).
const statusClientGone = 499

// statuses maps the kinds of errors to HTTP status codes; the first that
// matches counts. What matches none is an internal error, 500.
var statuses = []struct {
	kind   error
	status int
}{
	{imagecore.ErrCanceled, statusClientGone},
	{context.Canceled, statusClientGone},
	{imagecore.ErrNotFound, http.StatusNotFound},
	{imagecore.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{imagecore.ErrUnsupported, http.StatusUnsupportedMediaType},
	{imagecore.ErrExists, http.StatusConflict},
	{imagecore.ErrConflict, http.StatusConflict},
	{imagecore.ErrAmbiguous, http.StatusConflict},
	{imagecore.ErrInvalid, http.StatusBadRequest},
	{imagecore.ErrHost, http.StatusServiceUnavailable},
}

// byCode are the codes whose status says more than that of their kind.
var byCode = map[string]int{
	"disk-full":          http.StatusInsufficientStorage,
	"no-trace":           http.StatusNotImplemented,
	"rootless-no-cgroup": http.StatusNotImplemented,
}

// internal is the code of what nobody can do something about but who runs the
// server.
const internal = "internal"

// status gives an error's HTTP status and the words for it. Places become
// args, so that the page can point at them.
func status(err error) (int, wire.Error) {
	if refusal := (*access.Refusal)(nil); errors.As(err, &refusal) {
		return refusal.Status, wire.Error{Code: refusal.Code, Args: map[string]string{}, Message: refusal.Message}
	}
	if e := (*imagecore.Error)(nil); errors.As(err, &e) {
		out := wire.Error{Code: e.Code, Args: place(e), Message: err.Error()}
		if code, ok := byCode[e.Code]; ok {
			return code, out
		}
		for _, s := range statuses {
			if errors.Is(e.Kind, s.kind) {
				return s.status, out
			}
		}
	}
	if e := (*echo.HTTPError)(nil); errors.As(err, &e) && e.Code < 500 {
		return e.Code, wire.Error{Code: routeCode(e.Code), Args: map[string]string{}, Message: http.StatusText(e.Code)}
	}
	if errors.Is(err, context.Canceled) {
		return statusClientGone, wire.Error{Code: "canceled", Args: map[string]string{}, Message: "canceled"}
	}
	return http.StatusInternalServerError, wire.Error{Code: internal, Args: map[string]string{}, Message: "internal error: the server's log has the details under the request's id"}
}

// place adds where an error happened to what its words need.
func place(e *imagecore.Error) map[string]string {
	args := map[string]string{}
	maps.Copy(args, e.Args)
	if e.Layer >= 0 {
		args["layer"] = strconv.Itoa(e.Layer)
	}
	if e.Entry != "" {
		args["entry"] = e.Entry
	}
	if e.Offset >= 0 {
		args["offset"] = strconv.FormatInt(e.Offset, 10)
	}
	return args
}

// routeCode words echo's own errors.
func routeCode(code int) string {
	switch code {
	case http.StatusNotFound:
		return "no-route"
	case http.StatusMethodNotAllowed:
		return "no-method"
	case http.StatusRequestEntityTooLarge:
		return "body-too-large"
	}
	return "bad-request"
}

// WireError words an error for a body that is no answer of its own: a
// terminal's last frame, a container that could not start. The text of an
// internal error stays out of it and is the caller's to log.
func WireError(err error) wire.Error {
	_, e := status(err)
	return e
}

// ErrorHandler is echo's HTTPErrorHandler: it answers with a wire.Error and
// logs what the client is not told.
func ErrorHandler(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		WriteError(log, c.Response(), c.Request(), err, c.Response().Committed)
	}
}

// WriteError answers a request with an error, unless an answer has begun. The
// request's id is that of the header X-Request-Id of the answer.
func WriteError(log *slog.Logger, w http.ResponseWriter, r *http.Request, err error, begun bool) {
	code, e := status(err)
	e.RequestID = w.Header().Get(echo.HeaderXRequestID)
	switch {
	case code >= 500 && code != http.StatusNotImplemented: // that is an answer, too
		log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "status", code, "requestID", e.RequestID, "error", err)
	case begun && code != statusClientGone:
		log.WarnContext(r.Context(), "answer cut short", "method", r.Method, "path", r.URL.Path, "requestID", e.RequestID, "error", err)
	}
	if begun {
		return
	}
	h := w.Header()
	h.Del("Content-Disposition")
	h.Del("Content-Length")
	h.Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if r.Method != http.MethodHead {
		writeJSON(w, e)
	}
}
