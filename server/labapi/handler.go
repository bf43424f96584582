package labapi

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/caller"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Prefix is where the routes live.
const Prefix = "/api/v1"

//go:embed openapi.yaml
var openapi []byte

// OpenAPI returns the document that describes the routes.
func OpenAPI() []byte { return openapi }

// Handler answers the routes.
type Handler struct {
	d       Deps
	uploads receiving
}

// New returns the handler of services, all of which must be there.
func New(d Deps) *Handler {
	if d.Activity == nil {
		d.Activity = (*activity.Recorder)(nil)
	}
	return &Handler{d: d}
}

// Register adds all routes to the group of Prefix.
func (h *Handler) Register(g *echo.Group) {
	g.Use(unescape, fromPage, h.recorded)
	g.GET("/openapi.yaml", h.openapi)
	g.GET("/info", h.info)
	g.GET("/events", h.events)
	g.POST("/session", h.session)
	g.POST("/tickets", h.ticket)
	g.GET("/images", h.images)
	g.POST("/images", h.upload)
	g.POST("/uploads/:id/pause", h.holdUpload(true))
	g.POST("/uploads/:id/unpause", h.holdUpload(false))
	g.POST("/images/prune", h.pruneImages)
	g.GET("/images/:id", h.image)
	g.DELETE("/images/:id", gone(h.d.Images.Remove))
	g.GET("/images/:id/index", h.index)
	g.GET("/images/:id/content", h.content)
	g.POST("/images/:id/tag", withBody(http.StatusOK, h.tag))
	g.GET("/images/:id/save", h.save)
	g.GET("/images/:id/flatten", h.flatten)
	g.GET("/images/:id/files", h.files)
	h.activityRoutes(g)
	h.lookRoutes(g)
	h.containerRoutes(g)
	h.recordingRoutes(g)
	h.sharingRoutes(g)
	h.networkRoutes(g)
}

// fromPage says by which way the services are called.
func fromPage(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		c.SetRequest(r.WithContext(caller.With(r.Context(), caller.Caller{Page: true})))
		return next(c)
	}
}

// unescape takes the percent-encoding off path parameters, which echo leaves
// on where a path has an encoded slash: references such as my%2Fimage:1.
func unescape(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().URL.RawPath == "" {
			return next(c)
		}
		values := slices.Clone(c.ParamValues())
		for i, v := range values {
			plain, err := url.PathUnescape(v)
			if err != nil {
				return imagecore.NewError(imagecore.ErrInvalid, "bad-request", "the path: "+err.Error(), "reason", "path")
			}
			values[i] = plain
		}
		c.SetParamValues(values...)
		return next(c)
	}
}

func (h *Handler) openapi(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/yaml", openapi)
}

func (h *Handler) info(c echo.Context) error {
	return c.JSON(http.StatusOK, h.d.Info(c.Request().Context()))
}

func (h *Handler) session(c echo.Context) error {
	req, err := body[wire.SessionRequest](c)
	if err != nil {
		return err
	}
	secret, err := h.d.Gate.Redeem(req.Code)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, wire.Session{Secret: secret})
}

func (h *Handler) ticket(c echo.Context) error {
	req, err := body[wire.TicketRequest](c)
	if err != nil {
		return err
	}
	ticket, err := h.d.Gate.Ticket(req.Path)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, wire.Ticket{Ticket: ticket})
}

// bodyLimit is the most bytes of a JSON body.
const bodyLimit = 1 << 20

// bodyTime is how long all of a JSON body may take: one that trickles in must
// not keep a connection, least of all that of POST /session, which anybody may
// send.
const bodyTime = 20 * time.Second

// body reads a request's JSON. Unknown fields are refused, so that a misspelt
// one is not silently without effect; no body at all is the zero value.
func body[T any](c echo.Context) (v T, err error) {
	set := http.NewResponseController(c.Response()).SetReadDeadline
	_ = set(time.Now().Add(bodyTime))       // fails only where there is no connection
	defer func() { _ = set(time.Time{}) }() // see deadlineReader
	r := http.MaxBytesReader(c.Response(), c.Request().Body, bodyLimit)
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err = dec.Decode(&v); err == io.EOF {
		return v, nil
	}
	if err == nil {
		if _, err = dec.Token(); err == io.EOF {
			return v, nil
		}
		err = fmt.Errorf("more than one JSON value")
	}
	e := imagecore.NewError(imagecore.ErrInvalid, "bad-request", "the request's body: "+err.Error(), "reason", err.Error())
	e.Err = nil
	return v, e
}

// number reads a query parameter that has to be there.
func number(c echo.Context, name string) (int64, error) {
	text := c.QueryParam(name)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, imagecore.NewError(imagecore.ErrInvalid, "bad-request",
			fmt.Sprintf("the query needs %s, a number from 0 on, not %q", name, text), "reason", name)
	}
	return n, nil
}

// uploadID is what an uploader may call its upload.
var uploadID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
