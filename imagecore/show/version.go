package show

import (
	"fmt"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Version is a line of `layerlab why --json`: one state of a path.
type Version struct {
	Path      string `json:"path"`
	PathBytes []byte `json:"pathBytes,omitempty"`
	Type      string `json:"type"` // as in tree, or whiteout while the path is hidden by its own
	Layer     int    `json:"layer"`
	CreatedBy string `json:"createdBy"`
	Mode      string `json:"mode,omitempty"`
	Size      *int64 `json:"size,omitempty"` // bytes, of files
	Target    string `json:"target,omitempty"`
	// Entry and Offset are the tar entry that wrote it and where its header
	// begins in the layer's tar; absent for a folder that no entry names.
	Entry  string `json:"entry,omitempty"`
	Offset *int64 `json:"offset,omitempty"`
	// Until is the layer that ended it, absent where it holds to the top;
	// Cause says how: replaced, whiteout, hidden, opaque, retyped.
	Until *int   `json:"until,omitempty"`
	Cause string `json:"cause,omitempty"`
}

// VersionOf describes a version of a path.
func VersionOf(t *tree.Tree, path string, v tree.Version, layers []imagecore.Layer) Version {
	row := Version{Type: v.Kind.String(), Layer: v.Layer}
	row.Path, row.PathBytes = diff.Escape(path)
	if v.Layer < len(layers) {
		row.CreatedBy = layers[v.Layer].CreatedBy
	}
	switch v.Kind {
	case imagecore.Whiteout:
	case imagecore.Symlink:
		row.Target, _ = diff.Escape(v.Target)
	default:
		row.Mode = fmt.Sprintf("%04o", v.Mode)
	}
	if v.Kind == imagecore.File {
		row.Size = &v.Size
	}
	if e := t.Entry(v.Source); e != nil {
		row.Entry, _ = diff.Escape(e.Name)
		row.Offset = &e.Offset
	}
	if v.Until >= 0 {
		row.Until = &v.Until
		row.Cause = v.Cause.String()
	}
	return row
}

// Text words a version in one line.
func (v Version) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "layer %d: %s", v.Layer, v.Type)
	if v.Mode != "" {
		b.WriteString(" " + v.Mode)
	}
	if v.Size != nil {
		fmt.Fprintf(&b, ", %d bytes", *v.Size)
	}
	if v.Target != "" {
		b.WriteString(" -> " + diff.Quote(v.Target))
	}
	if v.Offset != nil {
		fmt.Fprintf(&b, ", entry %s at byte %d", diff.Quote(v.Entry), *v.Offset)
	} else {
		b.WriteString(", named by no entry")
	}
	if v.Until != nil {
		fmt.Fprintf(&b, "; until layer %d: %s", *v.Until, v.Cause)
	}
	if v.CreatedBy != "" {
		b.WriteString("  (" + Text(v.CreatedBy) + ")")
	}
	return b.String()
}
