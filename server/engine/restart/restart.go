// Package restart decides whether a container that has ended is started again,
// and when. It is pure; the engine acts.
//
//	policy + how the run ended → Next → not, or after a wait
//	policy + state at the server's start → AtStart
//
// Source: moby's restart manager: the wait begins at 100 ms and doubles up to a
// minute, and begins anew after a run of 10 s.
package restart

import (
	"time"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

const (
	firstWait = 100 * time.Millisecond
	longest   = time.Minute
	longRun   = 10 * time.Second // after which the wait begins anew
)

// Run is how a run ended.
type Run struct {
	Code    int
	Took    time.Duration
	Stopped bool          // somebody asked for it
	Before  int           // restarts since somebody started it
	Waited  time.Duration // before this run; 0: it was started by hand
}

// Next says whether another run follows, and after how long.
func Next(p *wire.Restart, r Run) (wait time.Duration, again bool) {
	if p == nil || r.Stopped {
		return 0, false
	}
	switch p.Name {
	case wire.RestartAlways, wire.RestartUnlessStopped:
	case wire.RestartOnFailure:
		if r.Code == 0 || p.Max > 0 && r.Before >= p.Max {
			return 0, false
		}
	default:
		return 0, false
	}
	if r.Waited == 0 || r.Took >= longRun {
		return firstWait, true
	}
	return min(2*r.Waited, longest), true
}

// AtStart says whether a container that does not run when the server starts is
// to run: it was started before, and its policy outlives the server. stopped
// says that somebody stopped it.
func AtStart(p *wire.Restart, code int, stopped bool, before int) bool {
	if p == nil {
		return false
	}
	switch p.Name {
	case wire.RestartAlways:
		return true
	case wire.RestartUnlessStopped:
		return !stopped
	case wire.RestartOnFailure:
		return !stopped && code != 0 && (p.Max == 0 || before < p.Max)
	}
	return false
}
