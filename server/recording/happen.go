//go:build linux

package recording

import (
	"fmt"
	"strings"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Kinds of Happening, the words of the page's microscope.
const (
	copyUp   = "copy-up"
	added    = "new"
	grew     = "grew"
	whiteout = "whiteout"
	opaque   = "opaque"
	undone   = "undone"
)

// Happening is one thing that a container did to its layer.
type Happening struct {
	Kind  string       `json:"kind"`
	Path  string       `json:"path"`  // as in wire.Change
	Bytes int64        `json:"bytes"` // that came into the layer; negative where it gave some back
	By    *wire.Writer `json:"by,omitempty"`
}

// Happened is what happened between two looks at a layer, in the order of the
// later one. The page's core/microscope.ts tells the same of a live container;
// testdata/happened.json holds both to one answer.
func Happened(before, after wire.Changes) []Happening {
	was := make(map[string]wire.Change, len(before.Changes))
	for _, c := range before.Changes {
		was[c.Path] = c
	}
	is := make(map[string]bool, len(after.Changes))
	var out []Happening
	for _, c := range after.Changes {
		is[c.Path] = true
		old, known := was[c.Path]
		if known && old.Kind == c.Kind && old.CopiedUp == c.CopiedUp && old.Size == c.Size && old.Opaque == c.Opaque {
			continue
		}
		for _, h := range now(old, known, c) {
			h.By = c.By
			out = append(out, h)
		}
	}
	if after.Truncated || before.Truncated {
		return out // a listing that is cut short says nothing about what it leaves out
	}
	for _, c := range before.Changes {
		if !is[c.Path] {
			bytes := -c.Size
			if c.Kind == "D" {
				bytes = 0
			}
			out = append(out, Happening{Kind: undone, Path: c.Path, Bytes: bytes})
		}
	}
	return out
}

// now is what happened to one path that differs from what it was.
func now(old wire.Change, known bool, c wire.Change) []Happening {
	had := int64(0)
	if known && old.Kind != "D" {
		had = old.Size
	}
	one := func(kind string, bytes int64) Happening { return Happening{Kind: kind, Path: c.Path, Bytes: bytes} }
	switch {
	case c.Kind == "D":
		return []Happening{one(whiteout, -had)}
	case c.CopiedUp > 0 && old.CopiedUp != c.CopiedUp:
		first := one(copyUp, c.CopiedUp)
		if more := c.Size - c.CopiedUp; more != 0 {
			return []Happening{first, one(grew, more)}
		}
		return []Happening{first}
	case c.Opaque && !old.Opaque:
		return []Happening{one(opaque, 0)}
	case c.Kind == "C" && c.Type == "dir": // overlayfs makes the folders above what changes, too
		if known {
			return nil
		}
		return []Happening{one(copyUp, 0)}
	case c.Kind == "A" && (!known || old.Kind == "D"):
		return []Happening{one(added, c.Size)}
	}
	return []Happening{one(grew, c.Size-had)}
}

// listed is how many happenings one marker names.
const listed = 200

// marker words the happenings of one moment, for people who see it in another
// player, in lines that the page's core/cast reads back:
//
//	layer
//	+1204 copy-up /etc/passwd
//	+5 new /tmp/x<TAB>sh 7
//	+90210 more 1800
//
// bytes, kind and path; who did it behind a tab, where that is known; and at
// the end how many more there were, with the bytes of all of them.
func marker(list []Happening) string {
	var b strings.Builder
	b.WriteString("layer")
	for _, h := range list[:min(listed, len(list))] {
		fmt.Fprintf(&b, "\n%+d %s /%s", h.Bytes, h.Kind, printable(h.Path))
		if h.By != nil && h.By.Name != "" {
			fmt.Fprintf(&b, "\t%s %d", printable(h.By.Name), h.By.Inside)
		}
	}
	if len(list) > listed {
		bytes := int64(0)
		for _, h := range list[listed:] {
			bytes += h.Bytes
		}
		fmt.Fprintf(&b, "\n%+d more %d", bytes, len(list)-listed)
	}
	return b.String()
}

// printable keeps a name from ending its line.
func printable(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; c < ' ' || c == 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
