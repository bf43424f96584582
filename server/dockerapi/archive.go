package dockerapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// containerArchive is docker cp out of a container: what its layers hold, so
// that no path of a hostile container is walked on the host. What is mounted in
// it is not seen.
func (h *Handler) containerArchive(c *call) error {
	name, asked := c.path["name"], c.query("path")
	if asked == "" {
		return invalid("bad parameter: 'path' cannot be empty")
	}
	err := h.Containers.Export(c.r.Context(), name, func(v *tree.View, content func(int) (io.ReaderAt, error)) error {
		n, err := lookUp(v, asked)
		if err != nil {
			return &refusal{http.StatusNotFound, "Could not find the file " + asked + " in container " + name}
		}
		stat, err := json.Marshal(pathStat(n, asked))
		if err != nil {
			return err
		}
		c.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString(stat))
		c.Header().Set("Content-Type", "application/x-tar")
		c.head(http.StatusOK)
		if c.r.Method == http.MethodHead {
			return nil
		}
		return pack.Subtree(c, n, content)
	})
	return containerError(name, err)
}

// lookUp finds a path, its last component not followed, unless it ends in a
// slash.
func lookUp(v *tree.View, asked string) (tree.Node, error) {
	clean := strings.TrimPrefix(path.Clean("/"+asked), "/")
	if clean == "" {
		return v.Root(), nil
	}
	if strings.HasSuffix(asked, "/") || strings.HasSuffix(asked, "/.") {
		return v.Resolve(clean)
	}
	dir, base := path.Split(clean)
	if dir = strings.TrimSuffix(dir, "/"); dir != "" {
		n, err := v.Resolve(dir)
		if err != nil {
			return n, err
		}
		clean = path.Join(n.Path(), base)
	}
	n, ok := v.Lookup(clean)
	if !ok {
		return n, errors.New("not there")
	}
	return n, nil
}

func pathStat(n tree.Node, asked string) container.PathStat {
	at := n.Attr()
	s := container.PathStat{Name: path.Base(path.Clean("/" + asked)), Size: n.Size(), Mode: fs.FileMode(at.Mode & 0o777), Mtime: time.Unix(at.ModTime, int64(at.ModNano)).UTC()}
	switch n.Kind() {
	case imagecore.Dir:
		s.Mode |= fs.ModeDir
	case imagecore.Symlink:
		s.Mode |= fs.ModeSymlink
		s.LinkTarget = n.Target()
	}
	return s
}
