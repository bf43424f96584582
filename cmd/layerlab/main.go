// Command layerlab shows what a container image really is, and runs it.
// Package cli has its commands.
package main

import (
	"os"
	"runtime"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/cli"
)

// version is set by the linker, see the Makefile.
var version = "unknown"

// ballast is how many bytes of addresses are held and never touched, so that
// they take no memory: the garbage collector counts them as alive and begins
// its work at 64 MiB instead of 4 MiB, which an image of 100,000 entries does
// not reach. Without it six collections run while such an image is read.
const ballast = 32 << 20

func main() {
	held := make([]byte, ballast)
	code := cli.Main(version)
	runtime.KeepAlive(held)
	os.Exit(code)
}
