//go:build linux

package rootless

import (
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Word is the argument by which layerlab-helper is asked to be Main.
const Word = "rootless-keep"

// look is how often the keeper looks whether anybody else is in its namespace.
const look = 10 * time.Second

// Main is the keeper: it does nothing, and ends when it is alone: the server and
// all shims and network helpers have.
func Main() int {
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGPIPE)
	unix.Close(3) // the program
	tick := time.NewTicker(look)
	defer tick.Stop()
	for range tick.C {
		if alone() {
			return 0
		}
	}
	return 0
}

// alone says that no other process is in this user namespace.
func alone() bool {
	own, err := os.Stat("/proc/self/ns/user")
	if err != nil {
		return false
	}
	all, err := filepath.Glob("/proc/[0-9]*/ns/user")
	if err != nil {
		return false
	}
	n := 0
	for _, path := range all {
		if st, err := os.Stat(path); err == nil && os.SameFile(st, own) {
			n++
		}
	}
	return n <= 1
}
