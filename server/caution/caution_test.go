package caution_test

import (
	"slices"
	"testing"

	"github.com/layerlab/layerlab/server/caution"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func TestWarningsAreOfWhatWasAskedFor(t *testing.T) {
	all := wire.CreateContainer{
		Security: &wire.Security{Privileged: true},
		Mounts:   []wire.MountSpec{{Type: wire.MountBind, Source: "/srv"}, {Type: wire.MountVolume, Source: "data"}, {Type: wire.MountBind, Source: "/home"}},
	}
	for _, c := range []struct {
		name  string
		asked wire.CreateContainer
		plain bool
		want  []string
	}{
		{"nothing", wire.CreateContainer{Security: &wire.Security{}}, true, nil},
		{"folders belong to whom they belong to with idmapped mounts", all, false, []string{"privileged-inside "}},
		{"and to nobody without; a volume is the container's own", all, true, []string{"privileged-inside ", "bind-nobody /srv", "bind-nobody /home"}},
	} {
		var got []string
		for _, w := range caution.OfCreate(&c.asked, c.plain) {
			got = append(got, w.Code+" "+w.Args["path"])
			if w.Message == "" {
				t.Errorf("%s: %s without words", c.name, w.Code)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
