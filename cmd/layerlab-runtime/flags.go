//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var errUsage = errors.New("usage")

func newFlags(name string, errOut io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(errOut)
	return fs
}

// parse parses a command's options and checks the number of arguments.
func parse(fs *flag.FlagSet, args []string, least, most int, usage string) error {
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: layerlab-runtime %s [options] %s\n", fs.Name(), usage)
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		return errors.Join(errUsage, err)
	}
	if n := fs.NArg(); n < least || most >= 0 && n > most {
		fs.Usage()
		return errUsage
	}
	return nil
}

func usageCode(err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	return 2
}

func usage(w io.Writer, fs *flag.FlagSet) {
	fmt.Fprint(w, "usage: layerlab-runtime [options] COMMAND [options] ARGUMENTS\n\nAn OCI runtime (runtime-spec "+specs.Version+").\n\ncommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.about)
	}
	fmt.Fprint(w, "\noptions:\n")
	fs.SetOutput(w)
	fs.PrintDefaults()
}

// words is an option that may be given several times.
type words []string

func (l *words) String() string     { return strings.Join(*l, ",") }
func (l *words) Set(s string) error { *l = append(*l, s); return nil }

// both declares an option by its long and its short name.
func bothString(fs *flag.FlagSet, p *string, long, short, value, about string) {
	fs.StringVar(p, long, value, about)
	fs.StringVar(p, short, value, "short for --"+long)
}

func bothBool(fs *flag.FlagSet, p *bool, long, short, about string) {
	fs.BoolVar(p, long, false, about)
	fs.BoolVar(p, short, false, "short for --"+long)
}

// writeLog appends an error to the log file in the form that callers parse.
func (g *global) writeLog(msg string) {
	if g.log == "" {
		return
	}
	f, err := os.OpenFile(g.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintln(g.errOut, "layerlab-runtime: log:", err)
		return
	}
	defer f.Close()
	now := time.Now().Format(time.RFC3339)
	if !g.json {
		fmt.Fprintf(f, "time=%q level=error msg=%q\n", now, msg)
		return
	}
	json.NewEncoder(f).Encode(struct {
		Level string `json:"level"`
		Msg   string `json:"msg"`
		Time  string `json:"time"`
	}{"error", msg, now})
}

func buildVersion() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "devel"
}
