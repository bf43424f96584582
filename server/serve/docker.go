//go:build linux

package serve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/layerlab/layerlab/server/dockerapi"
	"github.com/layerlab/layerlab/server/engine/bundle"
	"github.com/layerlab/layerlab/server/store"
)

// dockerSocket is where the Docker API listens.
func (s *server) dockerSocket() string {
	if s.o.DockerSocket != "" {
		return s.o.DockerSocket
	}
	return filepath.Join(s.o.Data, "docker.sock")
}

// listenDocker makes the socket; one that nobody answers on is replaced.
func (s *server) listenDocker() (net.Listener, error) {
	path := s.dockerSocket()
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, imagecore.NewError(imagecore.ErrConflict, "socket-in-use", fmt.Sprintf("somebody serves %s: choose another --docker-socket", path), "socket", path)
	}
	if st, err := os.Lstat(path); err == nil && st.Mode()&fs.ModeSocket == 0 {
		return nil, imagecore.NewError(imagecore.ErrConflict, "socket-in-use", fmt.Sprintf("%s is there and no socket: choose another --docker-socket", path), "socket", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		e := imagecore.NewError(imagecore.ErrHost, "listen-failed", fmt.Sprintf("can't listen on %s (at most 107 bytes): choose another --docker-socket", path), "address", path)
		e.Err = err
		return nil, e
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// dockerHandler answers the Docker API.
func (s *server) dockerHandler() *dockerapi.Handler {
	kernel, name := host()
	facts := dockerapi.Facts{
		Version: s.o.Version, Kernel: kernel, Data: s.o.Data, Rootfs: string(s.method),
		Name: name, Started: time.Now(), Runtimes: map[string]string{}, DefaultRuntime: s.runtimes.Default(), Rootless: s.o.Rootless,
		PlainBinds: s.shared != nil,
	}
	for _, r := range s.runtimes.All() {
		facts.Runtimes[r.Name] = cmp.Or(r.Path, "layerlab-runtime")
	}
	return dockerapi.New(dockerapi.Deps{
		Activity: s.activity, Images: notedImages{dockerImages{s.store, s.o.Limits}}, Containers: dockerContainers{s.engine, s.resize}, Networks: s.networks, Events: dockerEvents{s.bus},
		Facts:  facts,
		Limits: s.o.Limits, Log: s.log,
	})
}

// openDocker serves the Docker API until the server is closed.
func (s *server) openDocker(handler *dockerapi.Handler) error {
	l, err := s.listenDocker()
	if err != nil {
		return err
	}
	h := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- h.Serve(l) }()
	s.log.Info("docker API", "socket", s.dockerSocket())
	s.onClose(func() error {
		err := h.Close() // streams never end by themselves
		<-done
		return err
	})
	return nil
}

// dockerImages shows the store as the Docker API wants it.
type dockerImages struct {
	store  *store.Store
	limits imagecore.Limits
}

func dockerImage(i store.Image) dockerapi.Image {
	out := dockerapi.Image{ID: i.ID, Refs: i.Refs, Config: i.Config, Manifest: i.Manifest, Parent: i.Parent, Created: i.Created, Stored: i.Stored}
	for _, l := range i.Layers {
		out.Layers = append(out.Layers, dockerapi.Layer{ChainID: l.ChainID, DiffID: l.DiffID, Size: l.Content, Blob: l.Size})
	}
	return out
}

func (d dockerImages) All(ctx context.Context) ([]dockerapi.Image, error) {
	list, err := d.store.All(ctx)
	out := make([]dockerapi.Image, 0, len(list))
	for _, i := range list {
		out = append(out, dockerImage(i))
	}
	return out, err
}

func (d dockerImages) Find(ctx context.Context, ref string) (dockerapi.Image, error) {
	if name, sum, ok := strings.Cut(ref, "@"); ok { // by the digest of its manifest
		list, err := d.All(ctx)
		if err != nil {
			return dockerapi.Image{}, err
		}
		for _, i := range list {
			if i.Manifest.Digest.String() == sum || i.ID.String() == sum {
				return i, nil
			}
		}
		ref = name + "@" + sum
	}
	img, release, err := d.store.Hold(ctx, ref)
	if err != nil {
		return dockerapi.Image{}, err
	}
	release()
	return dockerImage(img), nil
}

func (d dockerImages) Normalize(ref string) (string, error) { return store.Normalize(ref) }

func (d dockerImages) Tag(ctx context.Context, ref, name string) error {
	_, err := d.store.Tag(ctx, ref, name)
	return err
}

func (d dockerImages) Untag(ctx context.Context, name string) error {
	_, err := d.store.Untag(ctx, name)
	return err
}

func (d dockerImages) Remove(ctx context.Context, id string) error { return d.store.Remove(ctx, id) }

func (d dockerImages) Save(ctx context.Context, list []dockerapi.Named, open func() io.Writer) error {
	named := make([]store.Named, 0, len(list))
	for _, n := range list {
		named = append(named, store.Named{ID: n.ID, Refs: n.Refs})
	}
	return d.store.SaveAll(ctx, named, open)
}

// Make stores an image of one layer. A name that begins with .wh. would be a
// whiteout in a layer, and hides nothing in an image of one.
func (d dockerImages) Make(ctx context.Context, layer io.Reader, req dockerapi.ImportRequest) (string, error) {
	r, _, err := codec.NewReader(layer, d.limits)
	if err != nil {
		return "", err
	}
	defer r.Close()
	now := time.Now().UTC()
	img := v1.Image{Created: &now, Platform: v1.Platform{OS: "linux", Architecture: runtime.GOARCH}}
	if req.Platform != "" {
		parts := strings.Split(req.Platform, "/")
		img.OS = parts[0]
		if len(parts) > 1 {
			img.Architecture = parts[1]
		}
		if len(parts) > 2 {
			img.Variant = parts[2]
		}
	}
	extra := map[string]json.RawMessage{}
	if err := bundle.ApplyChanges(&img.Config, extra, req.Changes); err != nil {
		return "", err
	}
	img.RootFS.Type = "layers"
	comment := req.Message
	if comment == "" {
		comment = "Imported from -"
	}
	img.History = []v1.History{{Created: &now, Comment: comment}}
	config, err := json.Marshal(img)
	if err != nil {
		return "", err
	}
	// An empty list of layers is null in Go's JSON.
	config = bytes.Replace(config, []byte(`"diff_ids":null`), []byte(`"diff_ids":[]`), 1)
	made, err := d.store.Commit(ctx, store.Commit{Layer: r, Config: config, Ref: req.Ref})
	return made.ID, err
}
