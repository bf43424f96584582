package labapi

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Networks is what the routes need of the networks' service. ref may be a
// network's name, its id, or an unambiguous prefix of that.
type Networks interface {
	List(ctx context.Context) ([]wire.Network, error)
	Get(ctx context.Context, ref string) (wire.Network, error)
	Create(ctx context.Context, req wire.CreateNetwork) (wire.Network, error)
	Remove(ctx context.Context, ref string) error
	// Prune removes what no container is in and keep says yes to.
	Prune(ctx context.Context, keep func(wire.Network) bool) (names []string, err error)
	Connect(ctx context.Context, ref string, req wire.ConnectNetwork) error
	Disconnect(ctx context.Context, ref, container string) error
}

// networkRoutes adds the routes of networks.
func (h *Handler) networkRoutes(g *echo.Group) {
	g.GET("/networks", h.networks)
	g.POST("/networks", h.createNetwork)
	g.POST("/networks/prune", h.pruneNetworks)
	g.GET("/networks/:id", h.network)
	g.DELETE("/networks/:id", gone(h.d.Networks.Remove))
	g.POST("/networks/:id/connect", h.connect)
	g.POST("/networks/:id/disconnect", h.disconnect)
}

func (h *Handler) networks(c echo.Context) error {
	list, err := h.d.Networks.List(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.NetworkList{Networks: append([]wire.Network{}, list...)})
}

func (h *Handler) createNetwork(c echo.Context) error {
	req, err := body[wire.CreateNetwork](c)
	if err != nil {
		return err
	}
	made, err := h.d.Networks.Create(c.Request().Context(), req)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, made)
}

func (h *Handler) network(c echo.Context) error {
	n, err := h.d.Networks.Get(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, n)
}

func (h *Handler) pruneNetworks(c echo.Context) error {
	names, err := h.d.Networks.Prune(c.Request().Context(), func(wire.Network) bool { return true })
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.Pruned{Removed: append([]string{}, names...)})
}

func (h *Handler) connect(c echo.Context) error {
	req, err := body[wire.ConnectNetwork](c)
	if err != nil {
		return err
	}
	if err := h.d.Networks.Connect(c.Request().Context(), c.Param("id"), req); err != nil {
		return err
	}
	return h.network(c)
}

func (h *Handler) disconnect(c echo.Context) error {
	req, err := body[wire.DisconnectNetwork](c)
	if err != nil {
		return err
	}
	if err := h.d.Networks.Disconnect(c.Request().Context(), c.Param("id"), req.Container); err != nil {
		return err
	}
	return h.network(c)
}

// pruneVolumes removes volumes that no container has: those without a name of
// somebody's choice or, where asked, all.
func (h *Handler) pruneVolumes(c echo.Context) error {
	req, err := body[wire.PruneVolumes](c)
	if err != nil {
		return err
	}
	done, err := h.d.Containers.PruneVolumes(c.Request().Context(), req.All)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, done)
}
