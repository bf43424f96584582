//go:build linux

package applet

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// The shell has these built in; programs that look for them in PATH get them too.

func echo(c Call) error {
	args, newline := c.Args, "\n"
	if len(args) > 0 && args[0] == "-n" {
		args, newline = args[1:], ""
	}
	_, err := fmt.Fprint(c.Stdout, strings.Join(args, " ")+newline)
	return err
}

func pwd(c Call) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	fmt.Fprintln(c.Stdout, dir)
	return nil
}

func succeed(Call) error { return nil }

func fail(Call) error { return Status(1) }

func yes(c Call) error {
	word := "y"
	if len(c.Args) > 0 {
		word = strings.Join(c.Args, " ")
	}
	out := bufio.NewWriter(c.Stdout)
	for {
		if _, err := out.WriteString(word + "\n"); err != nil {
			return err
		}
	}
}

func test(c Call) error   { return builtin(c) }
func printf(c Call) error { return builtin(c) }

// builtin runs a utility as the shell's builtin of the same name.
func builtin(c Call) error {
	words := make([]string, 0, 1+len(c.Args))
	for _, w := range append([]string{c.Name}, c.Args...) {
		q, err := syntax.Quote(w, syntax.LangBash)
		if err != nil {
			return err
		}
		words = append(words, q)
	}
	prog, err := syntax.NewParser().Parse(strings.NewReader("builtin "+strings.Join(words, " ")), c.Name)
	if err != nil {
		return usageError{err}
	}
	r, err := interp.New(interp.StdIO(c.Stdin, c.Stdout, c.Stderr))
	if err != nil {
		return err
	}
	err = r.Run(context.Background(), prog)
	if status, ok := err.(interp.ExitStatus); ok {
		return Status(status)
	}
	return err
}
