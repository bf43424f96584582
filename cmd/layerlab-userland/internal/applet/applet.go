//go:build linux

// Package applet holds the utilities of the sample images' user land: what a
// first look around a container needs, in the manner of POSIX and without its
// rarer options. Those that u-root has as a library come from there; the others
// are small and own.
//
//	Call → Table()[name] → Stdout, error → Exit → exit code
package applet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// Call is one invocation of a utility.
type Call struct {
	Name           string // the utility's
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Func is a utility. An error is printed with the utility's name in front, and
// makes the exit code 1 but for Status.
type Func func(Call) error

// Status is an exit code without a message.
type Status int

func (s Status) Error() string { return fmt.Sprintf("exit code %d", int(s)) }

// usageError is a call that makes no sense: exit code 2.
type usageError struct{ error }

// Exit prints err in the name of the utility and returns the exit code.
func Exit(c Call, err error) int {
	if err == nil {
		return 0
	}
	if s, ok := errors.AsType[Status](err); ok {
		return int(s)
	}
	if errors.Is(err, syscall.EPIPE) {
		return 128 + int(syscall.SIGPIPE)
	}
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	c.complain(err)
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

// complain prints err as `NAME: PATH: reason`, without Go's "open" and "lstat".
func (c Call) complain(err error) {
	text := err.Error()
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		text = p.Path + ": " + p.Err.Error()
	}
	fmt.Fprintf(c.Stderr, "%s: %s\n", c.Name, text)
}

// each calls f for every argument and goes on after errors, as utilities do:
// they are printed at once, and the exit code becomes 1.
func (c Call) each(args []string, f func(string) error) error {
	var status error
	for _, a := range args {
		if err := f(a); err != nil {
			if errors.Is(err, syscall.EPIPE) {
				return err
			}
			c.complain(err)
			status = Status(1)
		}
	}
	return status
}

// flags returns a set for the options of the call; usage is what --help shows
// after the name.
func (c Call) flags(usage string) *pflag.FlagSet {
	f := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
	f.SetOutput(c.Stderr)
	f.Usage = func() {
		fmt.Fprintf(c.Stderr, "usage: %s %s\n%s", c.Name, usage, f.FlagUsages())
	}
	return f
}

// parse parses the options and asks for at least so many arguments.
func (c Call) parse(f *pflag.FlagSet, atLeast int) ([]string, error) {
	if err := f.Parse(c.Args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil, err
		}
		return nil, usageError{err}
	}
	if f.NArg() < atLeast {
		return nil, usageError{errors.New("missing operand, see --help")}
	}
	return f.Args(), nil
}

// Table returns the utilities by name.
func Table() map[string]Func {
	t := map[string]Func{
		// network
		"httpd": httpd, "nc": nc, "nslookup": nslookup, "ping": ping, "wget": wget,
		// files
		"ls": ls, "ln": ln, "chown": chown, "rmdir": rmdir, "stat": stat, "du": du,
		"readlink": readlink, "realpath": realpath, "basename": basename, "dirname": dirname,
		"truncate": truncate, "mkfifo": mkfifo, "mknod": mknod, "which": which,
		// text
		"head": head, "tail": tail, "wc": wc, "sort": sortLines, "uniq": uniq, "grep": grep,
		"cut": cut, "tr": tr, "tee": tee, "seq": seq, "rev": rev, "less": less, "more": less,
		"md5sum": sum, "sha1sum": sum, "sha256sum": sum, "hexdump": hexdump,
		// system
		"uname": uname, "id": id, "whoami": whoami, "ps": ps, "kill": kill, "hostname": hostname,
		"df": df, "mount": mount, "date": date, "sleep": sleep, "env": env, "printenv": printenv,
		"tty": tty, "nproc": nproc, "free": free, "uptime": uptime, "sync": syncDisks,
		"clear": clearScreen, "stty": stty,
		// also in the shell, but programs look for them
		"echo": echo, "pwd": pwd, "true": succeed, "false": fail, "yes": yes, "test": test, "[": test,
		"printf": printf,
	}
	for name, build := range borrowed() {
		t[name] = func(c Call) error {
			cmd := build()
			cmd.SetIO(c.Stdin, c.Stdout, c.Stderr)
			return cmd.RunContext(context.Background(), c.Args...)
		}
	}
	return t
}

// Names returns the names of the utilities, sorted.
func Names() []string { return slices.Sorted(maps.Keys(Table())) }

// quote shows names with control characters as a terminal can bear them.
func quote(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
		return name
	}
	return fmt.Sprintf("%q", name)
}
