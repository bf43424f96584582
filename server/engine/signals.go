//go:build linux

package engine

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
)

// parseSignal reads "SIGHUP", "hup", "1", "SIGRTMIN+3" and "RTMAX-2".
func parseSignal(text string) (unix.Signal, error) {
	bad := imagecore.NewError(imagecore.ErrInvalid, "bad-signal", fmt.Sprintf("signal %q: unknown", text), "signal", text)
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > 64 {
			return 0, bad
		}
		return unix.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if sig := unix.SignalNum("SIG" + name); sig != 0 {
		return sig, nil
	}
	// glibc keeps 32 and 33 for itself: RTMIN is 34 to every program that
	// prints or parses these names (signal(7)).
	base, sign := 34, 1
	rest, ok := strings.CutPrefix(name, "RTMIN")
	if !ok {
		base, sign = 64, -1
		if rest, ok = strings.CutPrefix(name, "RTMAX"); !ok {
			return 0, bad
		}
	}
	offset := 0
	if rest != "" {
		want := byte('+')
		if sign < 0 {
			want = '-'
		}
		n, err := strconv.Atoi(rest[1:])
		if rest[0] != want || err != nil || n < 0 {
			return 0, bad
		}
		offset = n
	}
	n := base + sign*offset
	if n < 34 || n > 64 {
		return 0, bad
	}
	return unix.Signal(n), nil
}
