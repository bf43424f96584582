//go:build linux && !amd64 && !arm64

package relay

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// To passes the signals on to the process of a pidfd from now on, for good; here
// by a goroutine.
func To(pidfd int, signals ...unix.Signal) error {
	c := make(chan os.Signal, 64)
	for _, s := range signals {
		signal.Notify(c, s)
	}
	go func() {
		for s := range c {
			if n, ok := s.(unix.Signal); ok {
				_ = unix.PidfdSendSignal(pidfd, n, nil, 0) // ESRCH: it has ended
			}
		}
	}()
	return nil
}
