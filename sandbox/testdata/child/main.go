// Command child is the sandbox's child for tests: its argument is the file of
// a module. It is built without the race detector, under which wazero's
// compiler takes a minute.
package main

import (
	"fmt"
	"os"

	"github.com/layerlab/layerlab/sandbox"
)

func main() {
	module, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(sandbox.Child(module))
}
