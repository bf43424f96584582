package tree

import (
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree/lens"
)

// Lens names the engine whose reading of the layers a Tree shows.
type Lens string

const (
	// Spec is image-spec's reading, the default.
	Spec Lens = "spec"
	// DockerOverlay2 is Docker's with its overlay2 driver (seen in 20.10).
	DockerOverlay2 Lens = "docker-overlay2"
	// ContainerdOverlayfs is containerd's overlayfs snapshotter (seen in 1.6).
	ContainerdOverlayfs Lens = "containerd-overlayfs"
	// Umoci is umoci's unpack into one folder (seen in 0.4.7).
	Umoci Lens = "umoci"
)

// Lenses returns all lenses, the default first.
func Lenses() []Lens { return []Lens{Spec, DockerOverlay2, ContainerdOverlayfs, Umoci} }

// ParseLens returns the lens named s; the empty name is Spec. An unknown one is
// ErrInvalid with the code "unknown-lens".
func ParseLens(s string) (Lens, error) {
	if s == "" {
		return Spec, nil
	}
	names := make([]string, 0, 4)
	for _, l := range Lenses() {
		if string(l) == s {
			return l, nil
		}
		names = append(names, string(l))
	}
	return "", imagecore.NewError(imagecore.ErrInvalid, "unknown-lens",
		"no engine lens is called \""+s+"\"; there are "+strings.Join(names, ", "), "lens", s)
}

// unpacker returns what unpacks as the lens's engine does, nil for Spec.
func (l Lens) unpacker() lens.Unpacker {
	switch l {
	case DockerOverlay2:
		return lens.Docker()
	case ContainerdOverlayfs:
		return lens.Containerd()
	case Umoci:
		return lens.Umoci()
	}
	return nil
}
