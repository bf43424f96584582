package choose_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/choose"
)

func images() []imagecore.Image {
	return []imagecore.Image{
		{ID: digest.FromString("a"), Refs: []string{"app:1", "app:latest"}, Platform: "linux/amd64"},
		{ID: digest.FromString("b"), Refs: []string{"app:1"}, Platform: "linux/arm64/v8"},
		{ID: digest.FromString("c"), Refs: []string{"host:5000/tool:2"}, Platform: "linux/amd64"},
	}
}

func TestPick(t *testing.T) {
	for _, c := range []struct {
		name   string
		choice choose.Choice
		want   int
		kind   error
	}{
		{"by tag", choose.Choice{Ref: "host:5000/tool:2"}, 2, nil},
		{"latest goes without saying", choose.Choice{Ref: "app"}, 0, nil},
		{"Docker's registry goes without saying", choose.Choice{Ref: "docker.io/library/app"}, 0, nil},
		{"by id", choose.Choice{Ref: digest.FromString("b").String()}, 1, nil},
		{"by the beginning of an id", choose.Choice{Ref: digest.FromString("b").Encoded()[:6]}, 1, nil},
		{"by platform", choose.Choice{Ref: "app:1", Platform: "linux/arm64"}, 1, nil},
		{"by platform with variant", choose.Choice{Platform: "linux/arm64/v8"}, 1, nil},
		{"the only one for this host", choose.Choice{Ref: "app:1", Host: "linux/amd64"}, 0, nil},
		{"several for this host", choose.Choice{Host: "linux/amd64"}, 0, imagecore.ErrAmbiguous},
		{"several, none for this host", choose.Choice{Host: "linux/riscv64"}, 0, imagecore.ErrAmbiguous},
		{"no such name", choose.Choice{Ref: "other"}, 0, imagecore.ErrNotFound},
		{"no such platform", choose.Choice{Ref: "app", Platform: "linux/s390x"}, 0, imagecore.ErrNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := choose.Pick(images(), c.choice)
			if c.kind != nil {
				if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), "app:1") {
					t.Errorf("got %d, %v; want an error of kind %v that lists the images", got, err, c.kind)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("got %d, %v; want %d", got, err, c.want)
			}
		})
	}
}

func TestPickOfNothing(t *testing.T) {
	if _, err := choose.Pick(nil, choose.Choice{}); !errors.Is(err, imagecore.ErrNotFound) {
		t.Errorf("got %v, want not found", err)
	}
}
