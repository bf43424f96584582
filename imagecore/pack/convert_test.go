package pack_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/pack"
)

func layerOf(content string, claim v1.Descriptor) pack.Layer {
	return pack.Layer{Descriptor: claim, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(iotest.OneByteReader(strings.NewReader(content))), nil
	}}
}

func TestVerifiedReturnsTheMismatchInsteadOfTheEnd(t *testing.T) {
	good := v1.Descriptor{Digest: digest.FromString("content"), Size: 7}
	for _, c := range []struct {
		name, content string
		claim         v1.Descriptor
		code          string
	}{
		{"as claimed", "content", good, ""},
		{"other bytes", "contenT", good, "digest-mismatch"},
		{"too short", "conten", good, "size-mismatch"},
		{"too long", "content!", good, "size-mismatch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := pack.Verified(layerOf(c.content, c.claim)).Open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if c.code == "" {
				if err != nil || string(got) != c.content {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			e, ok := errors.AsType[*imagecore.Error](err)
			if !ok || e.Code != c.code || !errors.Is(err, imagecore.ErrInvalid) {
				t.Errorf("got %v, want %s", err, c.code)
			}
			// A copy of as many bytes as are claimed ends with the error as well.
			r, _ = pack.Verified(layerOf(c.content, c.claim)).Open()
			if _, err := io.CopyN(io.Discard, r, c.claim.Size); err == nil && c.name != "too long" {
				t.Error("a copy of the claimed size saw no mismatch")
			}
		})
	}
}

func TestDockerV1Refuses(t *testing.T) {
	bare := digest.FromString("content")
	config := `{"rootfs":{"type":"layers","diff_ids":["` + bare.String() + `"]}}`
	for _, c := range []struct {
		name string
		img  pack.Image
		code string
	}{
		{"no layers", pack.Image{Config: []byte(`{"rootfs":{"type":"layers","diff_ids":[]}}`)}, "no-layers"},
		{"a compressed layer", pack.Image{Config: []byte(config), Layers: []pack.Layer{layerOf("x", v1.Descriptor{Digest: digest.FromString("x"), Size: 1})}}, "layer-compressed"},
		{"an absent layer", pack.Image{Config: []byte(config), Layers: []pack.Layer{{Descriptor: v1.Descriptor{Digest: bare, Size: 7}}}}, "layer-absent"},
		{"too few layers", pack.Image{Config: []byte(config)}, "layer-count"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			err := pack.DockerV1(&b, []pack.Image{c.img})
			if e, ok := errors.AsType[*imagecore.Error](err); !ok || e.Code != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
}

// repositories has one image for a name: the other would be lost.
func TestDockerV1RefusesTwoImagesOfOneName(t *testing.T) {
	var images []pack.Image
	for _, content := range []string{"one", "two"} {
		d := digest.FromString(content)
		images = append(images, pack.Image{
			Refs: []string{"a:1"}, Config: []byte(`{"rootfs":{"type":"layers","diff_ids":["` + d.String() + `"]}}`),
			Layers: []pack.Layer{layerOf(content, v1.Descriptor{Digest: d, Size: 3})},
		})
	}
	if err := pack.DockerV1(io.Discard, images); !errors.Is(err, imagecore.ErrAmbiguous) {
		t.Errorf("got %v", err)
	}
	images[1].Refs = []string{"a:2"}
	if err := pack.DockerV1(io.Discard, images); err != nil {
		t.Error(err)
	}
}
