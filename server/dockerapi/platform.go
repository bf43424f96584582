//go:build linux

package dockerapi

import (
	"encoding/json"
	"net/http"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/server/dockerapi/shape"
)

// platforms reads the platforms that a client wants, "os/arch[/variant]" each:
// of its query, as JSON of image-spec's Platform. Clients older than since know
// no such thing.
func (c *call) platforms(since shape.Version) ([]string, error) {
	if c.version < since {
		return nil, nil
	}
	var list []string
	for _, text := range c.r.URL.Query()["platform"] {
		if text == "" {
			continue
		}
		var p v1.Platform
		if err := json.Unmarshal([]byte(text), &p); err != nil || p.OS == "" || p.Architecture == "" {
			return nil, invalid("failed to parse platform: %q: write it as {\"os\":…,\"architecture\":…}", text)
		}
		list = append(list, platformName(p))
	}
	return list, nil
}

func platformName(p v1.Platform) string {
	return strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
}

// mustProvide refuses an image that is of another platform than what is wanted;
// ref is what the client called it. An image that is stored has one platform.
func mustProvide(img *Image, ref string, wanted []string) error {
	has := platformName(readConfig(img).Platform)
	for _, want := range wanted {
		if has != want && !strings.HasPrefix(has, want+"/") {
			return &refusal{http.StatusNotFound, "image with reference " + ref + " was found but its platform (" + has + ") does not match the specified platform (" + want + ")"}
		}
	}
	return nil
}
