package labapi

import (
	"context"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/audit/account"
	"github.com/layerlab/layerlab/imagecore/elf"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Looks is what the routes need beyond one service: an image's waste, and a
// container looked at as an image with one more layer.
type Looks interface {
	// Account is what an image wastes; compare reads the files of equal size.
	Account(ctx context.Context, image string, compare bool) (*account.Account, error)
	// ELF tells what a file of an image is after a layer.
	ELF(ctx context.Context, image string, layer int, path string) (*elf.Binary, error)
	// ContainerIndex gives the binary index of the container's image with its
	// own layer on top.
	ContainerIndex(ctx context.Context, id string, lens tree.Lens) ([]byte, error)
	// ContainerFile opens a file of the container's own layer.
	ContainerFile(ctx context.Context, id, path string) (io.ReadCloser, error)
}

func (h *Handler) lookRoutes(g *echo.Group) {
	g.GET("/images/:id/account", h.account)
	g.GET("/images/:id/elf", h.elf)
	g.GET("/containers/:id/index", h.containerIndex)
	g.GET("/containers/:id/content", h.containerContent)
}

func (h *Handler) account(c echo.Context) error {
	a, err := h.d.Looks.Account(c.Request().Context(), c.Param("id"), c.QueryParam("contents") == "1")
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, a)
}

func (h *Handler) elf(c echo.Context) error {
	layer, err := number(c, "layer")
	if err != nil {
		return err
	}
	facts, err := h.d.Looks.ELF(c.Request().Context(), c.Param("id"), int(layer), c.QueryParam("path"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, facts)
}

func (h *Handler) containerIndex(c echo.Context) error {
	return sendIndex(c, h.d.Looks.ContainerIndex)
}

// containerContent sends bytes of a file that the container wrote.
func (h *Handler) containerContent(c echo.Context) error {
	offset, err := number(c, "offset")
	if err != nil {
		return err
	}
	size, err := number(c, "size")
	if err != nil {
		return err
	}
	path := c.QueryParam("path")
	f, err := h.d.Looks.ContainerFile(c.Request().Context(), c.Param("id"), path)
	if err != nil {
		return err
	}
	defer f.Close()
	if n, err := io.CopyN(io.Discard, f, offset); n < offset {
		return imagecore.NewError(imagecore.ErrNotFound, "content-outside", "no such bytes in the file: "+path, "path", path, "cause", text(err))
	}
	head := c.Response().Header()
	head.Set("Content-Type", echo.MIMEOctetStream)
	head.Set("Content-Disposition", "attachment")
	w, calm := patientWriter(c)
	defer calm()
	if _, err := io.CopyN(w, f, size); err != nil {
		return cutShort(c, err)
	}
	return nil
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
