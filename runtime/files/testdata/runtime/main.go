//go:build linux

// Command runtime is layerlab-runtime with the one word that the tests need.
package main

import (
	"os"

	"github.com/layerlab/layerlab/runtime/files"
)

func main() { os.Exit(files.Main()) }
