//go:build linux

// Package shell is the sample images' sh: the POSIX interpreter of mvdan.cc/sh
// with a line editor in front. It has no job control: what runs, runs in the
// shell's own process group, so that Ctrl-C reaches it; the shell itself
// survives, also as process 1, whose signals without a handler the kernel drops.
//
//	sh              a prompt on a terminal, else the script on standard input
//	sh -c TEXT      a script in an argument
//	sh FILE ARG…    a script in a file
package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"github.com/layerlab/layerlab/cmd/layerlab-userland/internal/applet"
)

// Run is the utility sh.
func Run(c applet.Call) error {
	args := c.Args
	var options []string
	command, interactive := "", false
	hasCommand := false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && len(args[0]) > 1 {
		option := args[0]
		args = args[1:]
		if option == "--" {
			break
		}
		for _, letter := range option[1:] {
			switch letter {
			case 'c':
				hasCommand = true
			case 'i':
				interactive = true
			case 'l', 's':
				// A login shell reads no profile here; -s is what happens anyway.
			case 'e', 'u', 'x', 'f', 'n', 'a':
				options = append(options, "-"+string(letter))
			default:
				fmt.Fprintf(c.Stderr, "sh: unknown option -%c\n", letter)
				return applet.Status(2)
			}
		}
	}
	if hasCommand {
		if len(args) == 0 {
			fmt.Fprintln(c.Stderr, "sh: -c needs an argument")
			return applet.Status(2)
		}
		command, args = args[0], args[1:]
		if len(args) > 0 {
			args = args[1:] // $0
		}
	}
	var script string
	if !hasCommand && len(args) > 0 {
		script, args = args[0], args[1:]
	}
	params := append(options, "--")
	params = append(params, args...)
	f, t := &foreground{}, newTraps()
	r, err := interp.New(
		interp.StdIO(c.Stdin, c.Stdout, c.Stderr),
		interp.Params(params...),
		interp.CallHandler(func(ctx context.Context, args []string) ([]string, error) {
			args, err := t.call(ctx, args)
			if err != nil {
				return nil, err
			}
			return outside(ctx, args)
		}),
		interp.ExecHandlers(f.run),
	)
	if err != nil {
		return err
	}
	in, isFile := c.Stdin.(*os.File)
	onTerminal := isFile && term.IsTerminal(int(in.Fd()))
	switch {
	case hasCommand:
		return runScript(r, t, strings.NewReader(command), "sh")
	case script != "":
		file, err := os.Open(script)
		if err != nil {
			return err
		}
		defer file.Close()
		return runScript(r, t, file, script)
	case onTerminal || interactive && isFile:
		return prompt(r, f, in, c.Stdout, c.Stderr)
	}
	return runScript(r, t, c.Stdin, "sh")
}

// runScript runs a whole script. Its exit code is the last command's.
func runScript(r *interp.Runner, t *traps, in io.Reader, name string) error {
	prog, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(in, name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return applet.Status(2)
	}
	if os.Getpid() != 1 {
		return status(r.Run(context.Background(), prog))
	}
	ctx, stop := t.processOne()
	defer stop()
	err = r.Run(ctx, prog)
	if e, ok := errors.AsType[ended](context.Cause(ctx)); ok {
		return applet.Status(128 + int(e.signal))
	}
	return status(err)
}

// status turns the interpreter's exit status into the utility's.
func status(err error) error {
	if s, ok := errors.AsType[interp.ExitStatus](err); ok {
		return applet.Status(s)
	}
	if errors.Is(err, context.Canceled) {
		return applet.Status(128 + int(syscall.SIGINT))
	}
	return err
}

// outside sends the builtins that POSIX wants in the shell, and that the
// interpreter lacks, to the program of that name.
func outside(_ context.Context, args []string) ([]string, error) {
	if args[0] == "kill" {
		args = append([]string{"env", "kill"}, args[1:]...)
	}
	return args, nil
}

// foreground knows whether commands run, and whether an interrupt ended one.
//
// The terminal sends Ctrl-C to shell and command alike. What the command makes
// of it counts: one that dies of it ends the line that was typed, one that
// handles it (a shell within the shell, say) is left alone.
type foreground struct {
	running atomic.Int32
	// interrupted is called when a command died of SIGINT; nil in scripts.
	interrupted atomic.Pointer[context.CancelFunc]
}

// run starts a command, with a shell's words for one that is not there.
func (f *foreground) run(next interp.ExecHandlerFunc) interp.ExecHandlerFunc {
	return func(ctx context.Context, args []string) error {
		c := interp.HandlerCtx(ctx)
		if path := args[0]; strings.Contains(path, "/") {
			if !filepath.IsAbs(path) {
				path = filepath.Join(c.Dir, path)
			}
			if err := unix.Access(path, unix.X_OK); errors.Is(err, unix.EACCES) {
				fmt.Fprintf(c.Stderr, "sh: %s: permission denied\n", args[0])
				return interp.ExitStatus(126)
			}
		}
		if _, err := interp.LookPathDir(c.Dir, c.Env, args[0]); err != nil {
			fmt.Fprintf(c.Stderr, "sh: %s: not found\n", args[0])
			return interp.ExitStatus(127)
		}
		interrupted := f.interrupted.Load()
		if interrupted == nil {
			return next(ctx, args)
		}
		f.running.Add(1)
		err := next(context.WithoutCancel(ctx), args)
		f.running.Add(-1)
		if s, ok := errors.AsType[interp.ExitStatus](err); ok && int(s) == 128+int(syscall.SIGINT) {
			(*interrupted)()
		}
		return err
	}
}
