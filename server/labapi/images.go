package labapi

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func (h *Handler) images(c echo.Context) error {
	list, err := h.d.Images.List(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.ImageList{Images: append([]wire.Image{}, list...)})
}

func (h *Handler) image(c echo.Context) error {
	report, err := h.d.Images.Report(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return c.JSONBlob(http.StatusOK, report)
}

func (h *Handler) index(c echo.Context) error {
	return sendIndex(c, h.d.Images.Index)
}

// sendIndex sends the binary index of what the path names, through the lens
// that the query names.
func sendIndex(c echo.Context, of func(ctx context.Context, id string, lens tree.Lens) ([]byte, error)) error {
	lens, err := tree.ParseLens(c.QueryParam("lens"))
	if err != nil {
		return err
	}
	b, err := of(c.Request().Context(), c.Param("id"), lens)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Content-Length", strconv.Itoa(len(b)))
	return c.Blob(http.StatusOK, echo.MIMEOctetStream, b)
}

func (h *Handler) tag(ctx context.Context, id string, req wire.TagImage) (wire.Image, error) {
	return h.d.Images.Tag(ctx, id, req.Ref)
}

func (h *Handler) pruneImages(c echo.Context) error {
	req, err := body[wire.PruneImages](c)
	if err != nil {
		return err
	}
	done, err := h.d.Images.Prune(c.Request().Context(), req.All)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, done)
}

// upload takes an archive as the body and tells of its progress under the name
// that the uploader chose.
func (h *Handler) upload(c echo.Context) error {
	id := c.QueryParam("upload")
	if id != "" && !uploadID.MatchString(id) {
		return imagecore.NewError(imagecore.ErrInvalid, "bad-request", "upload has to be 1 to 64 letters, digits, - or _", "reason", "upload")
	}
	progress := func(p wire.UploadProgress) {
		if id == "" {
			return
		}
		if err := h.d.Events.Send(wire.EventUploadProgress, id, p); err != nil {
			h.d.Log.Warn("progress of an upload not sent", "upload", id, "error", err)
		}
	}
	r := c.Request()
	body, received := h.uploads.read(r.Context(), id, patientReader(c, r.Body))
	defer received()
	list, err := h.d.Images.Import(r.Context(), body, r.ContentLength, progress)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, wire.ImageList{Images: append([]wire.Image{}, list...)})
}

// content sends bytes of a layer's uncompressed tar.
func (h *Handler) content(c echo.Context) error {
	layer, err := number(c, "layer")
	if err != nil {
		return err
	}
	offset, err := number(c, "offset")
	if err != nil {
		return err
	}
	size, err := number(c, "size")
	if err != nil {
		return err
	}
	if layer > 1<<20 {
		return imagecore.NewError(imagecore.ErrNotFound, "layer-not-found", "no image has that many layers", "layer", strconv.FormatInt(layer, 10))
	}
	r, err := h.d.Images.Content(c.Request().Context(), c.Param("id"), int(layer), offset, size)
	if err != nil {
		return err
	}
	defer r.Close()
	head := c.Response().Header()
	head.Set("Content-Type", echo.MIMEOctetStream)
	head.Set("Content-Length", strconv.FormatInt(size, 10))
	head.Set("Content-Disposition", "attachment")
	w, calm := patientWriter(c)
	defer calm()
	if _, err := io.Copy(w, r); err != nil {
		return cutShort(c, err)
	}
	return nil
}

func (h *Handler) save(c echo.Context) error {
	return h.download(c, func(open func(name string) io.Writer) error {
		return h.d.Images.Save(c.Request().Context(), c.Param("id"), open)
	})
}

func (h *Handler) flatten(c echo.Context) error {
	return h.download(c, func(open func(name string) io.Writer) error {
		return h.d.Images.Flatten(c.Request().Context(), c.Param("id"), open)
	})
}

func (h *Handler) files(c echo.Context) error {
	files, err := h.d.Images.Files(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.ArchiveFiles{Files: files})
}

// download sends a tar that is made on the way. Its length is not known before,
// so an error after the first byte breaks the connection off: the client must
// not take what it has for the whole.
func (h *Handler) download(c echo.Context, write func(open func(name string) io.Writer) error) error {
	w, calm := patientWriter(c)
	defer calm()
	err := write(func(name string) io.Writer {
		head := c.Response().Header()
		head.Set("Content-Type", "application/x-tar")
		head.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
		return w
	})
	if err != nil {
		return cutShort(c, err)
	}
	return nil
}

// cutShort ends an answer that has begun in a way that the client notices.
func cutShort(c echo.Context, err error) error {
	if !c.Response().Committed {
		return err
	}
	c.Error(err)
	panic(http.ErrAbortHandler)
}

func writeJSON(w io.Writer, v any) {
	// The client is gone where this fails, and nobody is left to be told.
	_ = json.NewEncoder(w).Encode(v)
}
