//go:build linux

package dockerapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/jsonstream"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// imageSave is docker save of one or several images.
func (h *Handler) imageSave(c *call) error {
	names := c.r.URL.Query()["names"]
	if name := c.path["name"]; name != "" {
		names = []string{name}
	}
	platforms, err := c.platforms(48)
	if err != nil {
		return err
	}
	if names, err = h.saveNames(c.r.Context(), names); err != nil {
		return err
	}
	var list []Named
	for _, name := range names {
		img, err := h.Images.Find(c.r.Context(), name)
		if code(err) == "image-not-found" {
			return &refusal{http.StatusNotFound, "No such image: " + name}
		}
		if err == nil {
			err = mustProvide(&img, name, platforms)
		}
		if err != nil {
			return err
		}
		var refs []string
		if ref := h.nameOf(&img, name); ref != "" {
			refs = []string{ref}
		}
		at := slices.IndexFunc(list, func(n Named) bool { return n.ID == img.ID })
		if at < 0 {
			list = append(list, Named{ID: img.ID, Refs: refs})
		} else if len(refs) > 0 && !slices.Contains(list[at].Refs, refs[0]) {
			list[at].Refs = append(list[at].Refs, refs...)
		}
	}
	for _, n := range list {
		h.Events.Act("image", n.ID.String(), "save", map[string]string{"name": n.ID.String()})
	}
	return h.Images.Save(c.r.Context(), list, func() io.Writer {
		c.Header().Set("Content-Type", "application/x-tar")
		c.head(http.StatusOK)
		return c
	})
}

// saveNames puts all tags of a repository in the place of its bare name, as
// docker save takes it; latest alone where that is the only one.
func (h *Handler) saveNames(ctx context.Context, names []string) ([]string, error) {
	images, err := h.Images.All(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range names {
		var tags []string
		if withTag(name) != name {
			full, err := h.Images.Normalize(name)
			if err != nil {
				full = name // it will not be found
			}
			for _, img := range images {
				for _, ref := range img.Refs {
					if repository(ref) == repository(full) {
						tags = append(tags, ref)
					}
				}
			}
		}
		if len(tags) == 0 { // an id, a whole name, or nothing that is here
			tags = []string{name}
		}
		slices.Sort(tags)
		out = append(out, tags...)
	}
	return out, nil
}

// stream writes JSON messages as they happen; once it has begun, errors are
// messages too.
type stream struct {
	c   *call
	err error
}

func (s *stream) send(m any) {
	if !s.c.begun {
		s.c.Header().Set("Content-Type", "application/json")
		s.c.head(http.StatusOK)
	}
	if s.err == nil {
		s.err = json.NewEncoder(s.c).Encode(m)
		s.c.flush()
	}
}

// fail tells an error in the stream, or leaves it to the answer's status.
func (s *stream) fail(err error) error {
	if !s.c.begun {
		return err
	}
	_, message := answer(err)
	// The command line of today reads errorDetail, older ones error.
	s.send(map[string]any{"errorDetail": jsonstream.Error{Message: message}, "error": message})
	return err
}

// imageLoad is docker load. Progress counts the bytes that are stored, under
// the archive as a whole. Of several platforms those are stored that are asked
// for, all otherwise.
func (h *Handler) imageLoad(c *call) error {
	platforms, err := c.platforms(48)
	if err != nil {
		return err
	}
	s := &stream{c: c}
	quiet := c.flag("quiet")
	list, err := h.Images.Load(c.r.Context(), c.r.Body, platforms, func(p wire.UploadProgress) {
		if !quiet && p.Phase == wire.UploadStoring && p.Total > 0 {
			s.send(jsonstream.Message{ID: "archive", Status: "Loading layers", Progress: &jsonstream.Progress{Current: p.Done, Total: p.Total}})
		}
	})
	if err != nil {
		return s.fail(err)
	}
	for _, l := range list {
		if len(l.Names) == 0 {
			s.send(jsonstream.Message{Stream: "Loaded image ID: " + l.ID + "\n"})
		}
		for _, name := range l.Names {
			s.send(jsonstream.Message{Stream: "Loaded image: " + name + "\n"})
		}
	}
	return s.err
}

// imageCreate is docker import (fromSrc) and docker pull (fromImage).
func (h *Handler) imageCreate(c *call) error {
	if from := c.query("fromImage"); from != "" {
		return h.pull(c, from)
	}
	if src := c.query("fromSrc"); src != "-" {
		return &refusal{http.StatusNotImplemented, "importing from an address is not served by layerlab: fetch it and import the file"}
	}
	ref := c.query("repo")
	if tag := c.query("tag"); tag != "" {
		ref += ":" + tag
	}
	s := &stream{c: c}
	id, err := h.Images.Make(c.r.Context(), c.r.Body, ImportRequest{
		Ref: ref, Message: c.query("message"), Platform: c.query("platform"), Changes: c.r.URL.Query()["changes"],
	})
	if e, ok := errors.AsType[*imagecore.Error](err); ok && e.Code == "bad-change" {
		return changeError(e)
	}
	if err != nil {
		return s.fail(err)
	}
	h.Events.Act("image", id, "import", map[string]string{"name": cmp.Or(ref, id)})
	s.send(jsonstream.Message{Status: id})
	return s.err
}

// pull finds what is here already; fetching comes later.
func (h *Handler) pull(c *call, from string) error {
	ref := from
	if tag := c.query("tag"); strings.Contains(tag, ":") {
		ref += "@" + tag
	} else if tag != "" {
		ref += ":" + tag
	}
	if name, err := h.Images.Normalize(ref); err == nil {
		ref = name // as people write it
	}
	img, err := h.Images.Find(c.r.Context(), ref)
	if err != nil {
		return &refusal{http.StatusNotImplemented, fmt.Sprintf("pulling %s from a registry is not served by layerlab yet: load it from an archive", withTag(ref))}
	}
	h.Events.Act("image", withTag(ref), "pull", map[string]string{"name": repository(ref)})
	s := &stream{c: c}
	s.send(jsonstream.Message{ID: strings.TrimPrefix(withTag(ref), repository(withTag(ref))+":"), Status: "Pulling from " + repository(ref)})
	s.send(jsonstream.Message{Status: "Digest: " + img.Manifest.Digest.String()})
	s.send(jsonstream.Message{Status: "Status: Image is up to date for " + withTag(ref)})
	return s.err
}
