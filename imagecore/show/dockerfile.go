package show

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/layerlab/layerlab/imagecore"
)

// Dockerfiles writes the history of each image by lines of a Dockerfile: the
// number of the line, the layer that it made with its bytes, or "metadata".
func Dockerfiles(w io.Writer, r *imagecore.Report) error {
	for i := range r.Images {
		img := &r.Images[i]
		fmt.Fprintf(w, "\nhistory of %s\n", Text(img.ID.String()))
		if len(img.Dockerfile) == 0 {
			fmt.Fprintln(w, "  nothing tells how it was made")
			continue
		}
		tw := tabwriter.NewWriter(w, 0, 1, 2, ' ', 0)
		fmt.Fprintln(tw, "  line\tlayer\ttar\tinstruction")
		for k := range img.Dockerfile {
			line(tw, img, &img.Dockerfile[k])
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func line(w io.Writer, img *imagecore.Image, l *imagecore.Line) {
	number := "–"
	if l.Number > 0 {
		number = fmt.Sprint(l.Number)
	}
	layer, bytes := "–", "metadata"
	switch {
	case l.Layer != nil && *l.Layer < len(img.Layers):
		layer, bytes = fmt.Sprint(*l.Layer), Bytes(img.Layers[*l.Layer].TarSize)
		if l.Note == "base" && *l.Layer > 0 {
			layer, bytes = "0–"+layer, ""
		}
	case l.History == nil:
		bytes = ""
	}
	if l.Note != "" {
		bytes = strings.TrimSpace(bytes + " (" + l.Note + ")")
	}
	for i, text := range strings.Split(l.Text, "\n") {
		if i > 0 {
			number, layer, bytes = "", "", ""
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", number, layer, bytes, Text(strings.ReplaceAll(text, "\t", "    ")))
	}
}
