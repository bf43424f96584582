//go:build linux

// Command layerlab-helper is what layerlab serve runs beside itself, from sealed
// memory: the shim of each container, the helper of each container network, and
// the short processes that read files of a container or unpack a layer. It is
// also the first process of a container with an init. Nobody starts it by hand;
// it is embedded in layerlab.
//
//	layerlab-helper WORD
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/layerlab/layerlab/runtime/files"
	"github.com/layerlab/layerlab/runtime/firstproc"
	"github.com/layerlab/layerlab/runtime/foreign"
	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/runtime/network/outside"
	"github.com/layerlab/layerlab/runtime/rootless"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/runtime/unpack"
)

func main() {
	if filepath.Base(os.Args[0]) == firstproc.Name {
		os.Exit(firstproc.Main(os.Args[1:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		os.Exit(shim.Main(os.Args[2:]))
	}
	if len(os.Args) == 2 && os.Args[1] == files.Word {
		os.Exit(files.Main())
	}
	if len(os.Args) == 2 && os.Args[1] == unpack.Word {
		os.Exit(unpack.Main())
	}
	if len(os.Args) == 2 && os.Args[1] == outside.Word {
		os.Exit(outside.Main())
	}
	if len(os.Args) == 2 && os.Args[1] == rootless.Word {
		os.Exit(rootless.Main())
	}
	if len(os.Args) == 2 && os.Args[1] == foreign.Word {
		os.Exit(foreign.Main())
	}
	if len(os.Args) > 1 && os.Args[1] == "network" {
		os.Exit(network.Main(os.Args[2:]))
	}
	fmt.Fprintln(os.Stderr, "layerlab-helper: layerlab serve starts this program; nobody else has use for it")
	os.Exit(2)
}
