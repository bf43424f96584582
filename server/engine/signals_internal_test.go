//go:build linux

package engine

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]unix.Signal{
		"SIGHUP": 1, "hup": 1, "9": 9, "SIGRTMIN+3": 37, "RTMIN": 34, "RTMAX-2": 62, "SIGTERM": 15,
		"": 0, "SIGNOPE": 0, "65": 0, "-1": 0, "RTMIN+31": 0, "RTMIN3": 0, "RTMAX+1": 0,
	} {
		got, err := parseSignal(text)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("parseSignal(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}
