//go:build linux

package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/engine/idrange"
)

// sharedFile is there in DATA where layers and volumes carry the ids of the one
// range that all containers share.
const sharedFile = "shared-ids.json"

// chooseRootfs finds out how roots are mounted on this host, before the first
// layer is unpacked: without idmapped mounts its files get other owners. The
// choice of a data folder that holds layers stands. Code: layers-other-ids.
func (s *server) chooseRootfs(pool idrange.Pool) error {
	layers := filepath.Join(s.o.Data, "layers")
	if err := os.MkdirAll(layers, 0o700); err != nil {
		return err
	}
	if s.o.Rootless {
		s.log.Info("an ordinary user's server makes no cgroups, not even delegated ones: no limits, pause or stats of a container")
	}
	if s.cannotRun = s.o.CannotRun; s.cannotRun != nil {
		s.log.Warn("containers can't run; images can be looked at", "error", s.cannotRun)
		return nil
	}
	if s.method = s.o.Rootfs; s.method == "" {
		if s.method, s.cannotRun = snapshot.Probe(layers); s.cannotRun != nil {
			s.log.Warn("containers can't run on this host; images can be looked at", "error", s.cannotRun)
			return nil
		}
	}
	shared, err := readShared(filepath.Join(s.o.Data, sharedFile))
	if err != nil {
		return err
	}
	wanted := s.method == snapshot.SharedIDs
	if wanted == (shared != nil) {
		s.shared = shared
		return nil
	}
	unpacked, err := os.ReadDir(layers)
	if err != nil {
		return err
	}
	if len(unpacked) > 0 {
		return imagecore.NewError(imagecore.ErrHost, "layers-other-ids",
			fmt.Sprintf("the layers in %s were unpacked for another way of mounting than %s: choose another --data, or --rootfs", s.o.Data, s.method), "method", string(s.method))
	}
	if !wanted {
		return os.Remove(filepath.Join(s.o.Data, sharedFile))
	}
	h := fnv.New32a()
	h.Write([]byte(s.o.Data))
	r, err := pool.Pick(nil, h.Sum32())
	if err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	s.shared = &r
	return os.WriteFile(filepath.Join(s.o.Data, sharedFile), append(text, '\n'), 0o600)
}

func readShared(path string) (*idrange.Range, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r idrange.Range
	if err := json.Unmarshal(text, &r); err != nil || r.Count == 0 {
		return nil, fmt.Errorf("%s: not a range of ids (%w)", path, err)
	}
	return &r, nil
}

// shift is added to the owners of what is unpacked.
func (s *server) shift() uint32 {
	if s.shared == nil {
		return 0
	}
	return s.shared.First
}
