package show

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/audit"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// Waste is an audit's report with what is needed to name its entries.
type Waste struct {
	Report *audit.Report
	Tree   *tree.Tree
	Layers []imagecore.Layer
}

// place is an entry of a layer in JSON. Entry and Offset are absent where no
// entry can be named.
type place struct {
	Layer     int    `json:"layer"`
	CreatedBy string `json:"createdBy"`
	Entry     string `json:"entry,omitempty"`
	Offset    *int64 `json:"offset,omitempty"` // of its header in the layer's tar
}

func (w *Waste) place(r tree.Ref) place {
	p := place{Layer: r.Layer, CreatedBy: w.Layers[r.Layer].CreatedBy}
	if e := w.Tree.Entry(r); e != nil {
		p.Entry, _ = diff.Escape(e.Name)
		p.Offset = &e.Offset
	}
	return p
}

// JSON writes the report as lines, each with its "kind": total, layer, merge,
// path, twins.
func (w *Waste) JSON(out io.Writer) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	r := w.Report
	err := enc.Encode(struct {
		Kind        string `json:"kind"`
		Bytes       int64  `json:"bytes"`
		Wasted      int64  `json:"wasted"`
		Hidden      int64  `json:"hidden"`
		Replaced    int64  `json:"replaced"`
		Duplicated  int64  `json:"duplicated"`
		Unreachable int64  `json:"unreachable"`
		Compared    bool   `json:"compared"`
	}{"total", r.Bytes, r.Wasted, r.ByWhy[audit.Hidden], r.ByWhy[audit.Replaced], r.ByWhy[audit.Duplicated], r.ByWhy[audit.Unreachable], r.Compared})
	for _, l := range r.Layers {
		if err == nil {
			err = enc.Encode(struct {
				Kind      string `json:"kind"`
				Layer     int    `json:"layer"`
				CreatedBy string `json:"createdBy"`
				Bytes     int64  `json:"bytes"`
				Wasted    int64  `json:"wasted"`
				Caused    int64  `json:"caused"`
			}{"layer", l.Layer, w.Layers[l.Layer].CreatedBy, l.Bytes, l.Wasted, l.Caused})
		}
	}
	for _, m := range r.Merges {
		if err == nil {
			err = enc.Encode(struct {
				Kind   string `json:"kind"`
				Layers [2]int `json:"layers"`
				Bytes  int64  `json:"bytes"`
			}{"merge", [2]int{m.Layer, m.Layer + 1}, m.Bytes})
		}
	}
	for _, f := range r.Findings {
		path, raw := diff.Escape(f.Path)
		if err == nil {
			err = enc.Encode(struct {
				Kind      string    `json:"kind"`
				Path      string    `json:"path"`
				PathBytes []byte    `json:"pathBytes,omitempty"`
				Bytes     int64     `json:"bytes"`
				Why       audit.Why `json:"why"`
				Cause     string    `json:"cause"`
				place
				By place `json:"by"`
			}{"path", path, raw, f.Bytes, f.Why, f.Cause, w.place(f.Entry), w.place(f.By)})
		}
	}
	for _, t := range r.Twins {
		paths := make([]string, len(t.Paths))
		for i, p := range t.Paths {
			paths[i], _ = diff.Escape(p)
		}
		if err == nil {
			err = enc.Encode(struct {
				Kind   string   `json:"kind"`
				SHA256 string   `json:"sha256"`
				Size   int64    `json:"size"`
				Copies int      `json:"copies"`
				Bytes  int64    `json:"bytes"`
				Paths  []string `json:"paths"`
			}{"twins", t.Digest, t.Size, t.Copies, t.Bytes, paths})
		}
	}
	return err
}

