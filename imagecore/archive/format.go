package archive

import (
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive/outer"
	"github.com/opencontainers/go-digest"
)

// format tells by the names at the top what the archive is. Formats that lie
// within one another are told apart from the newest to the oldest.
func formatOf(t *outer.Tar) string {
	var manifest, index, layout, blobs, repositories, layer, json, dockerenv bool
	for i := range t.Entries {
		e := &t.Entries[i]
		content := e.Kind != imagecore.Dir
		switch e.Path {
		case "manifest.json":
			manifest = manifest || content
		case "index.json":
			index = index || content
		case "oci-layout":
			layout = layout || content
		case "repositories":
			repositories = repositories || content
		case ".dockerenv":
			dockerenv = true
		default:
			switch dir, base, ok := strings.Cut(e.Path, "/"); {
			case !ok:
			case dir == "blobs":
				blobs = true
			case base == "layer.tar":
				layer = layer || content
			case base == "json":
				json = json || content
			}
		}
	}
	oci := index && (layout || blobs)
	switch {
	case manifest && oci:
		return formatHybrid
	case oci:
		return formatOCI
	case manifest:
		return formatSave
	case layer && json:
		return formatV1
	case repositories && !dockerenv:
		return formatV1
	case dockerenv:
		return formatExport
	}
	return formatRootfs
}

// isPiece reports whether a path is one that archives of images have and root
// file systems do not. Such an archive without its manifest was cut short: the
// manifest comes last in most of them.
func isPiece(p string) bool {
	if p == "oci-layout" || strings.HasPrefix(p, "blobs/sha256/") {
		return true
	}
	id, rest, _ := strings.Cut(p, "/")
	switch rest {
	case "", "json", "layer.tar", "VERSION":
	default:
		return false
	}
	if rest == "" {
		id, _, _ = strings.Cut(id, ".") // ID.json, ID.tar, ID.tar.gz
	}
	return digest.NewDigestFromEncoded(digest.SHA256, id).Validate() == nil
}
