package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/show"
	"github.com/layerlab/layerlab/imagecore/audit"
	"github.com/layerlab/layerlab/imagecore/audit/ci"
	"github.com/layerlab/layerlab/imagecore/diff"
)

// ciFiles are looked for where --config names none, in this order.
var ciFiles = [...]string{".layerlab-ci", ".dive-ci"}

type ciFlags struct {
	common
	config, figures string
	rules           map[string]*string // flags of the rules' own names
	junit           bool
}

func (r *run) ciCommand() *cobra.Command {
	f := ciFlags{rules: map[string]*string{}}
	cmd := one("ci IMAGE", "Judge an image by dive's three rules; exit 1 when one is broken", nil)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.ci(cmd.Context(), args[0], &f, func(name string) bool { return cmd.Flags().Changed(name) })
	}
	f.add(cmd.Flags())
	cmd.Flags().StringVar(&f.config, "config", "", "file of rules (default "+strings.Join(ciFiles[:], ", else ")+", else dive's defaults)")
	cmd.Flags().StringVar(&f.figures, "figures", "", "whose figures count: both, dive or true (default both)")
	cmd.Flags().BoolVar(&f.junit, "junit", false, "JUnit XML instead of text")
	for _, name := range ci.Names() {
		f.rules[name] = cmd.Flags().String(name, "", "the rule's threshold, instead of the file's")
	}
	return cmd
}

// rootArgs lets CI=true in the environment stand for the command ci, as dive
// has it: `CI=true layerlab IMAGE`.
func (r *run) rootArgs(cmd *cobra.Command, args []string) error {
	if value, _ := r.LookupEnv("CI"); len(args) == 1 && (value == "true" || value == "1" || value == "yes") {
		return nil
	}
	return cobra.NoArgs(cmd, args)
}

// ciAlone is ci without flags.
func (r *run) ciAlone(ctx context.Context, image string) error {
	var f ciFlags
	f.add(pflag.NewFlagSet("ci", pflag.ContinueOnError))
	return r.ci(ctx, image, &f, func(string) bool { return false })
}

func (r *run) ci(ctx context.Context, image string, f *ciFlags, changed func(flag string) bool) error {
	if f.json && f.junit {
		return usageError{errors.New("--json and --junit exclude each other")}
	}
	rules, err := ciConfig(f.config)
	if err != nil {
		return err
	}
	for name, value := range f.rules {
		if changed(name) {
			rules.Rules[name] = *value
		}
	}
	if changed("figures") {
		rules.By = ci.By(f.figures)
	}
	if err := rules.Check(); err != nil {
		return usageError{err}
	}
	p, err := r.pick(ctx, image, &f.common)
	if err != nil {
		return err
	}
	defer p.Close()
	report, err := p.audit(ctx, false) // the rules do not ask why
	if err != nil {
		return err
	}
	dive := audit.Dive(p.image.Layers)
	measured := ci.Measure(dive, report)
	verdict, err := rules.Evaluate(measured)
	if err != nil {
		return err
	}
	j := judged{image: image, picked: p, report: report, dive: dive, measured: measured, verdict: verdict}
	switch {
	case f.json:
		err = j.json(r)
	case f.junit:
		err = j.verdict.JUnit(r.out, image, j.worst())
	default:
		err = j.text(r)
	}
	if err == nil && !verdict.Pass {
		err = errNo
	}
	return err
}

// ciConfig reads the rules; name is "" where no flag names a file.
func ciConfig(name string) (ci.Config, error) {
	names := ciFiles[:]
	if name != "" {
		names = []string{name}
	}
	for _, n := range names {
		text, err := os.ReadFile(n)
		if errors.Is(err, fs.ErrNotExist) && name == "" {
			continue
		}
		if err != nil {
			return ci.Config{}, err
		}
		c, err := ci.Parse(text)
		if err != nil {
			return c, usageError{fmt.Errorf("%s: %w", n, err)}
		}
		return c, nil
	}
	return ci.Default(), nil
}

// judged is an image with its verdict.
type judged struct {
	image    string
	picked   *picked
	report   *audit.Report
	dive     audit.Figures
	measured ci.Measured
	verdict  ci.Verdict
}

func (j *judged) json(r *run) error {
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
	enc := json.NewEncoder(r.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		Image   string      `json:"image"`
		Pass    bool        `json:"pass"`
		Dive    ci.Figures  `json:"dive"`
		True    ci.Figures  `json:"true"`
		Rules   []ci.Result `json:"rules"`
		Files   []file      `json:"inefficientFiles"`
		ImageID string      `json:"id"`
	}{j.image, j.verdict.Pass, j.measured.Dive, j.measured.True, j.verdict.Results, files, j.picked.image.ID.String()})
}

func (j *judged) text(r *run) error {
	m := j.measured
	fmt.Fprintf(r.out, "                    %-14s %s\n", "by dive", "in truth")
	fmt.Fprintf(r.out, "efficiency          %-14s %s\n", ratio(&m.Dive.Efficiency), ratio(&m.True.Efficiency))
	fmt.Fprintf(r.out, "wastedBytes         %-14d %d\n", m.Dive.WastedBytes, m.True.WastedBytes)
	fmt.Fprintf(r.out, "userWastedPercent   %-14s %s\n", ratio(m.Dive.UserWastedPercent), ratio(m.True.UserWastedPercent))
	fmt.Fprintln(r.out)
	for _, x := range j.verdict.Results {
		fmt.Fprintf(r.out, "%-4s  %s: %s\n", x.Status, x.Rule, x.Message)
	}
	if j.verdict.Pass {
		_, err := fmt.Fprintln(r.out, "PASS")
		return err
	}
	_, err := fmt.Fprintf(r.out, "FAIL\n\n%s", j.worst())
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
