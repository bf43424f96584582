package health

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestChecksThatCannotBeRunAreRefused(t *testing.T) {
	for want, c := range map[string]Check{
		"Interval in Healthcheck cannot be less than 1ms":      {Interval: 1},
		"Timeout in Healthcheck cannot be less than 1ms":       {Timeout: -1},
		"StartPeriod in Healthcheck cannot be less than 1ms":   {StartPeriod: 999_999},
		"StartInterval in Healthcheck cannot be less than 1ms": {StartInterval: 1},
		"Retries in Healthcheck cannot be negative":            {Retries: -1},
		"Unknown healthcheck type 'X' (expected 'CMD')":        {Test: []string{"X", "y"}},
		"Healthcheck CMD: no command":                          {Test: []string{"CMD"}},
		"Healthcheck CMD-SHELL: no command":                    {Test: []string{"CMD-SHELL"}},
	} {
		if err := c.Valid(); err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %s", c, err, want)
		}
		if c.Test != nil && c.Command(nil) != nil {
			t.Errorf("%v is run: %v", c.Test, c.Command(nil))
		}
	}
	var none *Check
	for _, c := range []*Check{none, {}, {Test: []string{"NONE"}}, {Test: []string{"CMD", "a"}, Interval: shortest}} {
		if err := c.Valid(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestTheRequestsCheckIsFilledWithTheImages(t *testing.T) {
	image := &Check{Test: []string{"CMD", "image"}, Interval: 1, Timeout: 2, StartPeriod: 3, StartInterval: 4, Retries: 5}
	if got := Merge(image, nil); got != image {
		t.Errorf("%+v", got)
	}
	if got := Merge(nil, nil); got != nil {
		t.Errorf("%+v", got)
	}
	want := &Check{Test: []string{"CMD", "image"}, Interval: 7, Timeout: 2, StartPeriod: 3, StartInterval: 4, Retries: 5}
	if d := cmp.Diff(want, Merge(image, &Check{Interval: 7})); d != "" {
		t.Error(d)
	}
	if got := Merge(image, &Check{Test: []string{"NONE"}}); got.Command(nil) != nil {
		t.Errorf("it is probed: %v", got.Command(nil))
	}
}

func TestLinesOfADockerfileAreRead(t *testing.T) {
	for text, want := range map[string]*Check{
		"NONE":            {Test: []string{"NONE"}},
		"CMD test -e /ok": {Test: []string{"CMD-SHELL", "test -e /ok"}},
		`--interval=5s  --timeout=1m --start-period=1h --start-interval=2s --retries=4 cmd ["a", "b c"]`: {
			Test: []string{"CMD", "a", "b c"}, Interval: 5 * time.Second, Timeout: time.Minute, StartPeriod: time.Hour, StartInterval: 2 * time.Second, Retries: 4,
		},
	} {
		got, err := Parse(text)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", text, err, d)
		}
	}
	for text, want := range map[string]string{
		"NONE x": "HEALTHCHECK NONE takes no arguments", "": `Unknown type "" in HEALTHCHECK (try CMD)`, "CMD": "Missing command after HEALTHCHECK CMD", "RUN x": `Unknown type "RUN" in HEALTHCHECK (try CMD)`,
		"--nonsense=1 CMD x": "unknown flag: --nonsense", "--interval CMD x": "missing a value on flag: --interval", "--interval=1us CMD x": "Interval in Healthcheck cannot be less than 1ms",
		"--retries=x CMD x": `strconv.Atoi: parsing "x": invalid syntax`, "CMD []": "Healthcheck CMD: no command",
	} {
		if _, err := Parse(text); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestCommandIsThatOfTheShellOrItself(t *testing.T) {
	line := &Check{Test: []string{"CMD-SHELL", "a && b"}}
	for _, c := range []struct{ got, want []string }{
		{line.Command(nil), []string{"/bin/sh", "-c", "a && b"}},
		{line.Command([]string{"/bin/bash", "-ec"}), []string{"/bin/bash", "-ec", "a && b"}},
		{(&Check{Test: []string{"CMD", "a", "b"}}).Command(nil), []string{"a", "b"}},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Error(d)
		}
	}
}

// TestStatesFollowFromResults runs sequences of probes: a letter is one, w for
// well and f for one that fails, a second apart from the start on; the wanted
// letters are the states' first ones.
func TestStatesFollowFromResults(t *testing.T) {
	names := map[string]byte{Starting: 's', Healthy: 'h', Unhealthy: 'u'}
	for _, c := range []struct {
		check                Check
		probes, want, streak string
	}{
		{Check{}, "wfffw", "hhhuh", "01230"},
		{Check{}, "fffffw", "ssuuuh", "123450"},
		{Check{Retries: 1}, "fwf", "uhu", "101"},
		{Check{Retries: 2, StartPeriod: 2500 * time.Millisecond}, "fffffw", "ssssuh", "000120"},
		{Check{Retries: 1, StartPeriod: 10 * time.Second}, "fwfw", "shuh", "0010"},                         // well once: failures count
		{Check{Retries: 2, StartPeriod: 10 * time.Second}, "ffffffffffff", "sssssssssssu", "000000000012"}, // and after it
	} {
		started := time.Unix(100, 0)
		s := State{}.Begin()
		var got, streak strings.Builder
		for i, p := range c.probes {
			r := Result{Start: started.Add(time.Duration(i) * time.Second)}
			if p == 'f' {
				r.ExitCode = 1
			}
			s = s.After(c.check, started, r)
			got.WriteByte(names[s.Status])
			streak.WriteByte(byte('0' + s.FailingStreak))
		}
		if got.String() != c.want || streak.String() != c.streak {
			t.Errorf("%s of %+v: %s %s, want %s %s", c.probes, c.check, got.String(), streak.String(), c.want, c.streak)
		}
	}
}

func TestTheLastFiveResultsAreKept(t *testing.T) {
	var states []State
	s := State{}.Begin()
	for i := range 12 {
		s = s.After(Check{}, time.Time{}, Result{ExitCode: i})
		states = append(states, s)
	}
	for i, s := range states { // none was changed by those that came after it
		if len(s.Log) != min(i+1, 5) || s.Log[len(s.Log)-1].ExitCode != i || s.Log[0].ExitCode != max(0, i-4) {
			t.Errorf("after %d: %+v", i, s.Log)
		}
	}
	again := s.Stop().Begin()
	if again.Status != Starting || again.FailingStreak != 0 || len(again.Log) != 5 || s.Stop().Status != Unhealthy {
		t.Errorf("%+v", again)
	}
}

func TestProbesComeOftenerInTheStartPeriod(t *testing.T) {
	started := time.Unix(100, 0)
	c := &Check{StartPeriod: time.Minute}
	for _, x := range []struct {
		check  *Check
		status string
		after  time.Duration
		want   time.Duration
	}{
		{&Check{}, Starting, 0, 30 * time.Second},
		{c, Starting, 59 * time.Second, 5 * time.Second},
		{c, Healthy, time.Second, 30 * time.Second},
		{c, Starting, time.Minute, 30 * time.Second},
		{&Check{StartPeriod: time.Minute, StartInterval: time.Second, Interval: time.Hour}, Starting, 1, time.Second},
		{&Check{StartPeriod: time.Minute, StartInterval: time.Second, Interval: time.Hour}, Unhealthy, 1, time.Hour},
	} {
		if got := x.check.Wait(State{Status: x.status}, started, started.Add(x.after)); got != x.want {
			t.Errorf("%+v %s after %v: %v, want %v", x.check, x.status, x.after, got, x.want)
		}
	}
}
