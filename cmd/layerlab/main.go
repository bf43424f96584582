// Command layerlab shows what a container image really is, and runs it.
// Package cli has its commands.
package main

import (
	"os"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/cli"
)

// version is set by the linker, see the Makefile.
var version = "unknown"

func main() { os.Exit(cli.Main(version)) }
