//go:build linux

// Command layerlab-egress is the way out of one container network: a TCP/IP
// stack in user space, which layerlab serve --egress allow starts from sealed
// memory. Nobody starts it by hand; it is embedded in layerlab. It is a program
// of its own so that nothing else carries its network stack.
package main

import (
	"os"

	"github.com/layerlab/layerlab/runtime/network/egress/userspace"
)

func main() { os.Exit(userspace.Main()) }
