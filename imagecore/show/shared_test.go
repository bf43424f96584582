package show_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/show"
)

// images makes one of each word; a letter is a layer of 1,000 bytes.
func images(words ...string) *imagecore.Report {
	var r imagecore.Report
	for _, word := range words {
		img := imagecore.Image{ID: digest.FromString(word), Platform: "linux/amd64"}
		if word == strings.ToLower(word) {
			img.Refs = []string{word + ":1"}
		}
		for i, l := range strings.ToLower(word) {
			img.Layers = append(img.Layers, imagecore.Layer{
				Index: i, DiffID: digest.FromString(string(l)), ChainID: digest.FromString(strings.ToLower(word)[:i+1]), TarSize: 1000, Present: true, CreatedBy: "make " + string(l),
			})
		}
		r.Images = append(r.Images, img)
	}
	return &r
}

func TestImagesAreShownByTheLayersThatTheyShare(t *testing.T) {
	tree := func(words ...string) string {
		var b strings.Builder
		if err := show.Report(&b, images(words...)); err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(b.String(), "share: ")
		return after
	}
	want := `4 kB of layers, 11 kB if each had its own

  ca978112ca1b  1 kB  make a
  3e23e8160039  1 kB  make b
  image ab:1  2 kB, shared 2 kB, own 0 B
    2e7d2c03a950  1 kB  make c
    image abc:1  3 kB, shared 2 kB, own 1 kB
    18ac3e7343f0  1 kB  make d
    image abd:1  3 kB, shared 3 kB, own 0 B
    image <none> ` + digest.FromString("ABD").Encoded()[:12] + `  3 kB, shared 3 kB, own 0 B
`
	if got := tree("ab", "abc", "abd", "ABD"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// What stands on another layer is another.
	if got := tree("ab", "ba"); got != "" {
		t.Errorf("a tree of images that share nothing: %s", got)
	}
}
