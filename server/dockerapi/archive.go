//go:build linux

package dockerapi

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"

	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/imagecore/codec"
)

// containerArchive is docker cp out of a container, and the look before it
// (HEAD). What is copied, and all links, lie within the container's root.
func (h *Handler) containerArchive(c *call) error {
	name, asked := c.path["name"], c.query("path")
	if asked == "" {
		return invalid("bad parameter: path cannot be empty")
	}
	if c.r.Method == http.MethodHead {
		st, err := h.Containers.StatPath(c.r.Context(), name, asked)
		if err != nil {
			return pathError(name, asked, err)
		}
		if err := c.statHead(st); err != nil {
			return err
		}
		c.head(http.StatusOK)
		return nil
	}
	st, tar, err := h.Containers.ReadPath(c.r.Context(), name, asked)
	if err != nil {
		return pathError(name, asked, err)
	}
	defer tar.Close()
	if err := c.statHead(st); err != nil {
		return err
	}
	h.Containers.Act(c.r.Context(), name, "archive-path")
	c.Header().Set("Content-Type", "application/x-tar")
	c.head(http.StatusOK)
	_, err = io.Copy(c, tar)
	return err
}

func (c *call) statHead(st container.PathStat) error {
	text, err := json.Marshal(st)
	if err != nil {
		return err
	}
	c.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString(text))
	return nil
}

// containerExtract is docker cp into a container: a tar in any compression.
func (h *Handler) containerExtract(c *call) error {
	name, asked := c.path["name"], c.query("path")
	if asked == "" {
		return invalid("bad parameter: path cannot be empty")
	}
	tar, _, err := codec.NewReader(c.r.Body, h.Limits)
	if err != nil {
		return err
	}
	defer tar.Close()
	err = h.Containers.WritePath(c.r.Context(), name, asked, tar, CopyIn{
		NoOverwriteDirNonDir: c.flag("noOverwriteDirNonDir"), AsUser: c.flag("copyUIDGID"),
	})
	if err != nil {
		return pathError(name, asked, err)
	}
	h.Containers.Act(c.r.Context(), name, "extract-to-dir")
	c.head(http.StatusOK)
	return nil
}

// pathError words an error about a path of a container.
func pathError(name, asked string, err error) error {
	switch code(err) {
	case "path-not-found":
		return &refusal{http.StatusNotFound, "Could not find the file " + asked + " in container " + name}
	case "not-a-folder":
		return invalid("extraction point is not a directory")
	case "read-only":
		return &refusal{http.StatusForbidden, "container rootfs is marked read-only"}
	}
	return containerError(name, err)
}
