package health

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// watched is a container whose probes do what they are told.
type watched struct {
	began time.Time
	state State
	told  []string // "at 1s: 0 text"
}

func (w *watched) watch(ctx context.Context, c Check, probe func(ctx context.Context, out *Output) (int, error)) {
	w.began = time.Now()
	w.state = State{}.Begin()
	Watch(ctx, Watched{
		Check: c, Started: w.began, Probe: probe, State: func() State { return w.state },
		Keep: func(r Result) {
			w.state = w.state.After(c, w.began, r)
			w.told = append(w.told, fmt.Sprintf("%v %d %s %s", r.Start.Sub(w.began), r.ExitCode, r.Output, w.state.Status))
		},
	})
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestProbesFollowOneAnotherByTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 47500*time.Millisecond)
		defer cancel()
		var w watched
		n := 0
		w.watch(ctx, Check{Interval: 10 * time.Second, StartPeriod: 5 * time.Second, StartInterval: 2 * time.Second, Retries: 1}, func(_ context.Context, out *Output) (int, error) {
			n++
			fmt.Fprint(out, "n", n)
			time.Sleep(time.Second)
			if n == 2 || n == 4 {
				return n, nil
			}
			if n == 3 {
				return 0, errors.New("no such program")
			}
			return 0, nil
		})
		same(t, w.told, "2s 0 n1 healthy", "13s 2 n2 unhealthy", "24s -1 no such program unhealthy", "35s 4 n4 unhealthy", "46s 0 n5 healthy")
	})
}

func TestAProbeThatTakesTooLongIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var w watched
		w.watch(ctx, Check{Interval: 10 * time.Second, Timeout: 3 * time.Second}, func(ctx context.Context, out *Output) (int, error) {
			if len(w.told) > 0 {
				fmt.Fprint(out, "half")
			}
			<-ctx.Done()
			time.Sleep(time.Second) // until it is dead
			return 137, nil
		})
		same(t, w.told, "10s -1 Health check exceeded timeout (3s) starting", "24s -1 Health check exceeded timeout (3s): half starting",
			"38s -1 Health check exceeded timeout (3s): half unhealthy", "52s -1 Health check exceeded timeout (3s): half unhealthy")
	})
}

func TestTheEndCutsAProbeShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		var w watched
		w.watch(ctx, Check{Interval: 10 * time.Second}, func(ctx context.Context, _ *Output) (int, error) {
			<-ctx.Done()
			return 137, nil
		})
		same(t, w.told)
		if took := time.Since(w.began); took != 15*time.Second {
			t.Error(took)
		}
	})
}

func TestOutputIsCutAt4096Bytes(t *testing.T) {
	var o Output
	for range 4096 / 16 {
		fmt.Fprint(&o, strings.Repeat("x", 16))
	}
	if got := o.String(); len(got) != 4096 {
		t.Errorf("%d bytes", len(got))
	}
	if n, err := o.Write([]byte("y")); n != 1 || err != nil || o.String() != strings.Repeat("x", 4096)+"..." {
		t.Errorf("%d, %v, %d bytes", n, err, len(o.String()))
	}
}
