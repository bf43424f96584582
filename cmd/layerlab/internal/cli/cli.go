// Package cli is the command line of layerlab: flags, what they mean, and where
// output goes. The work is done by imagecore, sandbox and server; text comes
// from package show.
//
//	arguments → cobra → options → source → imagecore → show → standard output
//
// Errors are one line on standard error, `layerlab: TRAIL`, and an exit code:
// 0 done, 1 the answer is no, 2 usage, 3 the input is refused, 4 not found,
// 5 the host can't.
package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/settings"
)

// Program is one run of layerlab.
type Program struct {
	Version string
	Args    []string // without the program's name
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	// LookupEnv is os.LookupEnv.
	LookupEnv func(string) (string, bool)
}

// Main runs layerlab and returns its exit code.
func Main(version string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &Program{
		Version: version, Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		LookupEnv: os.LookupEnv,
	}
	return p.Run(ctx)
}

// Run does what the arguments ask for.
func (p *Program) Run(ctx context.Context) int {
	r := &run{Program: p, out: bufio.NewWriterSize(p.Stdout, 64<<10)}
	root := r.root()
	root.SetArgs(p.Args)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !r.began {
		err = usageError{err} // cobra found the command line wrong
	}
	if ferr := r.out.Flush(); err == nil {
		err = ferr
	}
	if err != nil && !errors.Is(err, errNo) {
		fmt.Fprintln(p.Stderr, "layerlab: "+oneLine(err.Error()))
	}
	return exitCode(err)
}

// oneLine keeps an error on one line, whatever the library that worded it, and
// its characters from moving the cursor, whatever archive they came from.
func oneLine(text string) string {
	var b strings.Builder
	for _, r := range strings.TrimRight(text, "\r\n") {
		switch {
		case r == '\n':
			b.WriteString("; ")
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// run is a Program at work.
type run struct {
	*Program
	out   *bufio.Writer // standard output
	began bool          // the command line made sense
}

func (r *run) root() *cobra.Command {
	var settingsFile string
	root := &cobra.Command{
		Use:           "layerlab",
		Short:         "See what a container image really is, and run it",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          r.rootArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return r.ciAlone(cmd.Context(), args[0])
			}
			return cmd.Help()
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVar(&settingsFile, "settings", "", "file of settings, one \"FLAG = VALUE\" a line (default "+settings.DefaultPath()+")")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := r.apply(root, cmd.Flags(), settingsFile); err != nil {
			return err
		}
		r.began = true
		return nil
	}
	root.AddCommand(
		r.inspectCommand(), r.treeCommand(), r.diffCommand(), r.flattenCommand(),
		r.whyCommand(), r.findCommand(), r.catCommand(), r.verifyCommand(),
		r.wasteCommand(), r.ciCommand(), r.convertCommand(),
		r.serveCommand(), r.versionCommand(), r.sandboxCommand(),
	)
	return root
}

// apply fills flags in from the environment and the settings file.
func (r *run) apply(root *cobra.Command, flags *pflag.FlagSet, path string) error {
	required := path != ""
	if !required {
		if path, required = r.LookupEnv(settings.Variable("settings")); !required {
			path = settings.DefaultPath()
		}
	}
	var file *settings.File
	if path != "" {
		var err error
		if file, err = settings.Read(path, required); err != nil {
			return err
		}
	}
	known := func(name string) bool {
		for _, c := range root.Commands() {
			if c.Flags().Lookup(name) != nil {
				return true
			}
		}
		return false
	}
	return settings.Apply(flags, r.LookupEnv, file, known)
}

func (r *run) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(r.out, "layerlab", r.Version)
			return err
		},
	}
}
