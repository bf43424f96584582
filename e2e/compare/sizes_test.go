//go:build linux && compare

package compare

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSizesOfRealImages compares what both engines count of the corpus' images,
// layer by layer and to the byte.
func TestSizesOfRealImages(t *testing.T) {
	if why := ready(); why != "" {
		t.Skip(why)
	}
	dir := os.Getenv("LAYERLAB_CORPUS")
	if dir == "" {
		dir = filepath.FromSlash("../../../shared/images")
	}
	archives, err := filepath.Glob(dir + "/docker-save*/*.tar*")
	must(t, err)
	if len(archives) == 0 {
		t.Skipf("no corpus in %s: set LAYERLAB_CORPUS", dir)
	}
	engines := []*engine{startDockerd(t), startLayerlab(t)}
	images := 0
	for _, name := range archives {
		name, err := filepath.Abs(name)
		must(t, err)
		var got [2]answer
		both(func(n int) {
			got[n] = engines[n].sh(t.Context(), `docker load -qi "`+name+`" >/dev/null || exit 9
for id in $(docker images -q --no-trunc | sort -u); do
	docker image inspect -f '{{.Id}} {{.Size}}' $id
	docker history --human=false --format '{{.Size}}' $id
	docker rmi -f $id >/dev/null
done`)
			engines[n].sh(t.Context(), `docker images -q | xargs -r docker rmi -f`)
		})
		if got[0].exit == 9 || got[1].exit == 9 {
			t.Logf("%s: is not loaded by both", filepath.Base(name))
			continue
		}
		if got[0].out != got[1].out {
			t.Errorf("%s\ndockerd: %slayerlab: %s", filepath.Base(name), got[0], got[1])
		}
		images += strings.Count(got[0].out, "sha256:")
	}
	if images == 0 {
		t.Error("no image was compared")
	}
	t.Logf("%d archives of the corpus, %d images", len(archives), images)
}
