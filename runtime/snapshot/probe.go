//go:build linux

package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Probe finds out how roots can be mounted whose layers lie in dir: it tries
// each method on two small folders there, the best first, and removes them.
// The error says why not even an overlay without idmapping works.
func Probe(dir string) (Method, error) {
	tmp, err := os.MkdirTemp(dir, ".probe-")
	if err != nil {
		return "", fmt.Errorf("probe: %w", err)
	}
	defer os.RemoveAll(tmp)
	o := MountOptions{Upper: filepath.Join(tmp, "upper"), Work: filepath.Join(tmp, "work")}
	for _, name := range []string{"0", "1"} {
		l := filepath.Join(tmp, name)
		if err := os.Mkdir(l, 0o755); err != nil {
			return "", fmt.Errorf("probe: %w", err)
		}
		o.Layers = append(o.Layers, Layer{Dir: l})
	}
	one := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	o.IDs = IDs{UIDs: one, GIDs: one}
	var all []error
	for _, m := range []Method{LowerFDs, IdmappedNames, SharedIDs} {
		o.Method = m
		root, err := Mount(o)
		if err == nil {
			root.Close()
			return m, nil
		}
		all = append(all, fmt.Errorf("%s: %w", m, err))
	}
	return "", fmt.Errorf("probe: overlayfs does not work in %s: %w", dir, errors.Join(all...))
}
