//go:build linux

package foreign

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// kin are this process's children whose status somebody waits for. All others
// are what a runtime's command left behind when it went wrong; unreaped they
// would keep the container's pid namespace from ending (crun, an exec of a
// command that is absent).
type kin struct {
	births sync.Mutex // held while a child may be there that is not noted yet

	mu   sync.Mutex
	pids map[int]bool
	stop chan os.Signal
}

// family begins to reap strangers, until close.
func family() *kin {
	k := &kin{pids: map[int]bool{}, stop: make(chan os.Signal, 1)}
	signal.Notify(k.stop, unix.SIGCHLD)
	go func() {
		for range k.stop {
			k.births.Lock()
			k.reap()
			k.births.Unlock()
		}
	}()
	return k
}

func (k *kin) close() {
	signal.Stop(k.stop)
	close(k.stop)
}

// start starts a command that the caller waits for.
func (k *kin) start(cmd *exec.Cmd) error {
	k.mu.Lock() // nobody asks for a child before it is noted
	defer k.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	k.pids[cmd.Process.Pid] = true
	return nil
}

func (k *kin) note(pid int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pids[pid] = true
}

func (k *kin) forget(pid int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.pids, pid)
}

func (k *kin) has(pid int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pids[pid]
}

// reap takes the status of strangers that have ended (proc(5), children).
func (k *kin) reap() {
	lists, _ := filepath.Glob("/proc/self/task/[0-9]*/children") // the pattern is none that fails
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil && !k.has(pid) {
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG|unix.WALL, nil)
			}
		}
	}
}
