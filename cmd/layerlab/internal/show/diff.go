package show

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// LayerTitle writes the line above a layer's changes.
func LayerTitle(w io.Writer, l *imagecore.Layer) error {
	_, err := fmt.Fprintf(w, "# layer %d %s %s\n", l.Index, short(l.DiffID), Text(l.CreatedBy))
	return err
}

// Summary counts what changes gained and lost, in bytes of file contents. The
// zero value is ready.
type Summary struct {
	total   tally
	layers  map[int]*tally
	created map[int]string
	folders map[string]*tally
}

// tally is a row of a summary.
type tally struct {
	Added   int   `json:"added"`   // paths
	Changed int   `json:"changed"` // paths
	Deleted int   `json:"deleted"` // paths
	Gained  int64 `json:"gained"`  // bytes
	Lost    int64 `json:"lost"`    // bytes
}

func (t *tally) add(ch diff.Change) {
	switch ch.Kind {
	case 'A':
		t.Added++
	case 'C':
		t.Changed++
	case 'D':
		t.Deleted++
	}
	before, after := fileSize(ch.Before), fileSize(ch.After)
	t.Gained += max(0, after-before)
	t.Lost += max(0, before-after)
}

func fileSize(n *tree.Node) int64 {
	if n == nil || n.Kind() != imagecore.File {
		return 0
	}
	// A file of several names counts under its first.
	if count, first := n.Links(); count > 1 && first != n.Path() {
		return 0
	}
	return n.Size()
}

// Add counts one change, made by a layer of layers.
func (s *Summary) Add(ch diff.Change, layer int, layers []imagecore.Layer) {
	if s.layers == nil {
		s.layers, s.created, s.folders = map[int]*tally{}, map[int]string{}, map[string]*tally{}
	}
	s.total.add(ch)
	if s.layers[layer] == nil {
		s.layers[layer] = &tally{}
		if layer < len(layers) {
			s.created[layer] = layers[layer].CreatedBy
		}
	}
	s.layers[layer].add(ch)
	// Two levels tell most: usr/lib, not every folder beneath.
	folder := "."
	if parts := strings.SplitN(ch.Path, "/", 3); len(parts) > 2 {
		folder = parts[0] + "/" + parts[1]
	} else if len(parts) > 1 {
		folder = parts[0]
	}
	if s.folders[folder] == nil {
		s.folders[folder] = &tally{}
	}
	s.folders[folder].add(ch)
}

// Print writes the total, then the layers and the folders, largest first.
func (s *Summary) Print(w io.Writer, asJSON bool) error {
	type layerRow struct {
		Layer     int    `json:"layer"`
		CreatedBy string `json:"createdBy"`
		*tally
	}
	type folderRow struct {
		Path      string `json:"path"`
		PathBytes []byte `json:"pathBytes,omitempty"`
		*tally
	}
	layers, folders := []layerRow{}, []folderRow{}
	for _, n := range slices.Sorted(maps.Keys(s.layers)) {
		layers = append(layers, layerRow{n, s.created[n], s.layers[n]})
	}
	for _, path := range slices.Sorted(maps.Keys(s.folders)) {
		text, raw := diff.Escape(path)
		folders = append(folders, folderRow{text, raw, s.folders[path]})
	}
	weight := func(t *tally) int64 { return t.Gained + t.Lost }
	slices.SortStableFunc(layers, func(a, b layerRow) int { return cmp.Compare(weight(b.tally), weight(a.tally)) })
	slices.SortStableFunc(folders, func(a, b folderRow) int { return cmp.Compare(weight(b.tally), weight(a.tally)) })
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(struct {
			Total   tally       `json:"total"`
			Layers  []layerRow  `json:"layers"`
			Folders []folderRow `json:"folders"`
		}{s.total, layers, folders})
	}
	line := func(t *tally, what string) {
		fmt.Fprintf(w, "  +%-10s -%-10s  A %-6d C %-6d D %-6d  %s\n", Bytes(t.Gained), Bytes(t.Lost), t.Added, t.Changed, t.Deleted, what)
	}
	fmt.Fprintln(w, "total")
	line(&s.total, "")
	fmt.Fprintln(w, "by layer")
	for _, l := range layers {
		line(l.tally, fmt.Sprintf("%d  %s", l.Layer, Text(l.CreatedBy)))
	}
	fmt.Fprintln(w, "by folder")
	for _, f := range folders {
		line(f.tally, diff.Quote(f.Path))
	}
	return nil
}
