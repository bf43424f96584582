//go:build linux

// Command runtime is layerlab-runtime with the one word that the tests need.
package main

import (
	"os"

	"github.com/layerlab/layerlab/runtime/unpack"
)

func main() { os.Exit(unpack.Main()) }
