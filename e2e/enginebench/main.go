//go:build linux

// Command enginebench measures what the server's engine does beside the
// programs that do the same, in one run, and prints a table in Markdown.
//
//	enginebench [-runtime FILE] [-helper FILE] [-layerlab FILE] [-samples DIR] [-cache DIR] [-n ROUNDS] [-only REGEXP]
//
// It needs root. The programs of a row take turns round by round; before each
// turn what others wrote is flushed to the disk, and what a turn wrote is removed
// after it, outside of the clock. The clock is a median; look at the ratios.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// options are the command line's.
type options struct {
	runtime, helper, layerlab string
	samples                   string // folder of sample.tar
	cache                     string // for archives, and for what is written
	rounds                    int
	only                      *regexp.Regexp
}

// row is one piece of work, done by several subjects.
type row struct {
	work string
	unit string // "" is milliseconds
	// prepare makes what all subjects need, once; nil for nothing.
	prepare  func(ctx context.Context) error
	subjects []subject
	// goal is what the first subject's figure is to be, in words; met says
	// whether it is, of all figures. Both are empty for none.
	goal string
	met  func(figures []float64) bool
}

// subject does the work.
type subject struct {
	name string
	// run is what the clock measures, in an empty folder.
	run func(ctx context.Context, dir string) error
	// figure, in run's place, measures by itself.
	figure func(ctx context.Context, dir string) (float64, error)
	// absent says why the subject is left out; "" does not.
	absent string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "unpack" { // in a process of its own, as the others are
		exit(unpackAll(os.Args[2:]))
	}
	folder, err := os.UserCacheDir()
	if err != nil {
		folder = os.TempDir()
	}
	o := options{}
	flag.StringVar(&o.runtime, "runtime", "bin/layerlab-runtime", "the runtime to measure")
	flag.StringVar(&o.helper, "helper", "bin/layerlab-helper", "the program that unpacks layers")
	flag.StringVar(&o.samples, "samples", "bin/samples", "folder of the sample image")
	flag.StringVar(&o.layerlab, "layerlab", "bin/layerlab", "the program to measure")
	flag.StringVar(&o.cache, "cache", filepath.Join(folder, "layerlab", "bench"), "folder for archives, some 6 GB")
	flag.IntVar(&o.rounds, "n", 3, "rounds of each row")
	only := flag.String("only", "", "rows whose names match")
	flag.Parse()
	if o.only, err = regexp.Compile(*only); err != nil {
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM) // the servers end with us
	defer stop()
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "enginebench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, o options) error {
	if os.Geteuid() != 0 {
		return errors.New("needs root: layers have owners and devices")
	}
	if err := os.MkdirAll(o.cache, 0o755); err != nil {
		return err
	}
	host, err := processor()
	if err != nil {
		return err
	}
	fmt.Println(host)
	fmt.Println()
	fmt.Println("| work | program | median | ours : theirs | wanted |")
	fmt.Println("|---|---|---:|---:|---|")
	e := &engines{o: o}
	defer func() { e.stop() }()
	for _, r := range slices.Concat(unpacking(o), e.rows(), e.dockerRows()) {
		if !o.only.MatchString(r.work) {
			continue
		}
		if r.prepare != nil {
			if err := r.prepare(ctx); err != nil {
				return fmt.Errorf("%s: %w", r.work, err)
			}
		}
		if err := measure(ctx, o, r); err != nil {
			return fmt.Errorf("%s: %w", r.work, err)
		}
	}
	return nil
}

// processor says what it was measured on.
func processor() (string, error) {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	model := "unknown processor"
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
		}
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "", err
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d × %s, Linux %s, load %s", runtime.NumCPU(), model, unix.ByteSliceToString(name.Release[:]), strings.Fields(string(load))[0]), nil
}

// measure lets the subjects of a row take turns and prints its lines.
func measure(ctx context.Context, o options, r row) error {
	took := make([][]float64, len(r.subjects))
	for range o.rounds {
		for i, s := range r.subjects {
			if s.absent != "" {
				continue
			}
			d, err := once(ctx, o, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			took[i] = append(took[i], d)
		}
	}
	unit, figures := r.unit, make([]float64, len(took))
	if unit == "" {
		unit = "ms"
	}
	for i := range took {
		figures[i] = median(took[i])
	}
	for i, s := range r.subjects {
		if s.absent != "" {
			fmt.Printf("| %s | %s | – | – | %s |\n", r.work, s.name, s.absent)
			continue
		}
		ratio, want := "", ""
		if i > 0 {
			ratio = fmt.Sprintf("%.2f", figures[0]/figures[i])
		} else if r.goal != "" {
			want = r.goal + ": no"
			if r.met(figures) {
				want = r.goal + ": yes"
			}
		}
		fmt.Printf("| %s | %s | %s %s | %s | %s |\n", r.work, s.name, short(figures[i]), unit, ratio, want)
	}
	return nil
}

// short is a figure with three digits that matter.
func short(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

// once measures one turn.
func once(ctx context.Context, o options, s subject) (float64, error) {
	dir, err := os.MkdirTemp(o.cache, "turn-")
	if err != nil {
		return 0, err
	}
	unix.Sync()
	if s.figure != nil {
		f, err := s.figure(ctx, dir)
		return f, errors.Join(err, os.RemoveAll(dir))
	}
	begin := time.Now()
	err = s.run(ctx, dir)
	d := time.Since(begin)
	return milliseconds(d), errors.Join(err, os.RemoveAll(dir))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
