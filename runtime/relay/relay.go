//go:build linux && (amd64 || arm64)

// Package relay passes the signals that this program gets on to a process, for
// as long as the program does nothing but wait for it.
//
//	kill(launcher, SIGTERM) → handler → pidfd_send_signal(process, SIGTERM)
//
// The handler is a dozen instructions that run wherever the kernel interrupts
// us; no goroutine takes part. os/signal is made for programs that want to
// think about a signal: it starts a thread, and asks that thread about each
// signal number by two hand-overs. For the twelve signals of a run these were
// 1.3 of 8 ms and half of all context switches.
//
// Sources: sigaction(2), pidfd_send_signal(2).
package relay

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// target is the descriptor that the handler sends to. A signal handler gets
// nothing but the signal, so this is the one place it can find its process.
//
//lint:ignore U1000 the handler is in assembler
var target int32 = -1

// action is the kernel's struct sigaction.
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// The kernel's flags; unix has no names for them.
const (
	saOnStack  = 0x08000000 // Go's threads have a stack for handlers; a goroutine's may be small
	saRestart  = 0x10000000 // wait4 goes on
	saRestorer = 0x04000000
)

// To passes the signals on to the process of a pidfd from now on, for good. The
// descriptor has to stay open; once the process has ended, signals are dropped.
// A program can have one such process in its life, and should not use os/signal
// for the same signals.
func To(pidfd int, signals ...unix.Signal) error {
	target = int32(pidfd)
	a := action{handler: entry(), flags: saOnStack | saRestart | saRestorer, restorer: restorer()}
	for _, s := range signals {
		if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&a)), 0, 8, 0, 0); e != 0 {
			return os.NewSyscallError("rt_sigaction "+unix.SignalName(s), e)
		}
	}
	return nil
}

// entry and restorer return the addresses of code in relay_*.s.
func entry() uintptr
func restorer() uintptr
