// Package show writes what commands found as text for people. JSON is not its
// matter: packages imagecore, diff and cli have that.
package show

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
)

// Report writes what an archive holds: its images with their layers and
// history, then the warnings.
func Report(w io.Writer, r *imagecore.Report) error {
	fmt.Fprintf(w, "%s, compression %s, %s\n", r.Source.Format, r.Source.Compression, Bytes(r.Source.Size))
	for i := range r.Images {
		if err := image(w, &r.Images[i]); err != nil {
			return err
		}
	}
	shared(w, r.Images)
	if len(r.Warnings) > 0 {
		fmt.Fprintln(w, "\nwarnings")
		for _, warning := range r.Warnings {
			fmt.Fprintln(w, "  "+Warning(warning))
		}
	}
	return nil
}

func image(w io.Writer, img *imagecore.Image) error {
	name := "<none>"
	if len(img.Refs) > 0 {
		quoted := make([]string, len(img.Refs))
		for i, ref := range img.Refs {
			quoted[i] = diff.Quote(ref)
		}
		name = strings.Join(quoted, ", ")
	}
	fmt.Fprintf(w, "\nimage %s\n", name)
	fmt.Fprintf(w, "  id        %s\n  platform  %s\n", img.ID, diff.Quote(img.Platform))
	if img.Manifest.Digest != "" {
		fmt.Fprintf(w, "  manifest  %s\n", img.Manifest.Digest)
	}
	if spec, err := img.Config.Spec(); err == nil && img.Config.Raw != "" {
		if len(spec.Config.Entrypoint) > 0 {
			fmt.Fprintf(w, "  entry     %s\n", words(spec.Config.Entrypoint))
		}
		if len(spec.Config.Cmd) > 0 {
			fmt.Fprintf(w, "  command   %s\n", words(spec.Config.Cmd))
		}
	}
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 1, 2, ' ', 0)
	fmt.Fprintln(tw, "  layer\tdiffID\tstored\ttar\tentries\tcreated by")
	row := func(l imagecore.Layer) {
		tar := Bytes(l.TarSize)
		if !l.Present {
			tar = "absent"
		}
		form := ""
		if l.Form != "" {
			form = "  [" + l.Form + "]"
		}
		fmt.Fprintf(tw, "  %d\t%s\t%s\t%s\t%d\t%s\n", l.Index, short(l.DiffID), Bytes(l.Size), tar, l.EntryCount, Text(l.CreatedBy)+form)
	}
	// In the order of the history; layers that it does not know come last.
	next := 0
	for _, h := range img.History {
		if h.Layer == nil {
			fmt.Fprintf(tw, "  –\t\t\t\t\t%s\n", Text(h.CreatedBy))
		} else if *h.Layer >= next && *h.Layer < len(img.Layers) {
			row(img.Layers[*h.Layer])
			next = *h.Layer + 1
		}
	}
	for ; next < len(img.Layers); next++ {
		row(img.Layers[next])
	}
	return tw.Flush()
}

// Warning words a warning with its place.
func Warning(w imagecore.Warning) string {
	var b strings.Builder
	b.WriteString(w.Code + ": ")
	if w.Layer >= 0 {
		fmt.Fprintf(&b, "layer %d: ", w.Layer)
	}
	if w.Entry != "" {
		fmt.Fprintf(&b, "tar entry %s at byte %d: ", diff.Quote(w.Entry), w.Offset)
	}
	b.WriteString(Text(w.Message))
	return b.String()
}

// words shows an argument vector so that a shell would take it apart again.
func words(argv []string) string {
	out := make([]string, len(argv))
	for i, a := range argv {
		out[i] = diff.Quote(a)
		if a == "" || strings.ContainsAny(a, " \t\n'\"\\$`;&|<>(){}*?[]#~") {
			out[i] = "'" + strings.ReplaceAll(diff.Quote(a), "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}

// Text shows words that people wrote, quotation marks and all; what would move
// the cursor or fake a line is quoted.
func Text(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// short is the beginning of a digest's hexadecimal digits, as Docker shows it;
// a layer that is absent may have no digest.
func short(d digest.Digest) string {
	_, hex, _ := strings.Cut(d.String(), ":")
	return diff.Quote(hex[:min(12, len(hex))])
}

// Bytes shows a number of bytes in units of 1000, as Docker and the page do.
func Bytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1000, 0
	for f >= 999.5 && unit < 4 {
		f /= 1000
		unit++
	}
	return fmt.Sprintf("%.3g %cB", f, "kMGTP"[unit])
}
