package restart_test

import (
	"testing"
	"time"

	"github.com/layerlab/layerlab/server/engine/restart"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func TestNext(t *testing.T) {
	policy := func(name string, max int) *wire.Restart { return &wire.Restart{Name: name, Max: max} }
	for what, c := range map[string]struct {
		policy *wire.Restart
		run    restart.Run
		wait   time.Duration
		again  bool
	}{
		"no policy":              {nil, restart.Run{Code: 1}, 0, false},
		"no":                     {policy("no", 0), restart.Run{Code: 1}, 0, false},
		"always after success":   {policy("always", 0), restart.Run{}, 100 * time.Millisecond, true},
		"always, stopped":        {policy("always", 0), restart.Run{Stopped: true}, 0, false},
		"the wait doubles":       {policy("always", 0), restart.Run{Waited: 400 * time.Millisecond}, 800 * time.Millisecond, true},
		"up to a minute":         {policy("always", 0), restart.Run{Waited: 50 * time.Second}, time.Minute, true},
		"anew after a long run":  {policy("unless-stopped", 0), restart.Run{Waited: time.Minute, Took: 10 * time.Second}, 100 * time.Millisecond, true},
		"on failure, success":    {policy("on-failure", 0), restart.Run{}, 0, false},
		"on failure":             {policy("on-failure", 0), restart.Run{Code: 3, Before: 90}, 100 * time.Millisecond, true},
		"on failure, the last":   {policy("on-failure", 2), restart.Run{Code: 3, Before: 1}, 100 * time.Millisecond, true},
		"on failure, one beyond": {policy("on-failure", 2), restart.Run{Code: 3, Before: 2}, 0, false},
	} {
		if wait, again := restart.Next(c.policy, c.run); wait != c.wait || again != c.again {
			t.Errorf("%s: %v after %v, want %v after %v", what, again, wait, c.again, c.wait)
		}
	}
}

func TestAtStart(t *testing.T) {
	for _, c := range []struct {
		name    string
		code    int
		stopped bool
		want    bool
	}{
		{"no", 1, false, false},
		{"always", 0, false, true},
		{"always", 0, true, true}, // as with Docker: until the daemon starts anew
		{"unless-stopped", 0, false, true},
		{"unless-stopped", 0, true, false},
		{"on-failure", 0, false, false},
		{"on-failure", 1, false, true},
		{"on-failure", 1, true, false},
	} {
		if got := restart.AtStart(&wire.Restart{Name: c.name, Max: 3}, c.code, c.stopped, 1); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if restart.AtStart(&wire.Restart{Name: "on-failure", Max: 3}, 1, false, 3) || restart.AtStart(nil, 1, false, 0) {
		t.Error("restarted beyond its count, or without a policy")
	}
}
