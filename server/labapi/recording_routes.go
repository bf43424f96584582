package labapi

import (
	"context"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Recordings is what the routes need of package recording.
type Recordings interface {
	List(ctx context.Context) (wire.RecordingList, error)
	Start(ctx context.Context, container string, req wire.NewRecording) (wire.Recording, error)
	Stop(ctx context.Context, id string) (wire.Recording, error)
	Delete(ctx context.Context, id string) error
	// Cast opens the file, with its size in bytes and a name for it.
	Cast(ctx context.Context, id string) (f io.ReadCloser, size int64, name string, err error)
}

func (h *Handler) recordingRoutes(g *echo.Group) {
	g.POST("/containers/:id/recordings", withBody(http.StatusCreated, h.d.Recordings.Start))
	g.GET("/recordings", all(h.d.Recordings.List))
	g.DELETE("/recordings/:id", gone(h.d.Recordings.Delete))
	g.POST("/recordings/:id/stop", byID(http.StatusOK, h.d.Recordings.Stop))
	g.GET("/recordings/:id/cast", h.cast)
}

// cast sends the file as far as it is written.
func (h *Handler) cast(c echo.Context) error {
	f, size, name, err := h.d.Recordings.Cast(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	defer f.Close()
	head := c.Response().Header()
	head.Set("Content-Type", "application/x-asciicast")
	head.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	head.Set("Content-Length", strconv.FormatInt(size, 10))
	w, calm := patientWriter(c)
	defer calm()
	if _, err := io.CopyN(w, f, size); err != nil {
		return cutShort(c, err)
	}
	return nil
}
