// Package health says whether a container is well: what a health check asks for,
// what follows from the result of a probe, and when the next one is due. That is
// pure; Watch, a loop around it, has probes run and the results kept.
//
//	image's check, request's check → Merge → Check
//	State, Result → After → State        Check, State → Wait → until the next probe
//	Watch: wait ─▶ probe (until its timeout) ─▶ Result ─▶ kept by the caller ─▶ wait …
//
// Source of rules, defaults and words: moby's daemon/health.go, the Dockerfile
// reference on HEALTHCHECK.
package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/layerlab/layerlab/imagecore"
)

// What is meant by a zero value of a Check.
const (
	defaultInterval      = 30 * time.Second
	defaultTimeout       = 30 * time.Second
	defaultStartInterval = 5 * time.Second
	defaultRetries       = 3
	shortest             = time.Millisecond
)

// Check is a HEALTHCHECK, in the form of an image's config. Its times are
// nanoseconds there; zero is the default.
type Check struct {
	// Test is empty (the image's), ["NONE"], ["CMD", argument…] or ["CMD-SHELL",
	// line].
	Test          []string      `json:",omitempty"`
	Interval      time.Duration `json:",omitempty"` // between probes; 30 s
	Timeout       time.Duration `json:",omitempty"` // of a probe; 30 s
	StartPeriod   time.Duration `json:",omitempty"` // after the start, in which failures don't count; none
	StartInterval time.Duration `json:",omitempty"` // between probes in it; 5 s
	Retries       int           `json:",omitempty"` // failures in a row that make it unhealthy; 3
}

// Valid refuses a check that cannot be run, in moby's words. Code:
// bad-healthcheck.
func (c *Check) Valid() error {
	if c == nil {
		return nil
	}
	for _, t := range []struct {
		name string
		time time.Duration
	}{{"Interval", c.Interval}, {"Timeout", c.Timeout}, {"StartPeriod", c.StartPeriod}, {"StartInterval", c.StartInterval}} {
		if t.time != 0 && t.time < shortest {
			return bad("%s in Healthcheck cannot be less than %s", t.name, shortest)
		}
	}
	if c.Retries < 0 {
		return bad("Retries in Healthcheck cannot be negative")
	}
	if len(c.Test) == 0 || c.Test[0] == "NONE" {
		return nil
	}
	if c.Test[0] != "CMD" && c.Test[0] != "CMD-SHELL" {
		return bad("Unknown healthcheck type '%s' (expected 'CMD')", c.Test[0])
	}
	if len(c.Test) == 1 {
		return bad("Healthcheck %s: no command", c.Test[0])
	}
	return nil
}

func bad(format string, args ...any) error {
	return imagecore.NewError(imagecore.ErrInvalid, "bad-healthcheck", fmt.Sprintf(format, args...))
}

// Merge fills what a request leaves open with what its image says; either may be
// nil.
func Merge(image, request *Check) *Check {
	if request == nil {
		return image
	}
	out := *request
	if image == nil {
		return &out
	}
	if len(out.Test) == 0 {
		out.Test = image.Test
	}
	if out.Retries == 0 {
		out.Retries = image.Retries
	}
	for _, f := range []struct{ mine, images *time.Duration }{
		{&out.Interval, &image.Interval},
		{&out.Timeout, &image.Timeout},
		{&out.StartPeriod, &image.StartPeriod},
		{&out.StartInterval, &image.StartInterval},
	} {
		if *f.mine == 0 {
			*f.mine = *f.images
		}
	}
	return &out
}

// Command is what a probe runs, nil for a check that has none; shell is that of
// CMD-SHELL, nil for /bin/sh -c.
func (c *Check) Command(shell []string) []string {
	if c == nil || c.Valid() != nil || len(c.Test) < 2 {
		return nil
	}
	switch c.Test[0] {
	case "CMD":
		return slices.Clone(c.Test[1:])
	case "CMD-SHELL":
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return append(slices.Clone(shell), c.Test[1:]...)
	}
	return nil
}

// timeout is that of a probe.
func (c *Check) timeout() time.Duration {
	if c.Timeout == 0 {
		return defaultTimeout
	}
	return c.Timeout
}

// Wait returns how long to wait at a moment for the next probe of a container
// that was started at another.
func (c *Check) Wait(s State, started, now time.Time) time.Duration {
	if s.Status == Starting && now.Sub(started) < c.StartPeriod {
		if c.StartInterval == 0 {
			return defaultStartInterval
		}
		return c.StartInterval
	}
	if c.Interval == 0 {
		return defaultInterval
	}
	return c.Interval
}
