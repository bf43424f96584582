package show

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
)

// LayerTitle writes the line above a layer's changes.
func LayerTitle(w io.Writer, l *imagecore.Layer) error {
	_, err := fmt.Fprintf(w, "# layer %d %s %s\n", l.Index, short(l.DiffID), Text(l.CreatedBy))
	return err
}

// Summary writes the total, then the layers, the commands and the folders,
// largest first.
func Summary(w io.Writer, s *diff.Summary, asJSON bool) error {
	if asJSON {
		return summaryJSON(w, s)
	}
	line := func(t diff.Tally, what string) {
		fmt.Fprintf(w, "  +%-10s -%-10s  A %-6d C %-6d D %-6d  +%-10s -%-10s  %s\n",
			Bytes(t.Gained), Bytes(t.Lost), t.Added, t.Changed, t.Deleted, Bytes(t.Stored), Bytes(t.Dropped), what)
	}
	fmt.Fprintln(w, "# bytes that containers see, paths, bytes that the layers carry")
	fmt.Fprintln(w, "total")
	line(s.Total, "")
	fmt.Fprintln(w, "by layer")
	for _, l := range s.Layers() {
		of := ""
		if l.Image > 0 {
			of = fmt.Sprintf("image %d, ", l.Image)
		}
		line(l.Tally, fmt.Sprintf("%slayer %d  %s", of, l.Layer, Text(l.CreatedBy)))
	}
	fmt.Fprintln(w, "by command")
	for _, c := range s.Commands() {
		line(c.Tally, Text(c.Name))
	}
	fmt.Fprintln(w, "by folder")
	for _, f := range s.Folders() {
		line(f.Tally, diff.Quote(f.Name))
	}
	return nil
}

func summaryJSON(w io.Writer, s *diff.Summary) error {
	type layerRow struct {
		Image     int    `json:"image,omitempty"`
		Layer     int    `json:"layer"`
		CreatedBy string `json:"createdBy"`
		diff.Tally
	}
	type commandRow struct {
		CreatedBy string `json:"createdBy"`
		diff.Tally
	}
	type folderRow struct {
		Path      string `json:"path"`
		PathBytes []byte `json:"pathBytes,omitempty"`
		diff.Tally
	}
	layers, commands, folders := []layerRow{}, []commandRow{}, []folderRow{}
	for _, l := range s.Layers() {
		layers = append(layers, layerRow(l))
	}
	for _, c := range s.Commands() {
		commands = append(commands, commandRow{c.Name, c.Tally})
	}
	for _, f := range s.Folders() {
		text, raw := diff.Escape(f.Name)
		folders = append(folders, folderRow{text, raw, f.Tally})
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		Total    diff.Tally   `json:"total"`
		Layers   []layerRow   `json:"layers"`
		Commands []commandRow `json:"commands"`
		Folders  []folderRow  `json:"folders"`
	}{s.Total, layers, commands, folders})
}
