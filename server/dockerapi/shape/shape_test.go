package shape

import (
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
)

func TestOlderVersionsGetWhatNewerTypesDropped(t *testing.T) {
	for _, c := range []struct {
		of   Version
		v    any
		want []string
		not  []string
	}{
		{41, []image.Summary{{Size: 7}}, []string{`"VirtualSize":7`, `none`}, nil},
		{43, []image.Summary{{Size: 7}}, []string{`"VirtualSize":7`}, []string{"none"}},
		{44, []image.Summary{{Size: 7}}, nil, []string{"VirtualSize"}},
		{44, image.InspectResponse{}, []string{"ContainerConfig", `"Parent":""`}, []string{"VirtualSize"}},
		{52, image.InspectResponse{}, nil, []string{"ContainerConfig", "Parent"}},
		{51, container.InspectResponse{NetworkSettings: &container.NetworkSettings{}}, []string{`"IPAddress":""`, `"IPPrefixLen":0`}, nil},
		{52, container.InspectResponse{NetworkSettings: &container.NetworkSettings{}}, nil, []string{"IPAddress"}},
	} {
		got, err := Answer(c.of, c.v)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range c.want {
			if !strings.Contains(string(got), w) {
				t.Errorf("%s of %T lacks %s: %s", c.of, c.v, w, got)
			}
		}
		for _, n := range c.not {
			if strings.Contains(string(got), n) {
				t.Errorf("%s of %T has %s: %s", c.of, c.v, n, got)
			}
		}
	}
}
