package labapi

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// activityRoutes adds the routes of what was asked lately.
func (h *Handler) activityRoutes(g *echo.Group) {
	g.GET("/activity", h.activities)
	g.GET("/activity/:id", byID(http.StatusOK, h.d.Activity.Get))
}

func (h *Handler) activities(c echo.Context) error {
	return c.JSON(http.StatusOK, h.d.Activity.List(c.Request().Context()))
}

// recorded keeps what people do on the page. What the page itself asks to draw
// its views is none of that, downloads are.
func (h *Handler) recorded(next echo.HandlerFunc) echo.HandlerFunc {
	names := activity.NewNamer()
	return func(c echo.Context) error {
		r := c.Request()
		verb := names.Verb(r.Method, strings.TrimPrefix(c.Path(), Prefix))
		if verb == "" || activity.Reads(r.Method, verb) {
			return next(c)
		}
		ctx, call := h.d.Activity.Begin(r.Context(), activity.Request{
			By: wire.ByPage, Client: r.UserAgent(), Verb: verb, Method: r.Method, Path: withoutTicket(r.URL),
		})
		c.SetRequest(r.WithContext(ctx))
		answered := false
		defer func() {
			if !answered { // a panic goes on its way: an answer that was cut short
				call.End(http.StatusInternalServerError, "the answer was cut short")
			}
		}()
		err := next(c)
		answered = true
		if err != nil {
			code, words := status(err)
			call.End(code, words.Message)
		} else {
			call.End(c.Response().Status, "")
		}
		return err
	}
}

// withoutTicket is an address without what lets its bearer in.
func withoutTicket(u *url.URL) string {
	query := u.Query()
	query.Del("ticket")
	if len(query) == 0 {
		return u.EscapedPath()
	}
	return u.EscapedPath() + "?" + query.Encode()
}
