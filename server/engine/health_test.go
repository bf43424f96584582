//go:build linux

package engine_test

import (
	"strings"
	"testing"

	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/health"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// checked is an image whose check is run every millisecond; the fake has no
// process to enter, so that it always fails.
const checked = `{"config":{"Cmd":["/x"],"Healthcheck":{"Test":["CMD","/probe"],"Interval":1000000,"Retries":2}}}`

func (l *lab) health(id string) *health.State {
	l.t.Helper()
	d, err := l.Detail(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	return d.Health
}

func (l *lab) becomesUnhealthy(id string) {
	l.t.Helper()
	l.becomes(id, "unhealthy", func(c wire.Container) bool {
		h := l.health(id)
		return c.Health == health.Unhealthy && c.State == wire.StateRunning && h.FailingStreak >= 2
	})
}

func TestProbesGoOnInTheNextServer(t *testing.T) {
	l := newLab(t, checked)
	c := l.run()
	if c.Health != health.Starting {
		t.Errorf("just started and %q", c.Health)
	}
	l.becomesUnhealthy(c.ID)
	before := l.health(c.ID)
	if r := before.Log[0]; r.ExitCode != -1 || !strings.Contains(r.Output, "is not running") { // the fake has no process
		t.Errorf("%+v", r)
	}
	l.restart()
	if after := l.health(c.ID); after.Status != health.Unhealthy || after.FailingStreak < before.FailingStreak {
		t.Errorf("it forgot: %+v, was %+v", after, before)
	}
	l.becomes(c.ID, "probed again", func(wire.Container) bool { return l.health(c.ID).FailingStreak > before.FailingStreak })
	d, err := l.Detail(t.Context(), c.ID)
	if err != nil || len(d.Execs) > 1 {
		t.Errorf("probes are remembered: %v, %v", d.Execs, err)
	}
}

func TestProbesGoOnAfterAPauseAndBeginAnewAtAStart(t *testing.T) {
	l := newLab(t, checked)
	c := l.run()
	l.becomesUnhealthy(c.ID)
	if _, err := l.Pause(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if h := l.health(c.ID); h.Status != health.Unhealthy {
		t.Errorf("paused and %+v", h)
	}
	if _, err := l.Unpause(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	streak := l.health(c.ID).FailingStreak
	l.becomes(c.ID, "probed again", func(wire.Container) bool { return l.health(c.ID).FailingStreak > streak+5 })
	if _, err := l.Kill(t.Context(), c.ID, wire.KillContainer{}); err != nil {
		t.Fatal(err)
	}
	if h := l.health(c.ID); h.Status != health.Unhealthy || len(h.Log) != 5 {
		t.Errorf("ended and %+v", h)
	}
	again, err := l.Start(t.Context(), c.ID)
	if err != nil || again.Health != health.Starting {
		t.Errorf("started again and %q, %v", again.Health, err)
	}
}

func TestAChecksCreatorHasTheLastWord(t *testing.T) {
	l := newLab(t, checked)
	for _, c := range []struct {
		asked *health.Check
		want  string
	}{
		{nil, health.Starting}, {&health.Check{Retries: 9}, health.Starting}, {&health.Check{Test: []string{"NONE"}}, ""},
	} {
		made, err := l.CreateWith(t.Context(), wire.CreateContainer{Image: "lab:1"}, engine.Settings{Health: c.asked})
		if err != nil {
			t.Fatal(err)
		}
		if started, err := l.Start(t.Context(), made.ID); err != nil || started.Health != c.want {
			t.Errorf("%+v: %q, %v, want %q", c.asked, started.Health, err, c.want)
		}
	}
	_, err := l.CreateWith(t.Context(), wire.CreateContainer{Image: "lab:1"}, engine.Settings{Health: &health.Check{Test: []string{"CMD"}}})
	wantCode(t, err, "bad-healthcheck")
	_, err = l.Create(t.Context(), wire.CreateContainer{Image: "lab:1", Log: &wire.LogLimits{Driver: "nonsense"}})
	wantCode(t, err, "bad-log")
}
