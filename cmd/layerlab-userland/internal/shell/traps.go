//go:build linux

package shell

import (
	"context"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/syntax"
)

// traps are what a script wants to be done at signals. As POSIX has it a signal
// waits for the command under way: what it asks for is done before the next.
type traps struct {
	came chan os.Signal

	mu sync.Mutex
	do map[os.Signal]string // "": nothing
}

func newTraps() *traps {
	return &traps{came: make(chan os.Signal, 16), do: map[os.Signal]string{}}
}

// has says whether the script handles a signal.
func (t *traps) has(s os.Signal) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, has := t.do[s]
	return has
}

// call sees each command before it is run, and says what is run instead: trap
// itself where it names signals, which the interpreter does not know; and what a
// signal that came asks for, then the command.
func (t *traps) call(_ context.Context, args []string) ([]string, error) {
	if args[0] == "trap" && t.set(args[1:]) {
		return []string{"true"}, nil
	}
	text := t.asked()
	if strings.TrimSpace(text) == "" {
		return args, nil
	}
	for _, a := range args {
		quoted, err := syntax.Quote(a, syntax.LangBash)
		if err != nil { // a zero byte, which no argument has
			return nil, err
		}
		text += " " + quoted
	}
	return []string{"eval", text}, nil
}

// asked is what the signals that have come ask for, a line each.
func (t *traps) asked() (text string) {
	for {
		select {
		case s := <-t.came:
			t.mu.Lock()
			text += t.do[s] + "\n"
			t.mu.Unlock()
		default:
			return text
		}
	}
}

// set takes the operands of trap. What names no signal (EXIT, ERR, a mistake) is
// the interpreter's.
func (t *traps) set(operands []string) bool {
	if len(operands) > 0 && operands[0] == "--" {
		operands = operands[1:]
	}
	if len(operands) == 0 {
		return false
	}
	action, names := operands[0], operands[1:]
	if len(names) == 0 { // trap TERM is trap - TERM
		action, names = "-", operands
	}
	var list []os.Signal
	for _, name := range names {
		s, ok := signalOf(name)
		if !ok {
			return false
		}
		list = append(list, s)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range list {
		delete(t.do, s)
		if action != "-" {
			t.do[s] = action
		}
	}
	signal.Stop(t.came)
	for s := range t.do {
		signal.Notify(t.came, s)
	}
	return true
}

// signalOf reads "TERM", "SIGTERM" or "15".
func signalOf(name string) (syscall.Signal, bool) {
	if n, err := strconv.Atoi(name); err == nil {
		return syscall.Signal(n), n > 0 && n < 65
	}
	s := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG"))
	return s, s != 0
}

// ended is the cause of a script's end by a signal that it does not handle.
type ended struct{ signal syscall.Signal }

func (e ended) Error() string { return e.signal.String() }

// processOne returns a context that ends with a signal which ends other
// processes and which the script does not handle. A process 1 without a handler
// is deaf to SIGTERM: a stop would wait for its SIGKILL.
func (t *traps) processOne() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	came := make(chan os.Signal, 1)
	signal.Notify(came, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	over := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-came:
				if n, ok := s.(syscall.Signal); ok && !t.has(s) {
					cancel(ended{n})
				}
			case <-over:
				return
			}
		}
	}()
	return ctx, sync.OnceFunc(func() { signal.Stop(came); close(over); cancel(nil) })
}
