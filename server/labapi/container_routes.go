package labapi

import (
	"context"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// containerRoutes adds the routes of containers and terminals.
func (h *Handler) containerRoutes(g *echo.Group) {
	g.GET("/containers", h.containers)
	g.POST("/containers", h.createContainer)
	g.POST("/containers/prune", all(h.d.Containers.Prune))
	g.GET("/containers/:id", byID(http.StatusOK, h.d.Containers.Get))
	g.DELETE("/containers/:id", gone(h.d.Containers.Delete))
	g.POST("/containers/:id/start", byID(http.StatusOK, h.d.Containers.Start))
	g.POST("/containers/:id/stop", withBody(http.StatusOK, h.d.Containers.Stop))
	g.POST("/containers/:id/restart", withBody(http.StatusOK, h.d.Containers.Restart))
	g.POST("/containers/:id/rename", withBody(http.StatusOK, h.rename))
	g.POST("/containers/:id/kill", withBody(http.StatusOK, h.d.Containers.Kill))
	g.POST("/containers/:id/pause", byID(http.StatusOK, h.d.Containers.Pause))
	g.POST("/containers/:id/unpause", byID(http.StatusOK, h.d.Containers.Unpause))
	g.POST("/containers/:id/commit", withBody(http.StatusCreated, h.d.Containers.Commit))
	g.POST("/containers/:id/exec", withBody(http.StatusCreated, h.d.Containers.Exec))
	g.GET("/containers/:id/export", h.export)
	g.GET("/containers/:id/changes", byID(http.StatusOK, h.d.Containers.Changes))
	g.GET("/containers/:id/facts", byID(http.StatusOK, h.d.Containers.Facts))
	g.GET("/containers/:id/plan", byID(http.StatusOK, h.d.Containers.Plan))
	g.GET("/containers/:id/trace", byID(http.StatusOK, h.d.Containers.Trace))
	g.GET("/terminals/:id", h.terminal)
	g.GET("/volumes", h.volumes)
	g.POST("/volumes", h.createVolume)
	g.GET("/volumes/:id", byID(http.StatusOK, h.d.Containers.Volume))
	g.DELETE("/volumes/:id", gone(h.d.Containers.DeleteVolume))
	g.POST("/volumes/prune", h.pruneVolumes)
}

func (h *Handler) containers(c echo.Context) error {
	list, err := h.d.Containers.List(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.ContainerList{Containers: append([]wire.Container{}, list...)})
}

func (h *Handler) createContainer(c echo.Context) error {
	req, err := body[wire.NewContainer](c)
	if err != nil {
		return err
	}
	made, err := h.d.Containers.Create(c.Request().Context(), req)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, made)
}

func (h *Handler) rename(ctx context.Context, id string, req wire.RenameContainer) (wire.Container, error) {
	return h.d.Containers.Rename(ctx, id, req.Name)
}

func (h *Handler) export(c echo.Context) error {
	return h.download(c, func(open func(name string) io.Writer) error {
		return h.d.Containers.Export(c.Request().Context(), c.Param("id"), open)
	})
}

func (h *Handler) terminal(c echo.Context) error {
	h.d.Terminals.Serve(c.Response(), c.Request(), c.Param("id"))
	return nil
}

// all is a route that needs nothing.
func all[T any](do func(context.Context) (T, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		answer, err := do(c.Request().Context())
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, answer)
	}
}

// gone is a route that removes the thing of an id.
func gone(do func(context.Context, string) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := do(c.Request().Context(), c.Param("id")); err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	}
}

// byID is a route that needs nothing but an id.
func byID[T any](status int, do func(context.Context, string) (T, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		answer, err := do(c.Request().Context(), c.Param("id"))
		if err != nil {
			return err
		}
		return c.JSON(status, answer)
	}
}

// withBody is a route that needs a body as well; none stands for the defaults.
func withBody[B, T any](status int, do func(context.Context, string, B) (T, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		req, err := body[B](c)
		if err != nil {
			return err
		}
		answer, err := do(c.Request().Context(), c.Param("id"), req)
		if err != nil {
			return err
		}
		return c.JSON(status, answer)
	}
}

func (h *Handler) volumes(c echo.Context) error {
	list, err := h.d.Containers.Volumes(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.VolumeList{Volumes: append([]wire.Volume{}, list...)})
}

func (h *Handler) createVolume(c echo.Context) error {
	req, err := body[wire.CreateVolume](c)
	if err != nil {
		return err
	}
	made, err := h.d.Containers.CreateVolume(c.Request().Context(), req)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, made)
}
