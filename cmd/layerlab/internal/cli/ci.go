package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/layerlab/layerlab/imagecore/audit/ci"
	"github.com/layerlab/layerlab/imagecore/command"
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
	j, err := f.job(command.CI, image)
	if err != nil {
		return err
	}
	j.Rules, j.JUnit = rules, f.junit
	return r.print(ctx, &f.common, j, image)
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
