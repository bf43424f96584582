package choose

import (
	"testing"

	"github.com/layerlab/layerlab/imagecore"
)

// FuzzReference asks for images by arbitrary names: a name, but for none, finds itself, the
// question is symmetric, and what is found is among the images.
func FuzzReference(f *testing.F) {
	for _, name := range []string{"alpine", "alpine:3.20", "docker.io/library/alpine:latest", "localhost:5000/a/b@sha256:" + id[7:], id, id[7:19], "a:", ":", "A", "a/../b", "\xff", "a b", ""} {
		f.Add(name, "alpine:latest")
		f.Add("docker.io/library/alpine", name)
	}
	f.Fuzz(func(t *testing.T, have, want string) {
		if have != "" && !SameRef(have, have) {
			t.Errorf("%q is not itself", have)
		}
		if SameRef(have, want) != SameRef(want, have) {
			t.Errorf("%q and %q: it depends on who asks", have, want)
		}
		images := []imagecore.Image{{ID: id, Refs: []string{have}}, {ID: other}}
		for _, n := range Matching(images, want) {
			if n < 0 || n >= len(images) {
				t.Errorf("%q: no image %d", want, n)
			}
		}
		if have != "" && len(Matching(images, have)) == 0 {
			t.Errorf("%q does not find the image of that name", have)
		}
	})
}

const (
	id    = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	other = "sha256:f3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)
