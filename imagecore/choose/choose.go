// Package choose picks the one image that a command needs out of those that an
// archive holds, by name, id or platform.
//
//	[]Image + Choice → Pick → the image's number
package choose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/layerlab/layerlab/imagecore"
)

// Choice narrows an archive down to one image.
type Choice struct {
	Ref      string `json:"ref,omitempty"`      // name, name:tag or id; "" is any
	Platform string `json:"platform,omitempty"` // os/arch[/variant]; "" is any
	// Host is the platform that is taken where several are left: "linux/amd64".
	Host string `json:"host,omitempty"`
}

// Given says whether the choice narrows anything down.
func (c Choice) Given() bool { return c.Ref != "" || c.Platform != "" }

// All returns the numbers of the images that c means, all of them where
// nothing is given; ErrNotFound where there is none.
func All(images []imagecore.Image, c Choice) ([]int, error) {
	left := make([]int, 0, len(images))
	for i := range images {
		left = append(left, i)
	}
	if c.Ref != "" {
		left = Matching(images, c.Ref)
	}
	if c.Platform != "" {
		left = onPlatform(images, left, c.Platform)
	}
	if len(left) == 0 && c.Given() {
		return nil, notFound(images, c)
	}
	return left, nil
}

func notFound(images []imagecore.Image, c Choice) error {
	want := strings.TrimSpace(c.Ref + " " + c.Platform)
	return imagecore.NewError(imagecore.ErrNotFound, "image-not-found",
		fmt.Sprintf("no image %q in the archive, which holds %s", want, list(images, nil)), "image", want)
}

// Pick returns the number of the image that c means. Where several are left it
// takes the only one for c.Host; else the error, of kind ErrAmbiguous, lists
// them.
func Pick(images []imagecore.Image, c Choice) (int, error) {
	if len(images) == 0 {
		return 0, imagecore.NewError(imagecore.ErrNotFound, "no-image", "the archive holds no image")
	}
	left, err := All(images, c)
	if err != nil {
		return 0, err
	}
	if len(left) == 1 {
		return left[0], nil
	}
	if here := onPlatform(images, left, c.Host); len(here) == 1 {
		return here[0], nil
	}
	return 0, imagecore.NewError(imagecore.ErrAmbiguous, "several-images",
		"several images, name one by --ref or --platform: "+list(images, left), "images", list(images, left))
}

// list words images on one line; which nil means all.
func list(images []imagecore.Image, which []int) string {
	var words []string
	for i := range images {
		if which != nil && !slices.Contains(which, i) {
			continue
		}
		name := images[i].ID.String()
		if len(images[i].Refs) > 0 {
			name = strings.Join(images[i].Refs, ", ")
		}
		words = append(words, fmt.Sprintf("%s (%s)", name, images[i].Platform))
	}
	return strings.Join(words, "; ")
}

// Matching returns the numbers of the images that ref names, by name or id.
func Matching(images []imagecore.Image, ref string) []int {
	var found []int
	for i := range images {
		for _, r := range images[i].Refs {
			if SameRef(r, ref) {
				found = append(found, i)
				break
			}
		}
	}
	if len(found) > 0 || !IsID(ref) {
		return found
	}
	for i := range images {
		for _, digest := range []string{images[i].ID.String(), images[i].Manifest.Digest.String()} {
			if _, hex, ok := strings.Cut(digest, ":"); ok && strings.HasPrefix(hex, strings.TrimPrefix(ref, "sha256:")) {
				found = append(found, i)
				break
			}
		}
	}
	return found
}

func onPlatform(images []imagecore.Image, among []int, platform string) []int {
	var found []int
	for _, i := range among {
		if p := images[i].Platform; p == platform || strings.HasPrefix(p, platform+"/") {
			found = append(found, i)
		}
	}
	return found
}

// SameRef says whether want names what stands as have. Docker's defaults may be
// left out of either: the registry docker.io, its folder library, the tag latest.
func SameRef(have, want string) bool {
	return have != "" && want != "" && (have == want || normal(have) == normal(want))
}

// normal spells a reference out; one that Docker would not take stays as it is.
func normal(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return reference.TagNameOnly(named).String()
}

// IsID says that name may be an image's id or the beginning of one.
func IsID(name string) bool {
	hex := strings.TrimPrefix(name, "sha256:")
	return len(hex) >= 4 && len(hex) <= 64 && strings.Trim(hex, "0123456789abcdef") == ""
}
