package tree

import (
	"strings"

	"github.com/layerlab/layerlab/imagecore"
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

// rules is what tells one lens from another.
//
// Docker and containerd unpack each layer alone, into its own folder, and let
// the kernel stack the folders (alone); umoci unpacks one layer over the other
// in one folder. The differences follow from that.
type rules struct {
	lens Lens

	// whiteoutsFirst applies a layer's whiteouts before its entries, wherever
	// they stand. Without it everything happens in the order of the tar.
	whiteoutsFirst bool
	// alone: a name does not see the layers below. A hard link to a lower
	// layer's file fails; a whiteout beside its own name fails, or is lost
	// when an entry of that name follows.
	alone bool
	// followLower: names pass through the symbolic links of lower layers.
	followLower bool
	// carryOver: a parent that the layer does not list keeps the metadata
	// of the folder below. Without it the parent is 0755 root:root.
	carryOver bool
	// parents: a whiteout makes the folders that it stands in.
	parents bool
	// lenient: what every engine refuses is left out with a warning.
	lenient bool
	// unique: a name may stand in a layer once.
	unique bool
	// linkAttr: owner, mode and time of a hard link's own header are set on
	// the file that it links to.
	linkAttr bool
	// rootAttr: an entry for the root sets its metadata.
	rootAttr bool
	// devices: a character device 0:0 is a whiteout, as overlayfs has it.
	devices bool
}

func rulesOf(l Lens) rules {
	switch l {
	case DockerOverlay2:
		return rules{lens: l, alone: true, parents: true, unique: true, linkAttr: true, rootAttr: true, devices: true}
	case ContainerdOverlayfs:
		return rules{lens: l, alone: true, carryOver: true, parents: true, linkAttr: true, devices: true}
	case Umoci:
		return rules{lens: l, followLower: true, carryOver: true, rootAttr: true}
	default:
		return rules{lens: Spec, whiteoutsFirst: true, carryOver: true, parents: true, lenient: true, linkAttr: true, rootAttr: true, devices: true}
	}
}
