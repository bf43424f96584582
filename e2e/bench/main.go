// Command bench measures layerlab's archive commands beside dive, crane, skopeo,
// umoci and openssl in one run and prints a table in Markdown: what each took,
// and how ours compares.
//
//	bench [-layerlab FILE] [-cache DIR] [-n ROUNDS] [-budget D] [-patience D] [-only REGEXP] [-fetch]
//
// Whole processes are measured, on archives that are made once and kept in the
// cache folder, with the page cache warm. The programs of a comparison take
// turns round by round, so that a busy machine is busy for all of them. Clock
// and processor time are medians, memory is the largest of all rounds. A
// program that is slow is asked again only until its budget is spent, and stopped
// when patience ends.
//
// Processor time counts all threads and is steadier than the clock; the clock is
// what a user waits for. Look at the ratios. The floor row reads the archive,
// hashes it and drops it: nothing that looks at every byte takes less.
//
// -fetch installs dive and crane, by `go install` into the cache folder; the
// others are Debian's. What is missing is left out of the table and named.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"
)

// options are the command line's.
type options struct {
	layerlab string
	cache    string
	rounds   int
	budget   time.Duration
	patience time.Duration
	only     *regexp.Regexp
	fetch    bool
}

func main() {
	// Two jobs that this program does in a process of its own.
	if len(os.Args) == 3 {
		switch os.Args[1] {
		case "floor":
			exit(floor(os.Args[2]))
		case "make":
			exit(makeArchive(os.Args[2]))
		}
	}
	o := options{}
	folder, err := os.UserCacheDir()
	if err != nil {
		folder = os.TempDir()
	}
	flag.StringVar(&o.layerlab, "layerlab", "bin/layerlab", "the program to measure")
	flag.StringVar(&o.cache, "cache", filepath.Join(folder, "layerlab", "bench"), "folder for archives and fetched programs, some 4 GB")
	flag.IntVar(&o.rounds, "n", 7, "rounds of each comparison")
	flag.DurationVar(&o.budget, "budget", 30*time.Second, "time after which a slow program is not measured again")
	flag.DurationVar(&o.patience, "patience", time.Minute, "time after which a program is stopped")
	only := flag.String("only", ".", "regular expression of the comparisons to make")
	flag.BoolVar(&o.fetch, "fetch", false, "install the programs to compare with that Go can install")
	flag.Parse()
	if o.only, err = regexp.Compile(*only); err != nil {
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run makes the comparisons one after the other and prints each when it is done.
func run(ctx context.Context, o options) error {
	var err error
	if o.layerlab, err = filepath.Abs(o.layerlab); err != nil {
		return err
	}
	if _, err := os.Stat(o.layerlab); err != nil {
		return fmt.Errorf("%w: build it by make build, or name it by -layerlab", err)
	}
	if err := os.MkdirAll(o.cache, 0o755); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	peers, err := findPeers(ctx, o.cache, o.fetch)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(o.cache, "scratch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	fmt.Println(machine())
	fmt.Println(peers)
	fmt.Print(heading)
	for _, c := range (bench{o.layerlab, o.cache, scratch, peers, self}).comparisons() {
		if !o.only.MatchString(c.work) {
			continue
		}
		if err := archiveReady(ctx, o.cache, c.needs); err != nil {
			return err
		}
		results, err := measure(ctx, o, c)
		if err != nil {
			return err
		}
		fmt.Print(lines(c, results))
	}
	return nil
}
