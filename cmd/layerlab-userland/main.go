//go:build linux

// Command layerlab-userland is the user land of layerlab's sample images: one
// static program with many names. It acts as the one under which it is called
// (sh, ls, cat …); `layerlab-userland NAME …` names it in the first argument,
// and without a name it lists them.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/layerlab/layerlab/cmd/layerlab-userland/internal/applet"
	"github.com/layerlab/layerlab/cmd/layerlab-userland/internal/shell"
)

func main() {
	call := applet.Call{
		Name:  filepath.Base(os.Args[0]),
		Args:  os.Args[1:],
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	table := applet.Table()
	table["sh"] = shell.Run
	// A login shell is called "-sh".
	table["-sh"] = shell.Run

	if _, ok := table[call.Name]; !ok && len(call.Args) > 0 {
		call.Name, call.Args = call.Args[0], call.Args[1:]
	}
	run, ok := table[call.Name]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s: not one of its names; they are:\n", call.Name)
		for _, name := range append(applet.Names(), "sh") {
			fmt.Fprintln(os.Stderr, "  "+name)
		}
		os.Exit(127)
	}
	os.Exit(applet.Exit(call, run(call)))
}
