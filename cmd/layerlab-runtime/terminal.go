//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/layerlab/layerlab/runtime/calm"
	"github.com/layerlab/layerlab/runtime/launch"
)

// attachTerminal joins the process's terminal to our own. Somebody sits at it:
// here a signal may take a goroutine.
func attachTerminal(p *launch.Process, m *os.File) (wait func() (int, error), err error) {
	// From here on several goroutines share the processors.
	_ = calm.Monitor(0)
	signals := make(chan os.Signal, 64)
	for _, s := range passed() {
		signal.Notify(signals, s)
	}
	restore := func() {}
	if term.IsTerminal(0) {
		old, err := term.MakeRaw(0)
		if err != nil {
			return nil, fmt.Errorf("terminal: %w", err)
		}
		restore = func() { term.Restore(0, old) }
	}
	fit(m)
	go func() { io.Copy(m, os.Stdin) }()
	copied := make(chan struct{})
	go func() {
		io.Copy(os.Stdout, m) // ends with EIO when the last slave is closed
		close(copied)
	}()
	return func() (int, error) {
		defer restore()
		defer signal.Stop(signals)
		done := make(chan struct{})
		defer close(done)
		go func() {
			for {
				select {
				case s := <-signals:
					forward(p, m, s)
				case <-done:
					return
				}
			}
		}()
		ws, err := p.Wait()
		<-copied
		return status(ws), err
	}, nil
}

func forward(p *launch.Process, m *os.File, s os.Signal) {
	switch s {
	case unix.SIGWINCH:
		fit(m)
	default:
		if n, ok := s.(unix.Signal); ok {
			p.Signal(n)
		}
	}
}

// fit gives a terminal the size of ours.
func fit(m *os.File) {
	if cols, rows, err := term.GetSize(0); err == nil {
		launch.Resize(m, uint16(cols), uint16(rows))
	}
}
