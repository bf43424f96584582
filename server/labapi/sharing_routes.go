package labapi

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Shares is what the routes need of package sharing.
type Shares interface {
	List(ctx context.Context) (wire.ShareList, error)
	Create(ctx context.Context, container string, req wire.NewShare) (wire.CreatedShare, error)
	Revoke(ctx context.Context, id string) error
	// Redeem says what a link's secret opens, still without a ticket.
	Redeem(ctx context.Context, secret string) (wire.SharedTerminal, error)
	// Serve upgrades GET /shared/{id} to a WebSocket.
	Serve(w http.ResponseWriter, r *http.Request, id string)
}

func (h *Handler) sharingRoutes(g *echo.Group) {
	g.POST("/containers/:id/shares", withBody(http.StatusCreated, h.d.Shares.Create))
	g.GET("/shares", all(h.d.Shares.List))
	g.DELETE("/shares/:id", gone(h.d.Shares.Revoke))
	g.POST("/shared", h.shared)
	g.GET("/shared/:id", h.sharedTerminal)
}

// shared exchanges the secret of a link for a ticket to its terminal alone.
// Anybody may ask.
func (h *Handler) shared(c echo.Context) error {
	req, err := body[wire.SharedRequest](c)
	if err != nil {
		return err
	}
	t, err := h.d.Shares.Redeem(c.Request().Context(), req.Secret)
	if err != nil {
		return err
	}
	if t.Ticket, err = h.d.Gate.Ticket(Prefix + "/shared/" + t.ID); err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, t)
}

func (h *Handler) sharedTerminal(c echo.Context) error {
	h.d.Shares.Serve(c.Response(), c.Request(), c.Param("id"))
	return nil
}
