//go:build !linux

// Command layerlab-runtime is an OCI runtime. Containers need Linux; here it
// prints what would be done to start one.
//
//	layerlab-runtime plan [--bundle DIR] [--json]
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 || os.Args[1] != "plan" {
		fmt.Fprintln(os.Stderr, "layerlab-runtime: containers need Linux; what works here is: layerlab-runtime plan [--bundle DIR] [--json]")
		os.Exit(2)
	}
	fs := flag.NewFlagSet("plan", flag.ExitOnError)
	bundle := fs.String("bundle", ".", "folder of config.json")
	fs.StringVar(bundle, "b", ".", "short for --bundle")
	asJSON := fs.Bool("json", false, "print JSON")
	fs.Parse(os.Args[2:])
	if fs.NArg() > 0 {
		fs.Usage()
		os.Exit(2)
	}
	if err := planned(*bundle, *asJSON, nil, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "layerlab-runtime:", err)
		os.Exit(1)
	}
}
