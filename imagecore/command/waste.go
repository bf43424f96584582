package command

import (
	"fmt"
	"strings"

	"github.com/layerlab/layerlab/imagecore/audit"
	"github.com/layerlab/layerlab/imagecore/audit/ci"
	"github.com/layerlab/layerlab/imagecore/contents"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/show"
	"github.com/layerlab/layerlab/imagecore/tree"
)

func (r *run) waste() error {
	p, err := r.pick()
	if err != nil {
		return err
	}
	report, err := r.audit(p, !r.NoContents)
	if err != nil {
		return err
	}
	w := show.Waste{Report: report, Tree: p.tree, Layers: p.image.Layers}
	if r.JSON {
		return w.JSON(r.out)
	}
	return w.Text(r.out, r.Top)
}

// audit finds the image's waste; read says whether files may be read.
func (r *run) audit(p *picked, read bool) (*audit.Report, error) {
	var sums audit.Sums
	if read {
		sums = func(refs []tree.Ref) (map[tree.Ref]string, error) {
			return contents.SumEntries(r.ctx, p.tree, refs, p.layers())
		}
	}
	return audit.Waste(p.tree, p.image.Layers, sums)
}

// ci says whether the image passes.
func (r *run) ci() (bool, error) {
	p, err := r.pick()
	if err != nil {
		return false, err
	}
	report, err := r.audit(p, false) // the rules do not ask why
	if err != nil {
		return false, err
	}
	dive := audit.Dive(p.image.Layers)
	measured := ci.Measure(dive, report)
	verdict, err := r.Rules.Evaluate(measured)
	if err != nil {
		return false, err
	}
	j := judged{run: r, picked: p, report: report, dive: dive, measured: measured, verdict: verdict}
	switch {
	case r.JSON:
		err = j.json()
	case r.JUnit:
		err = j.verdict.JUnit(r.out, r.Image, j.worst())
	default:
		err = j.text()
	}
	return verdict.Pass, err
}

// judged is an image with its verdict.
type judged struct {
	*run
	picked   *picked
	report   *audit.Report
	dive     audit.Figures
	measured ci.Measured
	verdict  ci.Verdict
}

func (j *judged) json() error {
	type file struct {
		Path  string `json:"file"`
		Count int    `json:"count"`
		Bytes int64  `json:"sizeBytes"`
	}
	files := []file{}
	for _, f := range j.dive.Files {
		path, _ := diff.Escape(f.Path)
		files = append(files, file{path, f.Count, f.Bytes})
	}
	return j.encoder().Encode(struct {
		Image   string      `json:"image"`
		Pass    bool        `json:"pass"`
		Dive    ci.Figures  `json:"dive"`
		True    ci.Figures  `json:"true"`
		Rules   []ci.Result `json:"rules"`
		Files   []file      `json:"inefficientFiles"`
		ImageID string      `json:"id"`
	}{j.Image, j.verdict.Pass, j.measured.Dive, j.measured.True, j.verdict.Results, files, j.picked.image.ID.String()})
}

func (j *judged) text() error {
	m := j.measured
	fmt.Fprintf(j.out, "                    %-14s %s\n", "by dive", "in truth")
	fmt.Fprintf(j.out, "efficiency          %-14s %s\n", ratio(&m.Dive.Efficiency), ratio(&m.True.Efficiency))
	fmt.Fprintf(j.out, "wastedBytes         %-14d %d\n", m.Dive.WastedBytes, m.True.WastedBytes)
	fmt.Fprintf(j.out, "userWastedPercent   %-14s %s\n", ratio(m.Dive.UserWastedPercent), ratio(m.True.UserWastedPercent))
	fmt.Fprintln(j.out)
	for _, x := range j.verdict.Results {
		fmt.Fprintf(j.out, "%-4s  %s: %s\n", x.Status, x.Rule, x.Message)
	}
	if j.verdict.Pass {
		_, err := fmt.Fprintln(j.out, "PASS")
		return err
	}
	_, err := fmt.Fprintf(j.out, "FAIL\n\n%s", j.worst())
	return err
}

func ratio(f *float64) string {
	if f == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", *f*100)
}

// worst lists the largest bytes that are wasted in truth.
func (j *judged) worst() string {
	var b strings.Builder
	for i, f := range j.report.Findings {
		if i == 10 {
			break
		}
		fmt.Fprintf(&b, "%-10s %s of layer %d, hidden by layer %d: %s\n", show.Bytes(f.Bytes), diff.Quote(f.Path), f.Entry.Layer, f.Until,
			show.Text(j.picked.image.Layers[f.Until].CreatedBy))
	}
	return b.String()
}