// Text writes the report for people, at most top paths and twins; 0 is all.
func (w *Waste) Text(out io.Writer, top int) error {
	r := w.Report
	fmt.Fprintf(out, "%s of %s are in no container%s\n", Bytes(r.Wasted), Bytes(r.Bytes), percent(r.Wasted, r.Bytes))
	for _, why := range []struct {
		why   audit.Why
		words string
	}{
		{audit.Hidden, "hidden     deleted by a later layer"},
		{audit.Replaced, "replaced   written anew by a later layer"},
		{audit.Duplicated, "duplicated the same bytes again, for a mode, an owner or a time"},
		{audit.Unreachable, "unreachable in no prefix of the stack"},
	} {
		if n := r.ByWhy[why.why]; n > 0 {
			fmt.Fprintf(out, "  %-10s %s\n", Bytes(n), why.words)
		}
	}
	if !r.Compared && r.ByWhy[audit.Replaced] > 0 {
		fmt.Fprintln(out, "  (contents were not read: replaced and duplicated are not told apart)")
	}
	w.reclaim(out)
	tw := tabwriter.NewWriter(out, 0, 1, 2, ' ', 0)
	fmt.Fprintln(tw, "\nlayer\tcontent\tnever seen\thides below\tcreated by")
	for _, l := range r.Layers {
		fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s\n", l.Layer, Bytes(l.Bytes), Bytes(l.Wasted), Bytes(l.Caused), Text(w.Layers[l.Layer].CreatedBy))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	w.findings(out, top)
	w.twins(out, top)
	return nil
}

func percent(part, all int64) string {
	if all == 0 {
		return ""
	}
	return fmt.Sprintf(" (%.1f %%)", 100*float64(part)/float64(all))
}

func (w *Waste) reclaim(out io.Writer) {
	r := w.Report
	if r.Wasted == 0 {
		return
	}
	fmt.Fprintf(out, "reclaim\n  %-10s by squashing all layers into one\n", Bytes(r.Wasted))
	for _, m := range r.Merges {
		fmt.Fprintf(out, "  %-10s by making layers %d and %d one command: %s && %s\n", Bytes(m.Bytes), m.Layer, m.Layer+1,
			Text(w.Layers[m.Layer].CreatedBy), Text(w.Layers[m.Layer+1].CreatedBy))
	}
}

func (w *Waste) findings(out io.Writer, top int) {
	all := w.Report.Findings
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(out, "\npaths")
	for i, f := range all {
		if top > 0 && i == top {
			fmt.Fprintf(out, "  and %d more: --top 0 shows all\n", len(all)-top)
			break
		}
		fmt.Fprintf(out, "  %-10s %-11s %s  layer %d, by %s\n", Bytes(f.Bytes), f.Why, diff.Quote(f.Path), f.Entry.Layer, w.culprit(f))
	}
}

// culprit names the entry that hid a content.
func (w *Waste) culprit(f audit.Finding) string {
	layer := fmt.Sprintf("layer %d", f.By.Layer)
	e := w.Tree.Entry(f.By)
	if e == nil {
		return layer + " (" + f.Cause + ")"
	}
	return fmt.Sprintf("%s %s at byte %d (%s)", layer, diff.Quote(e.Name), e.Offset, f.Cause)
}

func (w *Waste) twins(out io.Writer, top int) {
	all := w.Report.Twins
	if len(all) == 0 {
		return
	}
	sum := int64(0)
	for _, t := range all {
		sum += t.Bytes
	}
	fmt.Fprintf(out, "\nstored more than once, though seen: %s\n", Bytes(sum))
	for i, t := range all {
		if top > 0 && i == top {
			fmt.Fprintf(out, "  and %d more: --top 0 shows all\n", len(all)-top)
			break
		}
		fmt.Fprintf(out, "  %-10s %d times %s", Bytes(t.Bytes), t.Copies, diff.Quote(t.Paths[0]))
		for _, p := range t.Paths[1:min(len(t.Paths), 4)] {
			fmt.Fprint(out, ", "+diff.Quote(p))
		}
		if more := len(t.Paths) - 4; more > 0 {
			fmt.Fprintf(out, " and %d more", more)
		}
		fmt.Fprintln(out)
	}
}
