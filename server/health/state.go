package health

import (
	"slices"
	"time"
)

// The values of Status.
const (
	None      = "none" // there is no check
	Starting  = "starting"
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
)

// keptResults is how many a State keeps.
const keptResults = 5

// Result is what came of a probe.
type Result struct {
	Start, End time.Time
	ExitCode   int    // 0 is well; -1: it could not be run, or took too long
	Output     string // its first 4,096 bytes, or why it could not be run
}

// State is what is known of a container's health. It is a value: no function
// changes one.
type State struct {
	Status        string
	FailingStreak int      // failures in a row that count
	Log           []Result // the last 5, oldest first; those of earlier runs, too
}

// Begin is the state of a container that has just been started.
func (s State) Begin() State { return State{Status: Starting, Log: s.Log} }

// Stop is the state of one that is not probed any more, since it has ended or is
// paused: as moby says it, unhealthy.
func (s State) Stop() State {
	s.Status = Unhealthy
	return s
}

// After is the state after a probe of a container that was started at a moment.
func (s State) After(c Check, started time.Time, r Result) State {
	s.Log = append(slices.Clone(s.Log[max(0, len(s.Log)+1-keptResults):]), r)
	if r.ExitCode == 0 {
		s.Status, s.FailingStreak = Healthy, 0
		return s
	}
	if s.Status == Starting && r.Start.Sub(started) < c.StartPeriod {
		return s
	}
	retries := c.Retries
	if retries <= 0 {
		retries = defaultRetries
	}
	if s.FailingStreak++; s.FailingStreak >= retries {
		s.Status = Unhealthy
	}
	return s
}
